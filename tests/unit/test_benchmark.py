import json
import math
import random
import sys
from functools import partial

import pytest
import torch
from matplotlib.testing.compare import compare_images

import contenders
import time_to_accuracy
from helpers import ConvNet, Recipe, in_memory_loader, mnist_dataset, plots, seed_everything, train
from time_to_accuracy import FOLDER, Plan, all_plans, interleave, picture, print_table, ratio_interval, summarize


def run_of(contender, seed, *epochs):
    names = "seconds", "accuracy", "reading", "peak_mib"
    return {"contender": contender, "seed": seed, "epochs": [dict(zip(names, (*epoch, 0.5, None))) for epoch in epochs]}


PLANS = {"slow": Plan("slow one", "slow", 2, 3, 1000), "recipe": Plan("our recipe", "ours", 2, 1, 1000)}
RUNS = [
    run_of("slow", 0, (10.0, 0.980), (20.0, 0.991), (30.0, 0.992)),
    run_of("slow", 1, (12.0, 0.982), (22.0, 0.988), (34.0, 0.990)),
    run_of("recipe", 0, (1.0, 0.992)),
    run_of("recipe", 1, (1.2, 0.990)),
]


def test_the_time_to_the_target_is_that_of_the_mean_accuracy(capsys):
    slow, ours = summarize(RUNS, PLANS)
    assert slow.accuracy == pytest.approx(0.991) and slow.seconds == pytest.approx((30 * 34) ** 0.5)
    assert slow.seconds_to_target == pytest.approx((30 * 34) ** 0.5)  # after two epochs the mean is 0.9895
    assert ours.seconds_to_target == pytest.approx(1.2**0.5)
    assert slow.images_per_second == pytest.approx(3 * 1000 / (30 * 34) ** 0.5)
    assert ours.images_per_second == pytest.approx(
        Recipe.fraction * 1000 / 1.2**0.5
    )  # it leaves out a part of the epoch
    assert ours.interval == pytest.approx(12.706 * 0.001, rel=1e-3)  # t of one degree of freedom, times s/√2
    print_table([slow, ours])
    line = next(line for line in capsys.readouterr().out.splitlines() if line.startswith("slow one"))
    assert f"{(30 * 34 / 1.2) ** 0.5:.3g} (" in line
    (slow,) = summarize([RUNS[0], run_of("slow", 1, (12.0, 0.982)), run_of("slow", 2)], {"slow": PLANS["slow"]})
    assert slow[:2] == ("slow", "slow one") and slow[2:6] == (2, 1, 1000, pytest.approx(0.981))  # what all have done


def test_the_interval_of_a_ratio_holds_the_true_one_in_95_of_100_cases():
    generator, hits = random.Random(0), 0
    for _ in range(1000):
        theirs = [20 * math.exp(generator.gauss(0, 0.3)) for _ in range(4)]
        ours = [math.exp(generator.gauss(0, 0.1)) for _ in range(10)]
        ratio, low, high = ratio_interval(theirs, ours)
        assert low < ratio < high
        hits += low < 20 < high
    assert 930 < hits < 970 and ratio_interval([1.0], [2.0, 3.0]) is None


def test_the_reordered_network_takes_the_chapters_steps_bit_for_bit():
    small_set, results = mnist_dataset(size=1280), []
    for model_class in (contenders.ReorderedConvNet, ConvNet):
        seed_everything(0)
        model = model_class()
        optim = torch.optim.Adadelta(model.parameters(), lr=0.5)
        losses = train(model, "cpu", in_memory_loader(small_set, 32, shuffle=True), optim, 1, progress=False)
        results.append((losses, {name: tensor.tolist() for name, tensor in model.state_dict().items()}))
    assert results[0] == results[1]


def test_the_readmes_table_and_picture_are_those_of_the_committed_results(capsys, monkeypatch, tmp_path):
    monkeypatch.setattr(sys, "argv", ["time_to_accuracy.py", "--table"])
    assert time_to_accuracy.main() == 0
    assert capsys.readouterr().out.strip() in (FOLDER.parent / "README.md").read_text()
    results = json.loads((FOLDER / "results.json").read_text())
    plots.use_style()
    figure = picture(results["runs"], all_plans())
    figure.savefig(tmp_path / "picture.png", dpi=150, bbox_inches="tight")
    assert compare_images(FOLDER / "accuracy_against_time.png", tmp_path / "picture.png", tol=5) is None


