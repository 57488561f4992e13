"""How long until 99 %? Trains the chapter's code, PyTorch's MNIST example and our recipe in turn, and compares them.

    python benchmarks/time_to_accuracy.py            # under 40 minutes on two CPU cores
    python benchmarks/time_to_accuracy.py --quick    # under 4 minutes: the peers' speed, but not when they reach 99 %

    python benchmarks/time_to_accuracy.py --table    # the committed results as the README's table

Each run is a process of its own; runs of different contenders take turns, so that a machine that slows down slows all
of them. Results are written after each run, and what there is is printed if the benchmark is stopped.
"""

import argparse
import json
import math
import platform
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import geometric_mean, mean
from typing import NamedTuple

import torch
from matplotlib.figure import Figure
from scipy import stats

from contenders import CONTENDERS
from helpers import Recipe, pick_device, plots
from helpers.files import atomic_write

FOLDER = Path(__file__).resolve().parent
TARGET = 0.99
OURS = "recipe"  # what the others are compared with


class Plan(NamedTuple):
    """What to run of a contender: its names in the table and in the picture, seeds, epochs, and training images."""

    title: str
    label: str
    seeds: int
    epochs: int
    train_size: int = 60_000


class Row(NamedTuple):
    """A contender's line in the table; times in seconds, memory in MiB, None where there is no value."""

    contender: str
    title: str
    seeds: int
    epochs: int
    train_size: int
    accuracy: float
    interval: float | None
    seconds: float
    reading: float
    seconds_to_target: float | None
    ratio: tuple[float, float, float] | None  # to ours, and its 95 % interval
    images_per_second: float
    peak_mib: float | None


def main() -> int:
    """Run the benchmark; return 1 if a run failed or was left out."""
    options = _parse_arguments()
    plans = _plans(options)
    if options.table:
        results = json.loads((FOLDER / "results.json").read_text())
        print(markdown_table(summarize(results["runs"], plans), results["machine"]))
        return 0
    for path in (options.json, options.plot):
        path.parent.mkdir(parents=True, exist_ok=True)
    results = _earlier_results(options) if options.resume else {"machine": _machine(options), "runs": []}
    complete = False
    plots.use_style()
    try:
        complete = _run_all(plans, results, options)
    except KeyboardInterrupt:
        print("\nstopped; these are the results so far", file=sys.stderr)
    print_table(summarize(results["runs"], plans))
    if results["runs"] and not options.quick:
        picture(results["runs"], plans).savefig(options.plot, dpi=150, bbox_inches="tight")
        print(f"\nplot: {options.plot}")
    return 0 if complete else 1


def _parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, help="of the two recipes (default: 20; with --quick: 3)")
    parser.add_argument("--peer-seeds", type=int, help="of each of the slow others (default: 3; with --quick: 1)")
    parser.add_argument("--only", nargs="+", choices=CONTENDERS, default=list(CONTENDERS), help="default: all")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads(), help="default: %(default)s")
    parser.add_argument("--device", default=str(pick_device()), help="default: %(default)s")
    parser.add_argument("--minutes", type=float, default=39, help="stop after so many (default: %(default)s)")
    parser.add_argument("--json", type=Path, default=FOLDER / "build" / "results.json", help="default: %(default)s")
    parser.add_argument("--plot", type=Path, default=FOLDER / "build" / "accuracy_against_time.png")
    parser.add_argument("--resume", action="store_true", help="keep the JSON file's runs; do what is missing")
    parser.add_argument("--table", action="store_true", help="print the committed results in Markdown, and run nothing")
    parser.add_argument("--quick", action="store_true", help="fewer seeds and images, in under 4 minutes")
    return parser.parse_args()


def _plans(options: argparse.Namespace) -> dict[str, Plan]:
    quick = options.quick
    seeds, peer_seeds = options.seeds or (3 if quick else 20), options.peer_seeds or (1 if quick else 3)
    plans = all_plans(seeds, peer_seeds, quick=quick)
    return {name: plan for name, plan in plans.items() if name in options.only}


def all_plans(seeds: int = 20, peer_seeds: int = 3, *, quick: bool = False) -> dict[str, Plan]:
    """What to run of each contender."""
    short, middle, long, images = (1, 1, 1, 20_000) if quick else (2, 3, 6, 60_000)
    return {
        "chapter": Plan("the chapter's code", "chapter's code", peer_seeds, short, images),
        "chapter_faster": Plan(
            "the chapter's network and schedule, our loop", "chapter's network, our loop", peer_seeds, short, images
        ),
        "example": Plan("PyTorch's MNIST example", "PyTorch's example", peer_seeds, long, images),
        "chapter_adam": Plan(
            "the chapter's network, Adam, one cycle", "chapter's network, Adam", peer_seeds, middle, images
        ),
        "recipe_02": Plan("our recipe of version 0.2", "version 0.2", seeds, 1),
        OURS: Plan("our recipe", "our recipe", seeds, 1),
    }


