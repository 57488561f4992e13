"""Checkpoints: all that a training run needs to go on, after an interruption, as if there had been none."""

import os
import random
import zipfile
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from helpers.files import replacing

FORMAT = "learn-pytorch-notebooks checkpoint 1"


class CheckpointError(RuntimeError):
    """A file is damaged, is no checkpoint, or is one of another model, optimiser or scheduler."""


def save_checkpoint(
    path: str | Path,
    model: nn.Module,
    optim: Optimizer,
    epoch: int,
    *,
    scheduler: LRScheduler | None = None,
    generator: torch.Generator | None = None,
) -> None:
    """Write the state of a training run to ``path``, at the end of an epoch.

    The file is written under a temporary name, read back, and only then renamed: a run that is killed, or a disk that
    is full, leaves the previous checkpoint as it was.

    Args:
        path: the file to make or to replace; by custom it ends in ``.pt``.
        model: its parameters and buffers are saved.
        optim: its state and its hyperparameters are saved.
        epoch: the number of the epoch that has just been finished.
        scheduler: of the learning rate, if there is one.
        generator: of the loader's order, if it has its own: ``train_dataloader.generator``.

    Raises:
        OSError: if the file cannot be written.
        CheckpointError: if a state holds something else than tensors, numbers, strings and plain containers.
    """
    path = Path(path)
    contents = {
        "format": FORMAT,
        "epoch": epoch,
        "model": model.state_dict(),
        "optim": _named_state(optim),
        "scheduler": _named_state(scheduler),
        "random": _random_states(generator),
    }
    try:
        with replacing(path) as part:
            with part.open("wb") as file:
                torch.save(contents, file)
                file.flush()
                os.fsync(file.fileno())  # on the disk before the rename is: else a power cut could leave an empty file
            _read(part)
    except (OSError, RuntimeError) as error:  # PyTorch's writer turns some of the disk's errors into a RuntimeError
        if isinstance(error, CheckpointError):
            raise
        reason = f"cannot write the checkpoint: {error}. An earlier checkpoint of that name is untouched"
        raise OSError(getattr(error, "errno", None), reason, str(path)) from error


def load_checkpoint(
    path: str | Path,
    model: nn.Module,
    optim: Optimizer,
    *,
    scheduler: LRScheduler | None = None,
    generator: torch.Generator | None = None,
) -> int:
    """Bring a training run back to where ``save_checkpoint`` left it; the next epoch repeats bit for bit.

    Everything is compared before anything is changed. The random states of Python, NumPy and PyTorch are restored, too;
    those of CUDA if there are as many GPUs. Only tensors and plain containers are read: no code in the file runs.

    Args:
        path: a file that ``save_checkpoint`` wrote.
        model: of the same architecture, on any device.
        optim: of the same class, over the model's parameters.
        scheduler: of the same class, on ``optim``; None if there was none.
        generator: of the loader's order; None if it had none of its own.

    Returns:
        The number of the epoch that had been finished.

    Raises:
        FileNotFoundError: if there is no such file.
        CheckpointError: if the file is damaged, is no checkpoint, or does not fit the arguments.
    """
    contents = _read(Path(path))
    _check_model(path, contents["model"], model)
    for role, part in (("optim", optim), ("scheduler", scheduler)):
        _check_class(path, role, contents[role], part)
    _check_groups(path, contents["optim"]["state"], optim)
    if (contents["random"]["generator"] is None) != (generator is None):
        raise CheckpointError(f"{path}: was saved {_with(generator is None)} a loader's generator; load it likewise")
    model.load_state_dict(contents["model"])
    optim.load_state_dict(contents["optim"]["state"])
    if scheduler is not None:
        scheduler.load_state_dict(contents["scheduler"]["state"])
    _restore_random_states(contents["random"], generator)
    return contents["epoch"]


def _read(path: Path) -> dict:
    if not path.is_file():
        raise FileNotFoundError(f"no checkpoint at {path}: train an epoch and call save_checkpoint first")
    try:
        # A checkpoint is a zip archive: its checksums find the damage that PyTorch's own reader would not notice.
        with zipfile.ZipFile(path) as archive:
            damaged = archive.testzip()
        contents = None if damaged else torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # zipfile, pickle and PyTorch's reader each have errors of their own
        raise CheckpointError(
            f"cannot read {path}: it is damaged, or no checkpoint ({type(error).__name__}). Take an earlier checkpoint "
            "of the run, or delete the file and train from the start"
        ) from error
    if damaged:
        raise CheckpointError(f"{path} is damaged: {damaged} in it has a wrong checksum. Take an earlier checkpoint")
    if not isinstance(contents, dict) or contents.get("format") != FORMAT:
        raise CheckpointError(
            f"{path} is not a checkpoint of save_checkpoint ({FORMAT!r}). If it holds weights alone, use "
            "model.load_state_dict(torch.load(path, weights_only=True))"
        )
    return contents


def _named_state(part: Optimizer | LRScheduler | None) -> dict | None:
    return None if part is None else {"class": type(part).__name__, "state": part.state_dict()}


def _check_model(path: str | Path, saved: dict, model: nn.Module) -> None:
    shapes = [{name: tuple(tensor.shape) for name, tensor in state.items()} for state in (saved, model.state_dict())]
    differing = sorted(
        name for name in shapes[0].keys() | shapes[1].keys() if shapes[0].get(name) != shapes[1].get(name)
    )
    if differing:
        name = differing[0]
        in_file, in_model = (state.get(name, "absent") for state in shapes)
        raise CheckpointError(
            f"{path} is of another model than {type(model).__name__}: {len(differing)} names or shapes differ, the "
            f"first is {name}: {in_file} in the file, {in_model} in the model"
        )


def _check_class(path: str | Path, role: str, saved: dict | None, part: Optimizer | LRScheduler | None) -> None:
    in_file = saved and saved["class"]
    given = None if part is None else type(part).__name__
    if in_file != given:
        raise CheckpointError(f"{path}: {role} is {in_file} in the file, but {given} was given; give the same class")


def _check_groups(path: str | Path, saved: dict, optim: Optimizer) -> None:
    in_file, given = (
        [len(group["params"]) for group in groups] for groups in (saved["param_groups"], optim.param_groups)
    )
    if in_file != given:
        raise CheckpointError(
            f"{path}: the optimiser's groups hold {in_file} parameters in the file, {given} were given"
        )


def _with(condition: bool) -> str:
    return "with" if condition else "without"


def _random_states(generator: torch.Generator | None) -> dict:
    numpy_state = np.random.get_state(legacy=False)
    numpy_state["state"]["key"] = torch.from_numpy(numpy_state["state"]["key"].astype(np.int64))
    return {
        "python": random.getstate(),
        "numpy": numpy_state,
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else [],
        "generator": None if generator is None else generator.get_state(),
    }


def _restore_random_states(states: dict, generator: torch.Generator | None) -> None:
    random.setstate(states["python"])
    key = states["numpy"]["state"]["key"].numpy().astype(np.uint32)
    np.random.set_state({**states["numpy"], "state": {**states["numpy"]["state"], "key": key}})
    torch.set_rng_state(states["torch"])
    if states["cuda"] and len(states["cuda"]) == torch.cuda.device_count():
        torch.cuda.set_rng_state_all(states["cuda"])
    if generator is not None:
        generator.set_state(states["generator"])