def test_contenders_take_turns():
    order = interleave({"a": Plan("a", "a", 2, 1), "b": Plan("b", "b", 6, 1)})
    assert "".join(name for name, _ in order) == "babbbabb"
    assert sorted(order) == [("a", 0), ("a", 1), *(("b", seed) for seed in range(6))]


@pytest.fixture
def benchmark(tmp_path, monkeypatch):
    def run(*arguments):
        files = ["--json", tmp_path / "r.json", "--plot", tmp_path / "p.png"]
        monkeypatch.setattr(sys, "argv", [time_to_accuracy.__file__, *map(str, [*arguments, *files])])
        return time_to_accuracy.main()

    return run


@pytest.mark.slow
def test_what_was_run_before_the_time_was_over_is_kept_and_not_repeated(benchmark, tmp_path, capsys, monkeypatch):
    assert benchmark("--only", "recipe", "--seeds", 2, "--minutes", 0.01) == 1
    output = capsys.readouterr().out
    assert "seed 0: epoch 1, 9" in output and "stopped, the time is over" in output and "seed 1: left out" in output
    (run,) = json.loads((tmp_path / "r.json").read_text())["runs"]
    assert run["contender"] == "recipe" and run["epochs"][0]["accuracy"] > 0.985
    assert (tmp_path / "p.png").read_bytes().startswith(b"\x89PNG")
    monkeypatch.setattr(time_to_accuracy, "_run", lambda name, seed, *_: run_of(name, seed, (2.0, 0.991))["epochs"])
    assert benchmark("--only", "recipe", "--seeds", 2, "--resume") == 0
    again = json.loads((tmp_path / "r.json").read_text())["runs"]
    assert again == [run, run_of("recipe", 1, (2.0, 0.991))]
    with pytest.raises(SystemExit, match="do without --resume"):
        benchmark("--only", "recipe", "--threads", 7, "--resume")


@pytest.mark.slow
def test_a_run_that_fails_is_left_out_and_said_so(benchmark, tmp_path, capfd, monkeypatch):
    assert benchmark("--only", "recipe", "--seeds", 1, "--device", "nowhere") == 1
    output = capfd.readouterr()
    assert "our recipe, seed 0: failed with exit code 1; left out" in output.out
    assert "unknown device 'nowhere'" in output.err and not (tmp_path / "r.json").exists()
    monkeypatch.setenv("TORCH_DEVICE", "nobody")
    with pytest.raises(ValueError, match="unknown device 'nobody'"):  # the default is the environment's
        benchmark("--minutes", -1)


def test_what_was_measured_before_ctrl_c_is_kept(benchmark, tmp_path, capsys, monkeypatch):
    def run(name, seed, *_):
        if seed == 1:
            raise KeyboardInterrupt
        return run_of(name, seed, (2.0, 0.991))["epochs"]

    monkeypatch.setattr(time_to_accuracy, "_run", run)
    assert benchmark("--only", "recipe", "--seeds", 3) == 1
    output = capsys.readouterr()
    assert "stopped; these are the results so far" in output.err and "99.10" in output.out
    assert len(json.loads((tmp_path / "r.json").read_text())["runs"]) == 1


@pytest.mark.parametrize("name", list(contenders.CONTENDERS))
@pytest.mark.filterwarnings("ignore:dropout2d")
@pytest.mark.slow
def test_every_contender_learns(name, monkeypatch):
    monkeypatch.setattr(contenders, "mnist_dataset", partial(mnist_dataset, size=1000))  # of test images
    assert sum(p.numel() for p in contenders.ExamplesNet().parameters()) == 1_199_882  # as in PyTorch's example
    (epoch,) = contenders.measure(name, torch.device("cpu"), seed=0, epochs=1, train_size=3200)
    assert epoch["accuracy"] > 0.8 and epoch["seconds"] > 0.01
