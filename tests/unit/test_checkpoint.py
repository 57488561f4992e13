import random
import zipfile
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from torch.optim.lr_scheduler import OneCycleLR, StepLR

from faults import flip_a_bit, full_disk, run_until_killed, truncate
from helpers import CheckpointError, ConvNet, EdgeNet, in_memory_loader, mnist_dataset, seed_everything, training
from helpers.checkpoint import load_checkpoint, save_checkpoint


@cache
def digits():
    return mnist_dataset(size=160)


class Run:
    """A short training run with all that a checkpoint holds: dropout, a schedule, a loader with its own generator."""

    def __init__(self, seed=0, *, own_generator=True, fast=False, device="cpu"):
        seed_everything(seed)
        self.device, self.generator = device, torch.Generator().manual_seed(seed) if own_generator else None
        self.loader = in_memory_loader(digits(), 32, shuffle=True, generator=self.generator)
        self.model = (EdgeNet() if fast else ConvNet()).to(device, memory_format=torch.channels_last)
        self.optim = torch.optim.Adam(self.model.parameters(), lr=0.01, fused=fast)
        self.scheduler = OneCycleLR(self.optim, 0.01, total_steps=15)

    def train(self, epoch):
        options = {"scheduler": self.scheduler, "progress": False}
        options["loss_function"] = nn.functional.cross_entropy  # of ConvNet's log-probabilities it is the usual loss
        return training.train(self.model, self.device, self.loader, self.optim, epoch, **options)

    def save(self, path, epoch):
        save_checkpoint(path, self.model, self.optim, epoch, scheduler=self.scheduler, generator=self.generator)

    def load(self, path):
        return load_checkpoint(path, self.model, self.optim, scheduler=self.scheduler, generator=self.generator)

    def weights(self):
        return {name: tensor.clone() for name, tensor in self.model.state_dict().items()}


def saved_after_an_epoch(path, **options):
    run = Run(**options)
    run.train(1)
    run.save(path, 1)
    return run


def assert_same(first, second, rtol=0.0, atol=0.0):
    torch.testing.assert_close(first, second, rtol=rtol, atol=atol)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "run.pt"


@pytest.mark.parametrize("options", [{}, {"own_generator": False}, {"fast": True}], ids=str)
def test_a_resumed_run_repeats_the_uninterrupted_one_bit_for_bit(path, options):
    whole = saved_after_an_epoch(path, **options)
    losses = [whole.train(epoch) for epoch in (2, 3)]
    resumed = Run(seed=99, **options)  # other weights, another order, other dropout masks
    assert resumed.load(path) == 1
    assert [resumed.train(epoch) for epoch in (2, 3)] == losses
    assert_same(resumed.weights(), whole.weights())
    assert resumed.scheduler.get_last_lr() == whole.scheduler.get_last_lr()


def test_every_random_generator_goes_on_where_it_was(path):
    def draw():
        return random.gauss(0, 1), np.random.randn(), torch.rand(1).item()

    run = Run()
    draw()  # Python and NumPy make two numbers at once, and have one in store now
    save_checkpoint(path, run.model, run.optim, 1)
    expected = draw()
    seed_everything(5)
    load_checkpoint(path, run.model, run.optim)
    assert draw() == expected


