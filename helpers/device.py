"""Choosing the device to compute on, and seeding every random generator."""

import os
import random

import numpy as np
import torch

DEVICE_VARIABLE = "TORCH_DEVICE"


def pick_device(requested: str | torch.device | None = None) -> torch.device:
    """The device to compute on: the one asked for, else the best one this machine has.

    Args:
        requested: for example ``"cpu"``, ``"cuda"`` or ``"cuda:1"``. When None, the environment variable
            ``TORCH_DEVICE`` is read; when that is unset or empty, CUDA is preferred, then another accelerator, then the
            CPU.

    Returns:
        A device that exists on this machine.

    Raises:
        ValueError: if the name is not one that PyTorch knows.
        RuntimeError: if the machine has no such device; the message lists those that it has.
    """
    name = requested or os.environ.get(DEVICE_VARIABLE)
    available = available_devices()
    if not name:
        return torch.device(available[0])
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise ValueError(f"unknown device {str(name)!r}: expected one of {', '.join(available)}") from error
    # "cuda" stands for its current device, which is there if any is; there is one "cpu", whatever its number.
    if device.type != "cpu" and f"{device.type}:{device.index or 0}" not in available:
        raise RuntimeError(
            f"this machine has no device {str(name)!r}: available are {', '.join(available)}. Ask for one of these, "
            f"or leave out the argument and the environment variable {DEVICE_VARIABLE}."
        )
    return device


def available_devices() -> list[str]:
    """Names of this machine's devices, the preferred one first; the last is always ``"cpu"``."""
    names = [f"cuda:{index}" for index in range(torch.cuda.device_count())]
    if not names and torch.accelerator.is_available():
        kind = torch.accelerator.current_accelerator().type
        names = [f"{kind}:{index}" for index in range(torch.accelerator.device_count())]
    return [*names, "cpu"]


def seed_everything(seed: int) -> None:
    """Seed the generators of Python, NumPy and PyTorch (on every device).

    Args:
        seed: an integer from 0 to 2**32 - 1, the range that all three accept.

    Raises:
        ValueError: if the seed lies outside that range.
    """
    if not 0 <= seed < 2**32:
        raise ValueError(f"seed must be an integer from 0 to {2**32 - 1}: got {seed}")
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)


def random_states() -> dict:
    """The states of the generators that ``seed_everything`` seeds, as tensors and plain containers.

    PyTorch's are those of the CPU and, once CUDA is in use, of every GPU; other accelerators' are left out.
    """
    numpy_state = np.random.get_state(legacy=False)
    numpy_state["state"]["key"] = torch.from_numpy(numpy_state["state"]["key"].astype(np.int64))
    return {
        "python": random.getstate(),
        "numpy": numpy_state,
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else [],
    }


def restore_random_states(states: dict) -> None:
    """Let the generators go on from what ``random_states`` returned; those of CUDA if there are as many GPUs."""
    random.setstate(states["python"])
    key = states["numpy"]["state"]["key"].numpy().astype(np.uint32)
    np.random.set_state({**states["numpy"], "state": {**states["numpy"]["state"], "key": key}})
    torch.set_rng_state(states["torch"])
    if states["cuda"] and len(states["cuda"]) == torch.cuda.device_count():
        torch.cuda.set_rng_state_all(states["cuda"])
