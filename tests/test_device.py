import random

import numpy as np
import pytest
import torch

from helpers import available_devices, pick_device, seed_everything
from helpers.device import DEVICE_VARIABLE


@pytest.fixture(autouse=True)
def no_wish(monkeypatch):
    monkeypatch.delenv(DEVICE_VARIABLE, raising=False)


def test_without_a_wish_the_first_available_device_is_picked():
    assert str(pick_device()) == available_devices()[0]
    assert available_devices()[-1] == "cpu"


def test_an_accelerator_comes_before_the_cpu(monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert available_devices() == ["cuda:0", "cuda:1", "cpu"]
    assert pick_device() == torch.device("cuda:0")
    assert pick_device("cuda") == torch.device("cuda")
    assert pick_device("cpu") == torch.device("cpu")


def test_another_accelerator_is_used_where_there_is_no_cuda(monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    monkeypatch.setattr(torch.accelerator, "is_available", lambda: True)
    monkeypatch.setattr(torch.accelerator, "current_accelerator", lambda: torch.device("mps"))
    monkeypatch.setattr(torch.accelerator, "device_count", lambda: 1)
    assert pick_device() == torch.device("mps:0")


def test_the_environment_asks_and_the_argument_overrides(monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setenv(DEVICE_VARIABLE, "cuda:1")
    assert pick_device() == torch.device("cuda:1")
    assert pick_device("cpu") == torch.device("cpu")
    assert pick_device(torch.device("cpu")) == torch.device("cpu")


def test_an_absent_device_is_an_error_that_lists_what_is_there(monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    with pytest.raises(RuntimeError, match=r"no device 'cuda:3'.*available are cuda:0, cpu.*TORCH_DEVICE"):
        pick_device("cuda:3")


def test_an_unknown_name_is_an_error():
    with pytest.raises(ValueError, match=r"unknown device 'gpu'.*cpu"):
        pick_device("gpu")


def test_seeding_repeats_every_generator():
    def draw():
        seed_everything(7)
        return random.random(), np.random.rand(), torch.rand(3).tolist()

    assert draw() == draw()


@pytest.mark.parametrize("seed", [-1, 2**32])
def test_a_seed_out_of_range_is_an_error(seed):
    with pytest.raises(ValueError, match="seed must be an integer from 0"):
        seed_everything(seed)
