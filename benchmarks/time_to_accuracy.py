"""How long until 99 %? Trains the chapter's code, PyTorch's MNIST example and our recipe in turn, and compares them.

    python benchmarks/time_to_accuracy.py            # under 40 minutes on two CPU cores
    python benchmarks/time_to_accuracy.py --quick    # under 4 minutes: the peers' speed, but not when they reach 99 %

Each run is a process of its own; runs of different contenders take turns, so that a machine that slows down slows all
of them. Results are written after each run, and what there is is printed if the benchmark is stopped.
"""

import argparse
import json
import platform
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import mean
from typing import NamedTuple

import torch
from scipy import stats

from contenders import CONTENDERS
from helpers import pick_device, plots
from helpers.files import atomic_write

FOLDER = Path(__file__).resolve().parent
TARGET = 0.99
OURS = "recipe"  # what the others are compared with


class Plan(NamedTuple):
    """What to run of a contender: its name in the table, seeds, epochs, and training images."""

    title: str
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
    seconds_to_target: float | None
    images_per_second: float
    peak_mib: float | None


def main() -> int:
    """Run the benchmark; return 1 if a run failed or was left out."""
    options = _parse_arguments()
    plans = _plans(options)
    results = _earlier_results(options) if options.resume else {"machine": _machine(options), "runs": []}
    complete = False
    plots.use_style()
    try:
        complete = _run_all(plans, results, options)
    except KeyboardInterrupt:
        print("\nstopped; these are the results so far", file=sys.stderr)
    print_table(summarize(results["runs"], plans))
    if results["runs"] and not options.quick:
        figure = plots.accuracy_against_time(curves(results["runs"], plans), target=TARGET)
        figure.savefig(options.plot, dpi=150, bbox_inches="tight")
        print(f"\nplot: {options.plot}")
    return 0 if complete else 1


def _parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, help="of our recipe (default: 10; with --quick: 3)")
    parser.add_argument("--peer-seeds", type=int, help="of each of the slow others (default: 3; with --quick: 1)")
    parser.add_argument("--only", nargs="+", choices=CONTENDERS, default=list(CONTENDERS), help="default: all")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads(), help="default: %(default)s")
    parser.add_argument("--device", default=str(pick_device()), help="default: %(default)s")
    parser.add_argument("--minutes", type=float, default=39, help="stop after so many (default: %(default)s)")
    parser.add_argument("--json", type=Path, default=FOLDER / "build" / "results.json", help="default: %(default)s")
    parser.add_argument("--plot", type=Path, default=FOLDER / "build" / "accuracy_against_time.png")
    parser.add_argument("--resume", action="store_true", help="keep the JSON file's runs; do what is missing")
    parser.add_argument("--quick", action="store_true", help="fewer seeds and images, in under 4 minutes")
    options = parser.parse_args()
    for path in (options.json, options.plot):
        path.parent.mkdir(parents=True, exist_ok=True)
    return options


def _plans(options: argparse.Namespace) -> dict[str, Plan]:
    quick = options.quick
    seeds, peer_seeds = options.seeds or (3 if quick else 10), options.peer_seeds or (1 if quick else 3)
    short, long, images = (1, 1, 20_000) if quick else (2, 6, 60_000)
    plans = {
        "chapter": Plan("chapter's code", peer_seeds, short, images),
        "example": Plan("PyTorch's MNIST example", peer_seeds, long, images),
        "chapter_faster": Plan("chapter's model and schedule, our loop", peer_seeds, short, images),
        OURS: Plan("our recipe", seeds, 1),
    }
    return {name: plan for name, plan in plans.items() if name in options.only}


def _machine(options: argparse.Namespace) -> dict:
    return {
        "threads": options.threads,
        "device": options.device,
        "torch": torch.__version__,
        "python": platform.python_version(),
        "kernels": torch.backends.cpu.get_cpu_capability(),
    }


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
    """For each contender's title its runs, each a list of (seconds, accuracy), one pair per epoch."""
    return {
        plan.title: [[(epoch["seconds"], epoch["accuracy"]) for epoch in run["epochs"]] for run in own]
        for name, plan in plans.items()
        if (own := [run for run in runs if run["contender"] == name and run["epochs"]])
    }


def summarize(runs: Sequence[dict], plans: dict[str, Plan]) -> list[Row]:
    """A row for each contender that has finished an epoch, over the epochs that all of its runs have finished."""
    rows = []
    for name, plan in plans.items():
        own = [run["epochs"] for run in runs if run["contender"] == name and run["epochs"]]
        if not own:
            continue
        by_epoch = list(zip(*own))  # ends with the shortest run
        accuracies = [epoch["accuracy"] for epoch in by_epoch[-1]]
        seconds = mean(epoch["seconds"] for epoch in by_epoch[-1])
        reached = [epochs for epochs in by_epoch if mean(epoch["accuracy"] for epoch in epochs) >= TARGET]
        peaks = [epoch["peak_mib"] for epoch in by_epoch[-1] if epoch["peak_mib"] is not None]
        rows.append(
            Row(
                name,
                plan.title,
                len(own),
                len(by_epoch),
                plan.train_size,
                mean(accuracies),
                ci_half_width(accuracies),
                seconds,
                mean(epoch["seconds"] for epoch in reached[0]) if reached else None,
                plan.train_size * len(by_epoch) / seconds,
                max(peaks, default=None),
            )
        )
    return rows


def ci_half_width(values: Sequence[float]) -> float | None:
    """Half the width of the 95 % confidence interval of the mean (Student, "The Probable Error of a Mean", 1908)."""
    if len(values) < 2:
        return None
    return stats.t.ppf(0.975, len(values) - 1) * stats.sem(values)


def print_table(rows: Sequence[Row]) -> None:
    """Print the rows; the last column says how many times longer than our recipe a contender takes to the target."""
    ours = next((row.seconds_to_target for row in rows if row.contender == OURS), None)
    width = max((len(row.title) for row in rows), default=0)
    print(
        f"\n{'':{width}}  seeds  epochs  images  {'accuracy, 95 % interval':>23}  {'train':>7}  {'to 99 %':>7}  "
        f"{'images/s':>8}  {'peak memory':>11}  {'× ours':>6}"
    )
    for row in rows:
        interval = "" if row.interval is None else f" ± {100 * row.interval:.2f}"
        accuracy = f"{100 * row.accuracy:.2f}{interval} %"
        to_target = "–" if row.seconds_to_target is None else f"{row.seconds_to_target:.1f} s"
        ratio = f"{row.seconds_to_target / ours:.1f}" if ours and row.seconds_to_target else "–"
        peak = "–" if row.peak_mib is None else f"{row.peak_mib:,.0f} MiB"
        print(
            f"{row.title:{width}}  {row.seeds:5}  {row.epochs:6}  {row.train_size:6,}  {accuracy:>23}  "
            f"{row.seconds:5.1f} s  {to_target:>7}  {row.images_per_second:8,.0f}  {peak:>11}  {ratio:>6}"
        )


if __name__ == "__main__":
    sys.exit(main())
