"""The training loop, the test loop, and ``fit``, which alternates them."""

import math
import sys
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler
from torch.utils.data import DataLoader
from tqdm import tqdm

LossFunction = Callable[[Tensor, Tensor], Tensor]

READ_INTERVAL = 20  # batches between two looks at the loss: each look waits for the GPU


class TestResult(NamedTuple):
    """Mean loss over all images, and accuracy (0 to 1)."""

    loss: float
    accuracy: float


class History(NamedTuple):
    """Training loss of every batch; validation result and training time (s) of every epoch."""

    batch_losses: list[float]
    validation_results: list[TestResult]
    train_seconds: list[float]


def train(
    model: nn.Module,
    device: torch.device | str,
    train_dataloader: DataLoader,
    optim: Optimizer,
    epoch: int,
    *,
    loss_function: LossFunction = F.nll_loss,
    scheduler: LRScheduler | None = None,
    progress: bool = True,
) -> list[float]:
    """Train ``model`` for one epoch, one optimizer step per batch; return each batch's loss before its step.

    Args:
        model: Network on ``device``, left in training mode. The default loss expects log-probabilities (N, classes).
        device: Device to which each batch is moved.
        train_dataloader: Batches of images (N, …) and labels (N,).
        optim: Optimizer of the model's parameters.
        epoch: Number of the epoch, for the progress bar and errors.
        loss_function: Mean loss of a batch, from the model's output and the labels; by default in nats per image.
        scheduler: Learning-rate schedule, stepped after every batch.
        progress: Whether to show a progress bar with the mean loss of the last 100 batches.

    Raises:
        FloatingPointError: If a loss is NaN or infinite, at most 20 batches later: the parameters have moved on.
        ValueError: If the loader yields no batch.
    """
    model.train()
    losses, unread = [], []
    with _progress_bar(train_dataloader, f"epoch {epoch}", progress) as bar:
        for images, labels in train_dataloader:
            images, labels = images.to(device, non_blocking=True), labels.to(device, non_blocking=True)
            optim.zero_grad()
            loss = loss_function(model(images), labels)
            loss.backward()
            optim.step()
            if scheduler is not None:
                scheduler.step()
            unread.append(loss.detach())
            bar.update()
            if len(unread) == READ_INTERVAL:
                _read_losses(unread, losses, epoch, bar)
        if unread:
            _read_losses(unread, losses, epoch, bar)
    if not losses:
        raise ValueError("the training loader yields no batch: is its dataset empty?")
    return losses


@torch.no_grad()
def test(
    model: nn.Module,
    device: torch.device | str,
    test_dataloader: DataLoader,
    *,
    loss_function: LossFunction = F.nll_loss,
    all_reduce_sum: Callable[[Sequence[float]], Sequence[float]] | None = None,
    report: bool = True,
) -> TestResult:
    """Mean loss and accuracy of ``model`` over all images, also printed; it stays in evaluation mode.

    Args:
        model: Network on ``device``. Its largest output is the predicted class.
        device: Device to which each batch is moved.
        test_dataloader: Batches of images (N, …) and labels (N,).
        loss_function: Mean loss of a batch, the same as in training.
        all_reduce_sum: Sum over processes, where each process tests a part of the images.
        report: Whether to print the result.

    Raises:
        ValueError: If the loader yields no batch.
    """
    model.eval()
    total_loss, correct, seen = 0.0, 0, 0
    for images, labels in test_dataloader:
        images, labels = images.to(device), labels.to(device)
        outputs = model(images)
        total_loss += loss_function(outputs, labels) * len(labels)  # the last batch may be shorter than the others
        correct += (outputs.argmax(dim=1) == labels).sum()
        seen += len(labels)
    sums = float(total_loss), int(correct), seen
    total_loss, correct, seen = sums if all_reduce_sum is None else all_reduce_sum(sums)
    if not seen:
        raise ValueError("the test loader yields no batch: is its dataset empty?")
    result = TestResult(total_loss / seen, correct / seen)
    if report:
        print(
            f"\nTest dataset: Overall Loss: {result.loss:.4f}, "
            f"Overall Accuracy: {correct:.0f}/{seen:.0f} ({100 * result.accuracy:.2f}%)\n"
        )
    return result


test.__test__ = TestResult.__test__ = False  # whatever pytest makes of their names where they are imported


def fit(
    model: nn.Module,
    device: torch.device | str,
    train_dataloader: DataLoader,
    validation_dataloader: DataLoader,
    optim: Optimizer,
    epochs: int,
    *,
    loss_function: LossFunction = F.nll_loss,
    scheduler: LRScheduler | None = None,
    progress: bool = True,
) -> History:
    """Train for ``epochs`` epochs; after each, measure and print loss and accuracy on the validation images.

    Validation images are those to make choices by: the test images judge once, at the end, by ``test``. The other
    arguments and the errors are those of ``train`` and ``test``.
    """
    history = History([], [], [])
    options = {"loss_function": loss_function, "scheduler": scheduler, "progress": progress}
    for epoch in range(1, epochs + 1):
        start = time.perf_counter()
        history.batch_losses.extend(train(model, device, train_dataloader, optim, epoch, **options))
        history.train_seconds.append(time.perf_counter() - start)
        result = test(model, device, validation_dataloader, loss_function=loss_function, report=False)
        history.validation_results.append(result)
        print(f"epoch {epoch}: validation loss {result.loss:.4f}, validation accuracy {100 * result.accuracy:.2f} %")
    return history


def _progress_bar(loader: DataLoader, description: str, shown: bool) -> tqdm:
    # A notebook shows what goes to stderr as if it were an error: there, the bar is ordinary output.
    stream = sys.stdout if type(sys.stdout).__module__.startswith("ipykernel") else sys.stderr
    return tqdm(loader, description, file=stream, disable=not shown, unit="batch", mininterval=0.5)


def _read_losses(unread: list[Tensor], losses: list[float], epoch: int, bar: tqdm) -> None:
    """Move the unread losses to ``losses``, and stop at one that is not finite."""
    for loss in torch.stack(unread).tolist():
        if not math.isfinite(loss):
            raise FloatingPointError(
                f"the loss is {loss} at epoch {epoch}, batch {len(losses)}: try a lower learning rate, and check that "
                "images are finite. The parameters have changed since: create the model anew, or load a checkpoint."
            )
        losses.append(loss)
    unread.clear()
    recent = losses[-100:]
    bar.set_postfix(loss=f"{sum(recent) / len(recent):.3f}", refresh=False)
