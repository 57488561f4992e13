import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import contenders
import time_to_accuracy
from time_to_accuracy import Plan, curves, summarise, turns

SCRIPT = Path(time_to_accuracy.__file__)


def run_of(contender, seed, *epochs):
    return {
        "contender": contender,
        "seed": seed,
        "epochs": [{"seconds": seconds, "accuracy": accuracy, "peak_mib": 500.0} for seconds, accuracy in epochs],
    }


PLANS = {"slow": Plan("slow one", 2, 3, 1000), "recipe": Plan("our recipe", 2, 1, 1000)}
RUNS = [
    run_of("slow", 0, (10.0, 0.980), (20.0, 0.991), (30.0, 0.992)),
    run_of("slow", 1, (12.0, 0.982), (22.0, 0.988), (34.0, 0.990)),
    run_of("recipe", 0, (1.0, 0.992)),
    run_of("recipe", 1, (1.2, 0.990)),
]


def test_the_time_to_the_target_is_that_of_the_mean_accuracy():
    slow, ours = summarise(RUNS, PLANS)
    assert slow.accuracy == pytest.approx(0.991) and slow.seconds == pytest.approx(32.0)
    assert slow.seconds_to_target == pytest.approx(32.0)  # after two epochs the mean is 0.9895
    assert ours.seconds_to_target == pytest.approx(1.1)
    assert slow.images_per_second == pytest.approx(3 * 1000 / 32)
    assert ours.interval == pytest.approx(12.706 * 0.001, rel=1e-3)  # t of one degree of freedom, times s/√2


def test_runs_that_were_cut_short_count_for_the_epochs_that_all_have():
    (row,) = summarise([RUNS[0], run_of("slow", 1, (12.0, 0.982)), run_of("slow", 2)], {"slow": PLANS["slow"]})
    assert (row.seeds, row.epochs, row.seconds_to_target) == (2, 1, None)
    assert row.accuracy == pytest.approx(0.981)


def test_the_curves_are_each_runs_epochs():
    assert curves(RUNS, PLANS)["slow one"][1] == [(12.0, 0.982), (22.0, 0.988), (34.0, 0.990)]


def test_contenders_take_turns():
    order = turns({"a": Plan("a", 2, 1), "b": Plan("b", 6, 1)})
    assert "".join(name for name, _ in order) == "babbbabb"
    assert sorted(order) == [("a", 0), ("a", 1), *(("b", seed) for seed in range(6))]


def test_the_table_says_how_many_times_longer_than_ours(capsys):
    time_to_accuracy.print_table(summarise(RUNS, PLANS))
    slow = next(line for line in capsys.readouterr().out.splitlines() if line.startswith("slow one"))
    assert slow.split()[-1] == f"{32 / 1.1:.1f}"


def test_the_peers_are_the_networks_described():
    assert sum(p.numel() for p in contenders.ChaptersNet().parameters()) == 300_426
    assert sum(p.numel() for p in contenders.ExamplesNet().parameters()) == 1_199_882


@pytest.mark.parametrize("name", list(contenders.CONTENDERS))
@pytest.mark.filterwarnings("ignore:dropout2d")
def test_every_contender_learns(name):
    epochs = list(contenders.measure(name, torch.device("cpu"), seed=0, epochs=1, train_size=3200))
    (epoch,) = epochs
    assert epoch["accuracy"] > 0.8 and epoch["seconds"] > 0.01


def test_a_run_writes_its_results_and_a_plot(tmp_path):
    arguments = ["--only", "recipe", "--seeds", "1", "--json", tmp_path / "r.json", "--plot", tmp_path / "p.png"]
    result = subprocess.run([sys.executable, SCRIPT, *arguments], capture_output=True, text=True, timeout=300)
    assert result.returncode == 0, result.stderr
    (run,) = json.loads((tmp_path / "r.json").read_text())["runs"]
    assert run["contender"] == "recipe" and run["epochs"][0]["accuracy"] > 0.985
    assert (tmp_path / "p.png").read_bytes().startswith(b"\x89PNG")
    assert "our recipe" in result.stdout
    again = subprocess.run([sys.executable, SCRIPT, *arguments, "--resume"], capture_output=True, text=True, timeout=60)
    assert again.returncode == 0 and "epoch 1," not in again.stdout  # nothing was missing
    arguments += ["--threads", "7", "--resume"]
    other = subprocess.run([sys.executable, SCRIPT, *arguments], capture_output=True, text=True, timeout=60)
    assert other.returncode == 1 and "do without --resume" in other.stderr


def test_a_run_that_fails_is_left_out_and_said_so(tmp_path):
    arguments = ["--only", "recipe", "--seeds", "1", "--device", "nowhere", "--json", tmp_path / "r.json"]
    result = subprocess.run([sys.executable, SCRIPT, *arguments], capture_output=True, text=True, timeout=60)
    assert result.returncode == 1
    assert "our recipe, seed 0: failed with exit code 1; left out" in result.stdout
    assert "unknown device 'nowhere'" in result.stderr and not (tmp_path / "r.json").exists()


def test_a_run_that_has_no_time_left_says_so(tmp_path):
    arguments = ["--only", "chapter", "--minutes", "-1", "--json", tmp_path / "r.json", "--plot", tmp_path / "p.png"]
    result = subprocess.run([sys.executable, SCRIPT, *arguments], capture_output=True, text=True, timeout=60)
    assert result.returncode == 1 and result.stdout.count("left out") == 3
    assert not (tmp_path / "r.json").exists()


def test_no_seeds_are_an_error():
    result = subprocess.run([sys.executable, SCRIPT, "--seeds", "0"], capture_output=True, text=True, timeout=60)
    assert result.returncode == 2 and "--seeds must be at least 1" in result.stderr


def test_an_unknown_contender_is_an_error():
    result = subprocess.run([sys.executable, SCRIPT, "--only", "nobody"], capture_output=True, text=True, timeout=60)
    assert result.returncode == 1 and "no contender named nobody; there are chapter, example" in result.stderr
