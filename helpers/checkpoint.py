"""Checkpoints: all that a training run needs to go on after an interruption as if there had been none."""

import io
import os
import random
import zipfile
from itertools import zip_longest
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.optim import Optimizer

from helpers.files import atomic_write

FORMAT = "learn-pytorch-notebooks checkpoint 4"


class CheckpointError(RuntimeError):
    """A file that is damaged, no checkpoint, or the checkpoint of another model, optimizer or schedule."""


def save_checkpoint(path: str | Path, model: nn.Module, optim: Optimizer, epoch: int, **others: object) -> None:
    """Write the state of a training run to ``path`` after an epoch; an earlier file is replaced whole or not at all.

    ``others`` are what else has a state: ``scheduler=``, or the loader's ``generator=``. A file that cannot be written
    is an OSError; a state of more than tensors, numbers, strings, plain containers is a CheckpointError, or pickle's.
    """
    parts = {"model": model, "optim": optim, **others}
    contents = {"format": FORMAT, "epoch": epoch, "signature": _signature(parts), "random": _random_states()}
    for name, part in parts.items():
        if part is not None:
            contents[name] = part.get_state() if isinstance(part, torch.Generator) else part.state_dict()
    torch.save(contents, buffer := io.BytesIO())
    _read(buffer, path)  # what could not be loaded again is not written
    with atomic_write(Path(path)) as part, part.open("wb") as file:
        file.write(buffer.getbuffer())
        file.flush()
        os.fsync(file.fileno())  # before the file gets its name: otherwise a power cut could leave it empty


def load_checkpoint(path: str | Path, model: nn.Module, optim: Optimizer, **others: object) -> int:
    """Bring a run back to where ``save_checkpoint`` left it, on any device; return its last finished epoch.

    On the same CPU, with as many threads, the next epoch repeats bit for bit. CUDA's random states are restored only if
    there are as many GPUs as before. The file cannot name code to run. One that is damaged, or does not fit the
    arguments, which are like those that were saved, raises a CheckpointError before anything changes.
    """
    parts = {"model": model, "optim": optim, **others}
    contents = _read(io.BytesIO(Path(path).read_bytes()), path)
    for there, here in zip_longest(contents["signature"], _signature(parts)):
        if there != here:
            raise CheckpointError(f"{path} is of another run: it has {there!r}, but {here!r} was given")
    for name, part in parts.items():
        if part is not None:
            (part.set_state if isinstance(part, torch.Generator) else part.load_state_dict)(contents[name])
    for parameter, averages in optim.state.items():  # laid out alike: a fused step does not look at strides
        for name, value in averages.items():
            if torch.is_tensor(value) and value.shape == parameter.shape:
                averages[name] = torch.empty_like(parameter, dtype=value.dtype).copy_(value)
    python_state, numpy_state, torch_state, cuda_states = contents["random"]
    random.setstate(python_state)
    np.random.set_state(numpy_state)
    torch.set_rng_state(torch_state)
    if len(cuda_states) == torch.cuda.device_count():
        torch.cuda.set_rng_state_all(cuda_states)
    return contents["epoch"]


def _random_states() -> tuple:
    """States of the generators that ``seed_everything`` seeds, but for accelerators other than CUDA."""
    name, key, *rest = np.random.get_state()
    cuda_states = torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else []
    return random.getstate(), (name, key.tolist(), *rest), torch.get_rng_state(), cuda_states


def _signature(parts: dict[str, object]) -> list[str]:
    """What must be the same when a checkpoint is saved and loaded."""
    steps = {name: f", steps {part.total_steps}" for name, part in parts.items() if hasattr(part, "total_steps")}
    lines = [f"{type(part).__name__} as {name}{steps.get(name, '')}" for name, part in parts.items()]
    tensors = [*parts["model"].state_dict().items()]
    for number, group in enumerate(parts["optim"].param_groups):
        tensors += [(f"parameter {number}.{place}", tensor) for place, tensor in enumerate(group["params"])]
    return lines + [f"{name} {tuple(tensor.shape)} {tensor.dtype}" for name, tensor in tensors]


def _read(file: io.BytesIO, path: str | Path) -> dict:
    try:
        damaged = zipfile.ZipFile(file).testzip()  # checksums find damage that torch.load does not notice
        file.seek(0)
        contents = None if damaged else torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:  # damage leads to errors of many kinds
        raise CheckpointError(f"{path} is damaged, is no checkpoint, or holds more than tensors") from error
    if damaged:
        raise CheckpointError(f"{path} is damaged: {damaged} in it has a wrong checksum")
    if not isinstance(contents, dict) or contents.get("format") != FORMAT:
        advice = "If it holds weights alone, use model.load_state_dict(torch.load(path, weights_only=True))"
        raise CheckpointError(f"{path} is not a checkpoint of save_checkpoint ({FORMAT!r}). {advice}")
    return contents