def test_a_fused_step_is_the_same_after_loading_into_another_memory_format(path):
    run, other = saved_after_an_epoch(path, fast=True), Run(fast=True)
    other.model.to(memory_format=torch.contiguous_format)
    other.load(path)
    for each in (run, other):
        for parameter in each.model.parameters():
            parameter.grad = torch.ones_like(parameter)
        each.optim.step()
    assert_same(other.weights(), run.weights(), rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("first_device", ["cpu", None], ids=["from the CPU", "from the same"])
def test_a_run_goes_on_on_another_device(path, first_device, device):
    first_device = first_device or device
    run = saved_after_an_epoch(path, fast=True, device=first_device)
    expected = torch.rand(3, device=first_device)
    resumed = Run(99, fast=True, device=device)
    resumed.load(path)
    if torch.device(first_device).type in ("cpu", "cuda"):  # of other devices, random states are not saved
        assert_same(torch.rand(3, device=first_device), expected)
    assert {state["exp_avg"].device for state in resumed.optim.state.values()} == {device}
    assert resumed.train(2) == pytest.approx(run.train(2), rel=0.01)


def test_a_write_that_fails_leaves_the_previous_checkpoint(path):
    run = saved_after_an_epoch(path)
    before = path.read_bytes()
    run.optim.param_groups[0]["note"] = Path("x")
    with pytest.raises(CheckpointError, match="holds more than tensors"):
        run.save(path, 2)
    del run.optim.param_groups[0]["note"]
    with full_disk(1_000_000), pytest.raises(OSError, match="too large"):
        run.save(path, 2)
    assert path.read_bytes() == before and list(path.parent.iterdir()) == [path]
    run.save(path, 2)
    assert run.load(path) == 2


@pytest.mark.slow
def test_a_writer_that_is_killed_leaves_the_previous_checkpoint(path):
    run = saved_after_an_epoch(path)
    run_until_killed(f"""
import os
from test_checkpoint import Run
os.fsync = lambda file: (os.truncate(file, 1000), os._exit(9))
Run().save({str(path)!r}, 2)
""")
    assert len(list(path.parent.iterdir())) == 2
    assert run.load(path) == 1


class Harmful:
    def __reduce__(self):
        return Path.touch, (Path("executed"),)


@pytest.mark.parametrize(
    ("harm", "message"),
    [
        (truncate, "is damaged, is no checkpoint"),
        (flip_a_bit, r"is damaged: .* has a wrong checksum"),
        (lambda path: path.write_bytes(b"something else"), "is damaged, is no checkpoint"),
        (lambda path: zipfile.ZipFile(path, "w").writestr("folder/file", ""), "is damaged, is no checkpoint"),
        (lambda path: torch.save(Harmful(), path), "holds more than tensors"),
        (lambda path: torch.save(ConvNet().state_dict(), path), r"use model\.load_state_dict.*weights_only=True"),
    ],
)
def test_a_damaged_harmful_or_other_file_is_named_and_changes_nothing(path, monkeypatch, harm, message):
    monkeypatch.chdir(path.parent)
    run = saved_after_an_epoch(path)
    before = run.weights()
    harm(path)
    with pytest.raises(CheckpointError, match=rf"run\.pt .*{message}"):
        run.load(path)
    assert_same(run.weights(), before)
    assert list(path.parent.iterdir()) == [path]  # no code in it was executed


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda run: setattr(run.model, "fc2", nn.Linear(64, 11)), r"\(10, 64\).* but 'fc2\.weight \(11, 64\)"),
        (lambda run: setattr(run.model, "fc3", nn.Linear(2, 2)), r"parameter 0\.0 .* but 'fc3\.weight \(2, 2\)"),
        (lambda run: run.model.double(), "torch.float32', but .*torch.float64"),
        (
            lambda run: run.optim.param_groups[0]["params"].reverse(),
            r"parameter 0\.0 \(16, 1, 3, 3\).* but .*0\.0 \(10,\)",
        ),
        (
            lambda run: setattr(run, "optim", torch.optim.SGD(run.model.parameters())),
            "it has 'Adam as optim', but 'SGD as optim' was given",
        ),
        (
            lambda run: setattr(run, "optim", torch.optim.Adam([run.model.fc1.weight])),
            r"parameter 0\.0 .*, but .*0\.0 \(64, 4608\)",
        ),
        (lambda run: setattr(run, "scheduler", OneCycleLR(run.optim, 1, total_steps=16)), "steps 15', but .* 16'"),
        (lambda run: setattr(run, "scheduler", StepLR(run.optim, 1)), "OneCycleLR as scheduler, .* but 'StepLR"),
        (lambda run: setattr(run, "scheduler", None), "OneCycleLR as scheduler, .* but 'NoneType"),
        (lambda run: setattr(run, "generator", None), "Generator .* but .NoneType as generator"),
    ],
)
def test_a_checkpoint_that_does_not_fit_is_refused_and_changes_nothing(path, change, message):
    Run().save(path, 1)
    run = Run(seed=3)
    change(run)
    weights, random_states = run.weights(), (random.getstate(), torch.get_rng_state().tolist())
    with pytest.raises(CheckpointError, match=message):
        run.load(path)
    assert_same(run.weights(), weights)
    assert (random.getstate(), torch.get_rng_state().tolist()) == random_states
