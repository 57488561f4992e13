import pickle
import random
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from torch.optim.lr_scheduler import OneCycleLR, StepLR

from harm import empty, flip_a_bit, full_disk, overwrite, truncate, without_privileges
from helpers import (
    CheckpointError,
    ConvNet,
    FastNet,
    batch_loader,
    checkpoint,
    load_checkpoint,
    mnist_dataset,
    save_checkpoint,
    seed_everything,
)
from helpers import train as train_one_epoch

EPOCHS = 3


class Run:
    """A short training run with all that a checkpoint holds: dropout, a schedule, a loader with its own generator."""

    def __init__(self, seed=0, *, own_generator=True, fast=False):
        seed_everything(seed)
        self.generator = torch.Generator().manual_seed(seed) if own_generator else None
        self.loader = batch_loader(mnist_dataset(size=320), 32, shuffle=True, generator=self.generator)
        self.model = (FastNet() if fast else ConvNet()).to(memory_format=torch.channels_last)
        self.optim = torch.optim.Adam(self.model.parameters(), lr=0.01, fused=fast)
        self.scheduler = OneCycleLR(self.optim, 0.01, total_steps=EPOCHS * len(self.loader))

    def train(self, epoch):
        return train_one_epoch(
            self.model, "cpu", self.loader, self.optim, epoch, scheduler=self.scheduler, progress=False
        )

    def save(self, path, epoch):
        save_checkpoint(path, self.model, self.optim, epoch, scheduler=self.scheduler, generator=self.generator)

    def load(self, path):
        return load_checkpoint(path, self.model, self.optim, scheduler=self.scheduler, generator=self.generator)

    def weights(self):
        return {name: tensor.clone() for name, tensor in self.model.state_dict().items()}


def assert_same(first, second):
    assert first.keys() == second.keys()
    for name in first:
        assert torch.equal(first[name], second[name]), name


@pytest.fixture
def path(tmp_path):
    return tmp_path / "run.pt"


@pytest.fixture
def saved(path):
    run = Run()
    run.train(1)
    run.save(path, 1)
    return run


# Going on


@pytest.mark.parametrize("options", [{}, {"own_generator": False}, {"fast": True}], ids=str)
def test_a_resumed_run_repeats_the_uninterrupted_one_bit_for_bit(path, options):
    whole = Run(**options)
    losses = [whole.train(epoch) for epoch in (1, 2, 3)]
    first = Run(**options)
    first.train(1)
    first.save(path, 1)
    resumed = Run(seed=99, **options)  # other weights, another order, other dropout masks
    assert resumed.load(path) == 1
    assert [resumed.train(epoch) for epoch in (2, 3)] == losses[1:]
    assert_same(resumed.weights(), whole.weights())
    assert resumed.scheduler.get_last_lr() == whole.scheduler.get_last_lr()


def test_a_fused_optimiser_goes_on_in_another_memory_format(path):
    run = Run(fast=True)
    run.train(1)
    run.save(path, 1)
    other = Run(fast=True)
    other.model.to(memory_format=torch.contiguous_format)
    other.load(path)
    run.load(path)
    own = dict(run.model.named_parameters())
    assert other.model.cn3.weight.stride() != own["cn3.weight"].stride()
    for name, parameter in other.model.named_parameters():
        average = other.optim.state[parameter]["exp_avg"]
        assert torch.equal(average, run.optim.state[own[name]]["exp_avg"])
        assert average.stride() == parameter.stride()


def test_every_random_generator_goes_on_where_it_was(path, saved):
    def draw():
        return random.random(), np.random.rand(), torch.rand(1).item(), torch.rand(1, generator=saved.generator).item()

    np.random.randn()  # leaves a second number in store
    random.gauss(0, 1)
    saved.save(path, 1)
    expected = draw()
    seed_everything(5)
    saved.generator.manual_seed(5)
    saved.load(path)
    assert draw() == expected


STOPPED = """
import signal, sys, time
from pathlib import Path
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it
sys.path.insert(0, {tests!r})
from test_checkpoint import Run
run = Run()
run.train(1)
run.save(Path({path!r}), 1)
step, steps = run.optim.step, []
def step_and_stall():
    step()
    steps.append(1)
    if len(steps) == 5:
        print("in mid-epoch", flush=True)
        time.sleep(600)
run.optim.step = step_and_stall
run.train(2)
"""


