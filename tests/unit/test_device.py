import random

import numpy as np
import pytest
import torch

from helpers import available_devices, pick_device, seed_everything, seeded_generator


@pytest.fixture(autouse=True)
def machine(monkeypatch):
    """Pretends that this machine has so many GPUs, or another accelerator; no variable is set."""

    def pretend(*, cuda=0, old_driver=False, other=None):
        monkeypatch.setattr(torch.cuda, "device_count", lambda: cuda)
        monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda > 0 and not old_driver)
        monkeypatch.setattr(torch.accelerator, "device_count", lambda: 1 if other else cuda)
        found = other and torch.device(other)
        monkeypatch.setattr(torch.accelerator, "current_accelerator", lambda check_available: found)

    for variable in ("TORCH_DEVICE", "SEED_OFFSET"):
        monkeypatch.delenv(variable, raising=False)
    pretend()
    return pretend


def test_an_accelerator_is_preferred_and_has_an_index(machine, monkeypatch):
    assert str(pick_device()) == "cpu"
    machine(other="mps")
    assert str(pick_device()) == str(pick_device("mps")) == "mps:0" and available_devices() == ["mps:0", "cpu"]
    machine(cuda=2)
    assert str(pick_device()) == str(pick_device("cuda")) == str(pick_device(torch.device("cuda"))) == "cuda:0"
    monkeypatch.setenv("TORCH_DEVICE", "cuda:1")
    assert str(pick_device()) == "cuda:1" and str(pick_device("cpu")) == "cpu"


def test_a_gpu_whose_driver_is_too_old_is_not_used(machine):
    machine(cuda=1, old_driver=True)
    assert str(pick_device()) == "cpu" and available_devices() == ["cpu"]


def test_an_absent_or_unknown_device_is_an_error_that_lists_what_is_there(machine, monkeypatch):
    machine(cuda=2)
    for name in ("cuda:3", "mps", "meta"):
        with pytest.raises(RuntimeError, match=f"no device '{name}': available are cuda:0, cuda:1, cpu.*TORCH_DEVICE"):
            pick_device(name)
    monkeypatch.setenv("TORCH_DEVICE", "gpu")
    with pytest.raises(ValueError, match="unknown device 'gpu': expected one of cuda:0, cuda:1, cpu"):
        pick_device()


def test_seeding_repeats_every_generator_and_the_offset_is_added(monkeypatch):
    def draw(seed):
        seed_everything(seed)
        return random.random(), np.random.rand(), torch.rand(1).item(), torch.rand(1, generator=seeded_generator(seed))

    seven, nine = draw(7), draw(9)
    assert seven == draw(7) and not any(a == b for a, b in zip(seven, nine))
    monkeypatch.setenv("SEED_OFFSET", "2")
    assert draw(7) == nine
    for seed in (-3, 2**32 - 2):
        for function in (seed_everything, seeded_generator):
            with pytest.raises(ValueError, match=f"from 0 to {2**32 - 1}: got {seed + 2}"):
                function(seed)
