"""The training loop and the test loop, and ``fit`` over both."""

import math
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler
from torch.utils.data import DataLoader
from tqdm import tqdm


class TestResult(NamedTuple):
    """What ``test`` measured: the mean negative log-likelihood (nats per image) and the accuracy (0 to 1)."""

    loss: float
    accuracy: float


@dataclass
class History:
    """What ``fit`` measured: one loss per training batch; one test result and one training time (s) per epoch."""

    batch_losses: list[float] = field(default_factory=list)
    test_results: list[TestResult] = field(default_factory=list)
    train_seconds: list[float] = field(default_factory=list)


@contextmanager
def _advice_on_memory() -> Iterator[None]:
    """To an error that says that memory ran out, add what to do about it."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        # On a GPU this is torch.OutOfMemoryError; on a CPU, a RuntimeError like any other.
        if isinstance(error, (MemoryError, torch.OutOfMemoryError)) or "can't allocate memory" in str(error):
            error.add_note(
                "Memory grows with the batch: choose smaller ones (train_batch_size and test_batch_size of "
                "mnist_dataloaders). The model can still be used, and trained on."
            )
        raise


@_advice_on_memory()
def train(
    model: nn.Module,
    device: torch.device | str,
    train_dataloader: DataLoader,
    optim: Optimizer,
    epoch: int,
    *,
    loss_function: Callable[[Tensor, Tensor], Tensor] = F.nll_loss,
    scheduler: LRScheduler | None = None,
    log_interval: int | None = None,
    progress: bool = True,
) -> list[float]:
    """Train ``model`` for one epoch: one optimiser step per batch.

    Args:
        model: maps images to log-probabilities (N, classes); it is put into training mode, and stays in it.
        device: where the model is; each batch is moved there.
        train_dataloader: yields images (N, …) and labels (N,).
        optim: updates the model's parameters.
        epoch: its number, for the progress bar and the log.
        loss_function: of the log-probabilities (N, classes) and the labels (N,), the batch's mean loss.
        scheduler: when given, steps after every batch.
        log_interval: when given, print the loss every so many batches.
        progress: show a bar with the running loss.

    Returns:
        The loss of each batch, before the step it led to: by default the negative log-likelihood, in nats per image.

    Raises:
        FloatingPointError: if a loss is NaN or infinite; the parameters are those from before that batch's step.
        ValueError: if the loader yields no batch, or ``log_interval`` is below 1.
        RuntimeError: if memory runs out, with a note on what to do.
    """
    if log_interval is not None and log_interval < 1:
        raise ValueError(f"log_interval must be at least 1 batch, or None for no log: got {log_interval}")
    model.train()
    losses, seen = [], 0
    with _progress_bar(train_dataloader, f"epoch {epoch}", progress) as bar:
        for batch, (images, labels) in enumerate(bar):
            images, labels = images.to(device), labels.to(device)
            optim.zero_grad()
            loss = loss_function(model(images), labels)
            losses.append(_finite(loss.item(), epoch, batch))
            loss.backward()
            optim.step()
            if scheduler is not None:
                scheduler.step()
            bar.set_postfix(loss=f"{_running_mean(losses):.3f}", refresh=False)
            if log_interval is not None and batch % log_interval == 0:
                bar.write(_log_line(epoch, seen, batch, train_dataloader, losses[-1]))
            seen += len(images)
    if not losses:
        raise ValueError("the training loader yields no batch: is its dataset empty?")
    return losses


@_advice_on_memory()
@torch.no_grad()
def test(
    model: nn.Module,
    device: torch.device | str,
    test_dataloader: DataLoader,
    *,
    sum_over_processes: Callable[[Sequence[float]], Sequence[float]] | None = None,
    report: bool = True,
) -> TestResult:
    """Measure loss and accuracy of ``model``, and print both.

    Args:
        model: maps images to log-probabilities (N, classes); it is put into evaluation mode, and stays in it.
        device: where the model is; each batch is moved there.
        test_dataloader: yields images (N, …) and labels (N,).
        sum_over_processes: when several processes test a share of the images each, turns one's sums into those of all.
        report: print the result.

    Returns:
        The mean negative log-likelihood over all images, and the fraction of images classified correctly.

    Raises:
        ValueError: if the loader yields no batch.
        RuntimeError: if memory runs out, with a note on what to do.
    """
    model.eval()
    total_loss, correct, seen = 0.0, 0, 0
    for images, labels in test_dataloader:
        images, labels = images.to(device), labels.to(device)
        log_probabilities = model(images)
        # Sums, not means of batch means: the last batch may be shorter than the others.
        total_loss += F.nll_loss(log_probabilities, labels, reduction="sum").item()
        correct += (log_probabilities.argmax(dim=1) == labels).sum().item()
        seen += len(labels)
    if sum_over_processes is not None:
        total_loss, correct, seen = sum_over_processes((total_loss, correct, seen))
    if not seen:
        raise ValueError("the test loader yields no batch: is its dataset empty?")
    result = TestResult(total_loss / seen, correct / seen)
    if report:
        print(
            f"\nTest dataset: Overall Loss: {result.loss:.4f}, "
            f"Overall Accuracy: {correct:.0f}/{seen:.0f} ({100 * result.accuracy:.0f}%)\n"
        )
    return result


# pytest collects functions named test: this one, imported into a test module, is none.
test.__test__ = False
TestResult.__test__ = False


def fit(
    model: nn.Module,
    device: torch.device | str,
    train_dataloader: DataLoader,
    test_dataloader: DataLoader,
    optim: Optimizer,
    epochs: int,
    *,
    loss_function: Callable[[Tensor, Tensor], Tensor] = F.nll_loss,
    scheduler: LRScheduler | None = None,
    log_interval: int | None = None,
    progress: bool = True,
) -> History:
    """Train for ``epochs`` epochs, numbered from 1, and test after each.

    Returns:
        The losses, test results and training times; arguments and errors are those of ``train`` and ``test``.

    Raises:
        ValueError: also if ``epochs`` is below 1.
    """
    if epochs < 1:
        raise ValueError(f"epochs must be at least 1: got {epochs}")
    history = History()
    for epoch in range(1, epochs + 1):
        start = time.perf_counter()
        history.batch_losses += train(
            model,
            device,
            train_dataloader,
            optim,
            epoch,
            loss_function=loss_function,
            scheduler=scheduler,
            log_interval=log_interval,
            progress=progress,
        )
        history.train_seconds.append(time.perf_counter() - start)
        history.test_results.append(test(model, device, test_dataloader))
    return history


def _progress_bar(loader: DataLoader, description: str, shown: bool) -> tqdm:
    # A notebook shows what goes to stderr as if it were an error: there, the bar is ordinary output.
    in_notebook = type(sys.stdout).__module__.startswith("ipykernel")
    stream = sys.stdout if in_notebook else sys.stderr
    return tqdm(loader, description, file=stream, disable=not shown, unit="batch", mininterval=0.5)


def _running_mean(losses: list[float], window: int = 100) -> float:
    recent = losses[-window:]
    return sum(recent) / len(recent)


def _finite(loss: float, epoch: int, batch: int) -> float:
    if not math.isfinite(loss):
        raise FloatingPointError(
            f"the loss is {loss} at epoch {epoch}, batch {batch}: try a smaller learning rate, and check that images "
            "and parameters are finite (torch.isfinite). The parameters are as they were before this batch."
        )
    return loss


def _log_line(epoch: int, seen: int, batch: int, loader: DataLoader, loss: float) -> str:
    percent = 100 * batch / len(loader)
    return f"epoch: {epoch} [{seen}/{len(loader.dataset)} ({percent:.0f}%)]\t training loss: {loss:.6f}"
