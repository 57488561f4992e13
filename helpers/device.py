"""The device to compute on, and the seeds of all random generators."""

import os
import random

import numpy as np
import torch

DEVICE_VARIABLE, SEED_VARIABLE = "TORCH_DEVICE", "SEED_OFFSET"


def pick_device(requested: str | torch.device | None = None) -> torch.device:
    """The device to compute on: the requested one, else the best one of this machine.

    Args:
        requested: Name of a device, for example ``"cpu"``, ``"cuda"`` or ``"cuda:1"``. None reads the environment
            variable ``TORCH_DEVICE``; without it, CUDA is preferred, then another accelerator, then the CPU.

    Returns:
        A device of this machine. An accelerator has an index: ``"cuda"`` gives ``cuda:0``.

    Raises:
        ValueError: If PyTorch does not know the name.
        RuntimeError: If the machine has no such device; the message lists the devices that it has.
    """
    available = available_devices()
    name = requested or os.environ.get(DEVICE_VARIABLE) or available[0]
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise ValueError(f"unknown device {str(name)!r}: expected one of {', '.join(available)}") from error
    if device.type == "cpu":
        return device
    device = torch.device(device.type, device.index or 0)
    if str(device) not in available:
        raise RuntimeError(
            f"this machine has no device {str(name)!r}: available are {', '.join(available)}. Ask for one of these, "
            f"or leave out the argument and the environment variable {DEVICE_VARIABLE}."
        )
    return device


def available_devices() -> list[str]:
    """Names of this machine's devices, the preferred one first; the last one is always ``"cpu"``."""
    if torch.cuda.is_available():  # device_count() alone would also count GPUs whose driver is too old
        return [*(f"cuda:{index}" for index in range(torch.cuda.device_count())), "cpu"]
    accelerator = torch.accelerator.current_accelerator(check_available=True)
    count = torch.accelerator.device_count() if accelerator else 0
    return [*(f"{accelerator.type}:{index}" for index in range(count)), "cpu"]


def seed_everything(seed: int) -> None:
    """Seed the generators of Python, NumPy and PyTorch (on every device).

    The environment variable ``SEED_OFFSET`` (default 0) is added: another offset repeats every experiment with other
    random numbers.

    Raises:
        ValueError: If the sum is outside 0 … 2**32 - 1, the range that all three accept.
    """
    seed = _with_offset(seed)
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)


def seeded_generator(seed: int, device: torch.device | str = "cpu") -> torch.Generator:
    """A new random generator on ``device``; seed and errors are those of ``seed_everything``."""
    return torch.Generator(device).manual_seed(_with_offset(seed))


def _with_offset(seed: int) -> int:
    total = seed + int(os.environ.get(SEED_VARIABLE, "0"))
    if not 0 <= total < 2**32:
        raise ValueError(f"seed + {SEED_VARIABLE} must be an integer from 0 to {2**32 - 1}: got {total}")
    return total