def _machine(options: argparse.Namespace) -> dict:
    return {
        "processor": _processor(),
        "threads": options.threads,
        "device": options.device,
        "torch": torch.__version__,
        "python": platform.python_version(),
        "kernels": torch.backends.cpu.get_cpu_capability(),
    }


def _processor() -> str:
    """Name of the processor; where the system does not tell it, that of its architecture."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(":")[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def _earlier_results(options: argparse.Namespace) -> dict:
    results, machine = json.loads(options.json.read_text()), _machine(options)
    if results["machine"] != machine:
        raise SystemExit(f"--resume: {options.json} is of {results['machine']}, this is {machine}; do without --resume")
    return results


def _run_all(plans: dict[str, Plan], results: dict, options: argparse.Namespace) -> bool:
    """Run every contender with every seed, in turn; return whether all of it was done."""
    deadline = time.monotonic() + 60 * options.minutes
    longest, complete = {}, True
    done = {(run["contender"], run["seed"]) for run in results["runs"]}
    for number, (name, seed) in enumerate(order := interleave(plans), 1):
        if (name, seed) in done:
            continue
        if time.monotonic() + longest.get(name, 0) > deadline:
            print(f"{plans[name].title}, seed {seed}: left out, it would not end within {options.minutes:g} minutes")
            complete = False
            continue
        start = time.monotonic()
        label = f"[{number}/{len(order)}] {plans[name].title}, seed {seed}"
        epochs = _run(name, seed, plans[name], deadline, label, options)
        longest[name] = time.monotonic() - start
        complete &= len(epochs) == plans[name].epochs
        if not epochs:
            continue
        results["runs"].append({"contender": name, "seed": seed, "epochs": epochs})
        with atomic_write(options.json) as part:
            part.write_text(json.dumps(results, indent=1) + "\n")
    return complete


def interleave(plans: dict[str, Plan]) -> list[tuple[str, int]]:
    """Contender and seed of each run, the runs of each contender spread evenly over the whole time."""
    runs = [((seed + 0.5) / plan.seeds, name, seed) for name, plan in plans.items() for seed in range(plan.seeds)]
    return [(name, seed) for _, name, seed in sorted(runs)]


def _run(name: str, seed: int, plan: Plan, deadline: float, label: str, options: argparse.Namespace) -> list[dict]:
    """Train in a process of its own, showing each epoch as it ends; the epochs finished, none if the run failed."""
    command = [sys.executable, str(FOLDER / "contenders.py"), name, "--seed", str(seed), "--epochs", str(plan.epochs)]
    command += ["--train-size", str(plan.train_size), "--threads", str(options.threads), "--device", options.device]
    epochs = []
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            for line in process.stdout:
                epochs.append(json.loads(line))
                result = f"{100 * epochs[-1]['accuracy']:.2f} % after {epochs[-1]['seconds']:.1f} s"
                print(f"{label}: epoch {len(epochs)}, {result}", flush=True)
                if time.monotonic() > deadline:
                    print(f"{label}: stopped, the time is over")
                    return epochs
            if process.wait() != 0:
                print(f"{label}: failed with exit code {process.returncode}; left out")
                return []
        finally:
            process.kill()  # has ended already, unless we stop early
    return epochs


def curves(runs: Sequence[dict], plans: dict[str, Plan]) -> dict[str, list[list[tuple[float, float]]]]:
    """For each contender's label its runs, each a list of (seconds, accuracy), one pair per epoch."""
    return {
        plan.label: [[(epoch["seconds"], epoch["accuracy"]) for epoch in run["epochs"]] for run in own]
        for name, plan in plans.items()
        if (own := [run for run in runs if run["contender"] == name and run["epochs"]])
    }


def picture(runs: Sequence[dict], plans: dict[str, Plan]) -> Figure:
    """Accuracy against time, drawn for the README."""
    below = [plans[name].label for name in ("chapter", "example") if name in plans]
    return plots.accuracy_against_time(curves(runs, plans), target=TARGET, hero="our recipe", below=below)


