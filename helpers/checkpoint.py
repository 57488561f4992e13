"""Checkpoints: all that a training run needs to go on after an interruption as if there had been none."""

import io
import os
import random
import zipfile
from pathlib import Path
from typing import BinaryIO

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from helpers.files import atomic_write

FORMAT = "learn-pytorch-notebooks checkpoint 2"


class CheckpointError(RuntimeError):
    """A file that is damaged, no checkpoint, or the checkpoint of another model, optimizer or schedule."""


def save_checkpoint(
    path: str | Path,
    model: nn.Module,
    optim: Optimizer,
    epoch: int,
    *,
    scheduler: LRScheduler | None = None,
    generator: torch.Generator | None = None,
) -> None:
    """Write the state of a training run to ``path`` at the end of an epoch; an earlier file is never half replaced.

    Args:
        path: File to create or to replace, by custom ``….pt``.
        model, optim, scheduler: What is trained, and what trains it.
        epoch: Number of the epoch that has just ended.
        generator: Generator of the loader's order, if it has its own: ``train_dataloader.generator``.

    Raises:
        OSError: If the file cannot be written; an earlier one is untouched.
        CheckpointError, or pickle's error: If a state holds more than tensors, numbers, strings and plain containers.
    """
    contents = {
        "format": FORMAT,
        "epoch": epoch,
        "signature": _signature(model, optim, scheduler, generator),
        "model": model.state_dict(),
        "optim": optim.state_dict(),
        "scheduler": scheduler and scheduler.state_dict(),
        "generator": generator and generator.get_state(),
        "random": get_rng_state(),
    }
    buffer = io.BytesIO()
    torch.save(contents, buffer)
    _read(buffer, path)  # what could not be loaded again is not written
    with atomic_write(Path(path)) as part, part.open("wb") as file:
        file.write(buffer.getbuffer())
        file.flush()
        os.fsync(file.fileno())  # before the file gets its name: otherwise a power cut could leave it empty


def load_checkpoint(
    path: str | Path,
    model: nn.Module,
    optim: Optimizer,
    *,
    scheduler: LRScheduler | None = None,
    generator: torch.Generator | None = None,
) -> int:
    """Bring a run back to where ``save_checkpoint`` left it, and return the number of the epoch that had ended.

    On a CPU, the next epoch repeats bit for bit; accelerators other than CUDA do not get their random states back.
    No code in the file runs, and nothing changes before all names, shapes, classes and lengths have been compared.

    Args:
        path: File of ``save_checkpoint``; the other arguments are like those that were saved, on any device.

    Raises:
        OSError: If the file cannot be opened.
        CheckpointError: If it is damaged, is no checkpoint, or does not fit the arguments.
    """
    with open(path, "rb") as file:
        contents = _read(file, path)
    for there, here in zip(contents["signature"], _signature(model, optim, scheduler, generator)):
        if there != here:
            raise CheckpointError(f"{path} is of another run: it has {there!r}, but {here!r} was given")
    model.load_state_dict(contents["model"])
    optim.load_state_dict(contents["optim"])
    _match_memory_formats(optim)
    if scheduler is not None:
        scheduler.load_state_dict(contents["scheduler"])
    if generator is not None:
        generator.set_state(contents["generator"])
    set_rng_state(contents["random"])
    return contents["epoch"]


def get_rng_state() -> dict:
    """State of the generators that ``seed_everything`` seeds, without accelerators other than CUDA."""
    name, key, *rest = np.random.get_state()
    return {
        "python": random.getstate(),
        "numpy": (name, key.tolist(), *rest),
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else [],
    }


def set_rng_state(state: dict) -> None:
    """Continue from the state of ``get_rng_state``; CUDA's is set if the number of GPUs is the same."""
    random.setstate(state["python"])
    np.random.set_state(state["numpy"])
    torch.set_rng_state(state["torch"])
    if state["cuda"] and len(state["cuda"]) == torch.cuda.device_count():
        torch.cuda.set_rng_state_all(state["cuda"])


def _read(file: BinaryIO, path: str | Path) -> dict:
    try:
        damaged = zipfile.ZipFile(file).testzip()  # checksums find damage that torch.load does not notice
        file.seek(0)
        contents = None if damaged else torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:  # damage leads to errors of many kinds
        raise CheckpointError(f"{path} is damaged, is no checkpoint, or holds more than tensors") from error
    if damaged:
        raise CheckpointError(f"{path} is damaged: {damaged} in it has a wrong checksum")
    if not isinstance(contents, dict) or contents.get("format") != FORMAT:
        raise CheckpointError(
            f"{path} is not a checkpoint of save_checkpoint ({FORMAT!r}). If it holds weights alone, use "
            'model.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))'
        )
    return contents


def _signature(model: nn.Module, optim: Optimizer, scheduler: object, generator: object) -> list[str]:
    """What must be the same when a checkpoint is saved and loaded."""
    tensors = model.state_dict().items()
    parameters = [parameter for group in optim.param_groups for parameter in group["params"]]
    return [
        f"{type(optim).__name__}, groups of {[len(group['params']) for group in optim.param_groups]} parameters",
        f"{type(scheduler).__name__} as schedule, total_steps {getattr(scheduler, 'total_steps', None)}",
        f"{type(generator).__name__} as the loader's generator",
        f"a model of {len(tensors)} tensors",
        *(f"{name} {tuple(tensor.shape)} {tensor.dtype}" for name, tensor in tensors),
        *(f"optimizer's parameter {number} {tuple(tensor.shape)}" for number, tensor in enumerate(parameters)),
    ]


def _match_memory_formats(optim: Optimizer) -> None:
    """Lay the averages out as their parameters are: a fused step walks through both without looking at strides."""
    for parameter, state in optim.state.items():
        for name, value in state.items():
            if isinstance(value, Tensor) and value.shape == parameter.shape and value.stride() != parameter.stride():
                state[name] = torch.empty_like(parameter, dtype=value.dtype).copy_(value)