@pytest.mark.parametrize("stop", ["SIGKILL", "SIGINT"])
@pytest.mark.skipif(sys.platform == "win32", reason="needs these signals")
def test_a_run_stopped_in_mid_epoch_ends_with_the_weights_of_one_never_interrupted(path, stop):
    script = STOPPED.format(tests=str(Path(__file__).parent), path=str(path))
    command = [sys.executable, "-c", script]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "in mid-epoch\n"
        try:
            process.send_signal(signal.Signals[stop])
            _, errors = process.communicate(timeout=60)
        finally:
            process.kill()
    assert process.returncode != 0
    assert stop == "SIGKILL" or errors.rstrip().endswith("KeyboardInterrupt")
    assert list(path.parent.iterdir()) == [path]
    resumed = Run(seed=99)
    assert resumed.load(path) == 1
    for epoch in range(2, EPOCHS + 1):
        resumed.train(epoch)
    whole = Run()
    for epoch in range(1, EPOCHS + 1):
        whole.train(epoch)
    assert_same(resumed.weights(), whole.weights())


@pytest.mark.cuda
def test_a_checkpoint_loads_into_a_model_on_cuda(path, saved):
    model = ConvNet().to("cuda", memory_format=torch.channels_last)
    optim = torch.optim.Adam(model.parameters())
    scheduler = OneCycleLR(optim, 0.01, total_steps=30)
    load_checkpoint(path, model, optim, scheduler=scheduler, generator=torch.Generator())
    assert_same({name: tensor.cpu() for name, tensor in model.state_dict().items()}, saved.weights())
    state = optim.state[model.fc1.weight]
    assert state["exp_avg"].device.type == "cuda"


# Writing