def summarize(runs: Sequence[dict], plans: dict[str, Plan]) -> list[Row]:
    """A row for each contender that has finished an epoch, over the epochs that all of its runs have finished."""
    rows, to_target = [], {}
    for name, plan in plans.items():
        own = [run["epochs"] for run in runs if run["contender"] == name and run["epochs"]]
        if not own:
            continue
        by_epoch = list(zip(*own))  # ends with the shortest run
        accuracies = [epoch["accuracy"] for epoch in by_epoch[-1]]
        seconds = geometric_mean(epoch["seconds"] for epoch in by_epoch[-1])
        reached = [epochs for epochs in by_epoch if mean(epoch["accuracy"] for epoch in epochs) >= TARGET]
        to_target[name] = [epoch["seconds"] for epoch in reached[0]] if reached else []
        peaks = [epoch["peak_mib"] for epoch in by_epoch[-1] if epoch["peak_mib"] is not None]
        row = {
            "contender": name,
            "title": plan.title,
            "seeds": len(own),
            "epochs": len(by_epoch),
            "train_size": plan.train_size,
            "accuracy": mean(accuracies),
            "interval": ci_half_width(accuracies),
            "seconds": seconds,
            "reading": mean(epoch["reading"] for epoch in by_epoch[-1]),
            "seconds_to_target": geometric_mean(to_target[name]) if reached else None,
            "images_per_second": plan.train_size * _epochs(name, len(by_epoch)) / seconds,
            "peak_mib": max(peaks, default=None),
        }
        rows.append(row)
    return [Row(**row, ratio=ratio_interval(to_target[row["contender"]], to_target.get(OURS, []))) for row in rows]


def ratio_interval(theirs: Sequence[float], ours: Sequence[float]) -> tuple[float, float, float] | None:
    """Ratio of the geometric means of two samples of times, and its 95 % interval, by B. L. Welch's t test (1947)."""
    if min(len(theirs), len(ours)) < 2:
        return None
    logarithms = [math.log(value) for value in theirs], [math.log(value) for value in ours]
    low, high = stats.ttest_ind(*logarithms, equal_var=False).confidence_interval(0.95)
    return geometric_mean(theirs) / geometric_mean(ours), math.exp(low), math.exp(high)


def ci_half_width(values: Sequence[float]) -> float | None:
    """Half the width of the 95 % confidence interval of the mean (Student, "The Probable Error of a Mean", 1908)."""
    if len(values) < 2:
        return None
    return stats.t.ppf(0.975, len(values) - 1) * stats.sem(values)


def print_table(rows: Sequence[Row]) -> None:
    """Print the rows in columns; the last one says how many times longer than our recipe a contender takes to 99 %."""
    cells = [HEADER, *(_cells(row) for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells)]
    print()
    for title, *numbers in cells:
        print(title.ljust(widths[0]), *(number.rjust(width) for number, width in zip(numbers, widths[1:])), sep="  ")


def markdown_table(rows: Sequence[Row], machine: dict) -> str:
    """The rows as a table in Markdown, and a sentence that names the machine."""
    lines = [HEADER, ["---"] * len(HEADER), *(_cells(row) for row in rows)]
    table = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    where = f"{machine['processor']}, {machine['threads']} threads, PyTorch {machine['torch'].split('+')[0]}"
    return f"{table}\n\nMeasured on: {where}."


HEADER = ["", "seeds", "test accuracy", "training", "to a mean of 99 %", "times ours", "reading", "images/s", "memory"]


def _epochs(contender: str, epochs: int) -> float:
    return Recipe.fraction if contender == OURS else epochs


def _cells(row: Row) -> list[str]:
    epochs = _epochs(row.contender, row.epochs)
    interval = "" if row.interval is None else f" ± {100 * row.interval:.2f}"
    target = "–" if row.seconds_to_target is None else f"{row.seconds_to_target:.3g} s"
    ratio = "–" if row.ratio is None else "{:.3g} ({:.3g} to {:.3g})".format(*row.ratio)
    return [
        f"{row.title}, {epochs:g} epoch{'s' * (epochs > 1)}",
        str(row.seeds),
        f"{100 * row.accuracy:.2f}{interval} %",
        f"{row.seconds:.3g} s",
        target,
        "1" if row.contender == OURS else ratio,
        f"{row.reading:.1f} s",
        f"{row.images_per_second:,.0f}",
        "–" if row.peak_mib is None else f"{row.peak_mib:,.0f} MiB",
    ]


if __name__ == "__main__":
    sys.exit(main())
