"""Checkpoints: all that a training run needs to go on, after an interruption, as if there had been none."""

import errno
import os
import pickle
import zipfile
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from helpers.device import random_states, restore_random_states
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
        "random": random_states(),
        "generator": None if generator is None else generator.get_state(),
    }
    try:
        with replacing(path) as temporary:
            _write(contents, temporary)
            _read(temporary)
    except OSError as error:
        reason = f"cannot write the checkpoint: {error.strerror or error}. An earlier one of that name is untouched"
        raise OSError(error.errno, reason, str(path)) from error
    except (CheckpointError, pickle.PicklingError, AttributeError, TypeError) as error:
        raise CheckpointError(
            f"cannot save a state that could not be loaded again: it may hold tensors, numbers, strings and plain "
            f"containers only, and has something else ({error})"
        ) from error


def load_checkpoint(
    path: str | Path,
    model: nn.Module,
    optim: Optimizer,
    *,
    scheduler: LRScheduler | None = None,
    generator: torch.Generator | None = None,
) -> int:
    """Bring a training run back to where ``save_checkpoint`` left it; the next epoch repeats bit for bit.

    Names, shapes, dtypes, classes and lengths are compared before anything is changed. Only tensors and plain
    containers are read: no code in the file runs. For the random states see ``restore_random_states``.

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
        OSError: if it cannot be opened.
        CheckpointError: if it is damaged, is no checkpoint, or does not fit the arguments.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"no checkpoint at {path}: train an epoch and call save_checkpoint first")
    contents = _read(path)
    _check_model(path, contents["model"], model)
    _check_class(path, "optim", contents["optim"], optim)
    _check_class(path, "scheduler", contents["scheduler"], scheduler)
    _check_optim(path, contents["optim"]["state"], optim)
    _check_steps(path, contents["scheduler"], scheduler)
    if (contents["generator"] is None) != (generator is None):
        raise CheckpointError(f"{path}: a loader's generator was given now or when it was saved, but not both times")
    model.load_state_dict(contents["model"])
    optim.load_state_dict(contents["optim"]["state"])
    _match_memory_formats(optim)
    if scheduler is not None:
        scheduler.load_state_dict(contents["scheduler"]["state"])
    if generator is not None:
        generator.set_state(contents["generator"])
    restore_random_states(contents["random"])
    return contents["epoch"]


def _write(contents: dict, path: Path) -> None:
    with path.open("wb") as file:
        try:
            torch.save(contents, file)
        except RuntimeError as error:  # what PyTorch's writer makes of a full disk
            raise OSError(errno.EIO, str(error)) from error
        file.flush()
        os.fsync(file.fileno())  # on the disk before the rename is: else a power cut could leave an empty file


def _read(path: Path) -> dict:
    damaged = None
    with path.open("rb") as file:  # an error here is the system's, and says nothing about the contents
        try:
            # A checkpoint is a zip archive: its checksums find the damage that PyTorch's own reader would not notice.
            with zipfile.ZipFile(file) as archive:
                damaged = archive.testzip()
            file.seek(0)
            contents = None if damaged else torch.load(file, map_location="cpu", weights_only=True)
        except (zipfile.BadZipFile, pickle.UnpicklingError, RuntimeError, EOFError, KeyError, ValueError) as error:
            raise CheckpointError(
                f"cannot read {path}: it is damaged, or no checkpoint ({type(error).__name__}: {_first_line(error)}). "
                "Take an earlier checkpoint of the run, or train from the start"
            ) from error
    if damaged:
        raise CheckpointError(f"{path} is damaged: {damaged} in it has a wrong checksum. Take an earlier checkpoint")
    if not isinstance(contents, dict) or contents.get("format") != FORMAT:
        raise CheckpointError(
            f"{path} is not a checkpoint of save_checkpoint ({FORMAT!r}). If it holds weights alone, use "
            "model.load_state_dict(torch.load(path, weights_only=True))"
        )
    return contents


def _first_line(error: Exception) -> str:
    return str(error).strip().split("\n")[0].split(". ")[0]


def _named_state(part: Optimizer | LRScheduler | None) -> dict | None:
    return None if part is None else {"class": type(part).__name__, "state": part.state_dict()}


def _check_model(path: Path, saved: dict, model: nn.Module) -> None:
    in_file, given = (
        {name: (tuple(value.shape), value.dtype) for name, value in state.items() if isinstance(value, Tensor)}
        for state in (saved, model.state_dict())
    )
    differing = sorted(name for name in in_file.keys() | given.keys() if in_file.get(name) != given.get(name))
    if differing:
        name = differing[0]
        raise CheckpointError(
            f"{path} is of another model than {type(model).__name__}: {len(differing)} names, shapes or dtypes differ, "
            f"the first is {name}: {in_file.get(name, 'absent')} in the file, {given.get(name, 'absent')} in the model"
        )


def _check_class(path: Path, role: str, saved: dict | None, given: Optimizer | LRScheduler | None) -> None:
    in_file, name = saved and saved["class"], None if given is None else type(given).__name__
    if in_file != name:
        raise CheckpointError(f"{path}: {role} is {in_file} in the file, but {name} was given; give the same class")


def _check_optim(path: Path, saved: dict, optim: Optimizer) -> None:
    in_file = [len(group["params"]) for group in saved["param_groups"]]
    given = [len(group["params"]) for group in optim.param_groups]
    if in_file != given:
        raise CheckpointError(
            f"{path}: the optimiser's groups hold {in_file} parameters in the file, {given} were given"
        )
    for number, parameter in enumerate(_parameters(optim)):
        for name, value in saved["state"].get(number, {}).items():
            if isinstance(value, Tensor) and value.ndim and value.shape != parameter.shape:
                raise CheckpointError(
                    f"{path}: the optimiser's {name} number {number} has shape {tuple(value.shape)}, its parameter "
                    f"{tuple(parameter.shape)}: give the optimiser its parameters in the order that it had them"
                )


def _check_steps(path: Path, saved: dict | None, scheduler: LRScheduler | None) -> None:
    """Whether a schedule over a fixed number of steps, such as OneCycleLR, is as long as the saved one."""
    in_file, given = saved and saved["state"].get("total_steps"), getattr(scheduler, "total_steps", None)
    if in_file != given:
        raise CheckpointError(
            f"{path}: the schedule is {in_file} steps long in the file, the one given {given}: choose the same number "
            "of epochs and of batches"
        )


def _parameters(optim: Optimizer) -> list[nn.Parameter]:
    return [parameter for group in optim.param_groups for parameter in group["params"]]


def _match_memory_formats(optim: Optimizer) -> None:
    """Lay the averages out as their parameters are: a fused step walks through both without looking at strides."""
    for parameter in _parameters(optim):
        for name, value in optim.state.get(parameter, {}).items():
            if isinstance(value, Tensor) and value.shape == parameter.shape and value.stride() != parameter.stride():
                optim.state[parameter][name] = torch.empty_like(parameter, dtype=value.dtype).copy_(value)