def test_a_write_that_fails_leaves_the_previous_checkpoint(path, saved, monkeypatch):
    before = path.read_bytes()

    def no_space(contents, file):
        file.write(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(checkpoint.torch, "save", no_space)
    with pytest.raises(OSError, match=r"cannot write the checkpoint.*No space left.*earlier.*untouched"):
        saved.save(path, 2)
    assert path.read_bytes() == before and list(path.parent.iterdir()) == [path]


def test_a_disk_that_fills_up_in_mid_write_is_a_clear_error(path, saved):
    before = path.read_bytes()
    with full_disk(1_000_000), pytest.raises(OSError, match=r"cannot write the checkpoint.*untouched"):
        saved.save(path, 2)
    assert path.read_bytes() == before and list(path.parent.iterdir()) == [path]
    saved.save(path, 2)
    assert saved.load(path) == 2


def test_a_writer_that_is_killed_leaves_the_previous_checkpoint(path, saved):
    before = path.read_bytes()
    script = f"""
import os, signal, sys
sys.path.insert(0, {str(Path(__file__).parent)!r})
from test_checkpoint import Run
from helpers import checkpoint
def half(contents, file):
    file.write(b"half")
    file.flush()
    os.kill(os.getpid(), signal.{"SIGKILL" if hasattr(signal, "SIGKILL") else "SIGTERM"})
checkpoint.torch.save = half
Run().save({str(path)!r}, 2)
"""
    assert subprocess.run([sys.executable, "-c", script]).returncode != 0
    assert path.read_bytes() == before
    assert saved.load(path) == 1


def test_a_missing_folder_is_a_clear_error(tmp_path, saved):
    with pytest.raises(OSError, match=r"cannot write the checkpoint.*No such file"):
        saved.save(tmp_path / "nowhere" / "run.pt", 1)


def test_what_could_not_be_loaded_again_is_not_written(path, saved):
    saved.optim.param_groups[0]["note"] = Path("x")  # a pickled object, neither number nor container
    before = path.read_bytes()
    with pytest.raises(CheckpointError, match="cannot save a state that could not be loaded again"):
        saved.save(path, 2)
    saved.optim.param_groups[0]["note"] = lambda step: step
    with pytest.raises(CheckpointError, match="cannot save a state that could not be loaded again"):
        saved.save(path, 2)
    assert path.read_bytes() == before and list(path.parent.iterdir()) == [path]


# Reading


@pytest.mark.parametrize("harm", [truncate, overwrite, empty, flip_a_bit])
def test_a_damaged_file_is_named_and_changes_nothing(path, saved, harm):
    harm(path)
    before = saved.weights()
    with pytest.raises(CheckpointError, match=rf"{path.name}.*damaged.*Take an earlier checkpoint"):
        saved.load(path)
    assert_same(saved.weights(), before)


class Harmful:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


@pytest.mark.parametrize("write", [torch.save, lambda contents, path: path.write_bytes(pickle.dumps(contents))])
def test_code_in_a_file_is_not_executed(path, saved, write):
    victim = path.parent / "executed"
    write(Harmful(victim), path)
    with pytest.raises(CheckpointError, match="cannot read"):
        saved.load(path)
    assert not victim.exists()


def test_a_file_that_may_not_be_read_is_not_called_damaged(public_folder, saved):
    path = public_folder / "run.pt"
    saved.save(path, 1)
    path.chmod(0)
    with without_privileges(), pytest.raises(PermissionError):
        saved.load(path)


def test_a_missing_file_is_named(path):
    with pytest.raises(FileNotFoundError, match=r"no checkpoint at .*run\.pt"):
        Run().load(path)


def test_a_file_of_weights_alone_is_recognised(path, saved):
    torch.save(saved.model.state_dict(), path)
    with pytest.raises(CheckpointError, match=r"not a checkpoint of save_checkpoint.*model\.load_state_dict"):
        saved.load(path)


def other_model(run):
    run.model.fc2 = nn.Linear(64, 11)


def other_names(run):
    run.model.fc3 = nn.Linear(2, 2)


def other_dtype(run):
    run.model.double()


def other_order(run):
    run.optim = torch.optim.Adam(list(run.model.parameters())[::-1])
    run.scheduler = OneCycleLR(run.optim, 0.01, total_steps=EPOCHS * len(run.loader))


def other_length(run):
    run.scheduler = OneCycleLR(run.optim, 0.01, total_steps=1000)


def other_optimiser(run):
    run.optim = torch.optim.SGD(run.model.parameters(), lr=0.1)


def other_groups(run):
    run.optim = torch.optim.Adam([run.model.fc1.weight])


def no_scheduler(run):
    run.scheduler = None


def other_scheduler(run):
    run.scheduler = StepLR(run.optim, 1)


def no_generator(run):
    run.generator = None


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            other_model,
            r"of another model than ConvNet: 2 names.*fc2\.bias: \(\(10,\), torch.float32\) in the file, \(\(11,\)",
        ),
        (other_names, r"2 names.*fc3\.bias: absent in the file, \(\(2,\)"),
        (other_dtype, r"8 names.*torch\.float32\) in the file.*torch\.float64\) in the model"),
        (other_order, r"the optimiser's exp_avg number 0 has shape \(16, 1, 3, 3\), its parameter \(10,\)"),
        (other_length, "the schedule is 30 steps long in the file, the one given 1000"),
        (other_optimiser, "optim is Adam in the file, but SGD was given"),
        (other_groups, r"hold \[8\] parameters in the file, \[1\] were given"),
        (no_scheduler, "scheduler is OneCycleLR in the file, but None was given"),
        (other_scheduler, "scheduler is OneCycleLR in the file, but StepLR was given"),
        (no_generator, "a loader's generator was given now or when it was saved, but not both times"),
    ],
)
def test_a_checkpoint_that_does_not_fit_is_refused_and_changes_nothing(path, saved, change, message):
    run = Run(seed=3)
    change(run)
    weights, random_state = run.weights(), (random.getstate(), torch.get_rng_state().tolist())
    optim_state, lr = len(run.optim.state), run.optim.param_groups[0]["lr"]
    with pytest.raises(CheckpointError, match=message):
        run.load(path)
    assert_same(run.weights(), weights)
    assert (random.getstate(), torch.get_rng_state().tolist()) == random_state
    assert (len(run.optim.state), run.optim.param_groups[0]["lr"]) == (optim_state, lr)
