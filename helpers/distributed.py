"""The fast recipe on several processes, each with its share of every batch: what ``torchrun`` starts.

On this machine, with two processes: ``python -m torch.distributed.run --standalone --nproc-per-node 2 -m
helpers.distributed``. Each process holds a copy of the model; after each backward pass, DistributedDataParallel
averages the gradients over the processes, so that all copies take the same step. It is the step that one process would
take, but for batch normalisation: that takes the mean and variance of a process's own share.

Source: S. Li et al., "PyTorch Distributed: Experiences on Accelerating Data Parallel Training", VLDB, 2020.
"""

import argparse
import os
import time
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import torch
import torch.distributed as dist
from torch.distributed.elastic.multiprocessing.errors import record
from torch.nn.parallel import DistributedDataParallel
from torch.utils.data import BatchSampler, DataLoader, RandomSampler, Sampler

from helpers.checkpoint import load_checkpoint, save_checkpoint
from helpers.data import batch_loader, mnist_dataset
from helpers.device import pick_device, seed_everything
from helpers.recipe import FastNet, Recipe
from helpers.training import TestResult, test, train


def share_batches(loader: DataLoader, rank: int, world_size: int) -> DataLoader:
    """A loader of one process's share of each of ``loader``'s batches.

    Every sample is in the share of exactly one process. (PyTorch's ``DistributedSampler`` repeats samples, or leaves
    some out, where the shares cannot be equal.)

    Args:
        loader: made by ``batch_loader`` in each process, from the same dataset and with generators of the same seed.
        rank: the number of this process, from 0.
        world_size: the number of processes.

    Returns:
        A loader of as many batches. Where a batch cannot be divided evenly, shares differ by one sample, and those of
        the smaller share weigh a little more in the mean of gradients.

    Raises:
        ValueError: if ``rank`` is not below ``world_size``, if a batch is too small to be shared, or if the loader
            draws its order from the global generator, in each process another one.
    """
    if isinstance(loader.sampler.sampler, RandomSampler) and loader.generator is None:
        raise ValueError("a shuffled loader needs a generator, with the same seed in every process, to be shared")
    samples, batch_size = len(loader.dataset), loader.sampler.batch_size
    smallest = samples % batch_size or batch_size
    if not 0 <= rank < world_size:
        raise ValueError(f"rank must be from 0 to {world_size - 1}, one below world_size: got {rank}")
    if smallest < world_size:
        raise ValueError(
            f"a batch of {smallest} cannot be shared by {world_size} processes: choose a batch size so that each batch "
            f"of the {samples} samples, the last one too, holds at least {world_size}"
        )
    share = _Share(loader.sampler, rank, world_size)
    return DataLoader(loader.dataset, sampler=share, batch_size=None, generator=loader.generator)


class _Share(Sampler[list[int]]):
    """Every ``world_size``-th index of each batch, beginning with number ``rank``."""

    def __init__(self, batches: BatchSampler, rank: int, world_size: int) -> None:
        self.batches, self.rank, self.world_size = batches, rank, world_size

    def __iter__(self) -> Iterator[list[int]]:
        return (batch[self.rank :: self.world_size] for batch in self.batches)

    def __len__(self) -> int:
        return len(self.batches)


def sum_over_processes(values: Sequence[float], device: torch.device | str = "cpu") -> list[float]:
    """The sums of these values over all processes; each process must call it with as many.

    Args:
        values: this process's.
        device: one that the process group communicates between: the process's GPU for NCCL.
    """
    sums = torch.tensor(values, dtype=torch.float64, device=device)
    dist.all_reduce(sums)
    return sums.tolist()


def train_distributed(
    device: torch.device,
    *,
    recipe: Recipe,
    seed: int = 0,
    train_size: int | None = None,
    checkpoint: Path | None = None,
) -> TestResult:
    """Train and test the fast network, as one of the processes of an initialised process group.

    Only the process of rank 0 prints and writes.

    Args:
        device: this process's own.
        recipe: of the training; its batch size is that of all processes together.
        seed: of the initial weights and the order of the images, the same in every process; without effect on a run
            that is resumed.
        train_size: train on the first ``train_size`` images only.
        checkpoint: when given, the state after each epoch is saved there; if the file exists, training goes on from it.
            Several machines need it on a disk that they share.

    Returns:
        The result over the whole test set, the same in every process.

    Raises:
        RuntimeError: if some processes found a checkpoint to go on from, and others did not.
    """
    rank, world_size = dist.get_rank(), dist.get_world_size()
    seed_everything(seed)
    generator = torch.Generator().manual_seed(seed)
    train_set = mnist_dataset(size=train_size, device=device)
    all_batches = batch_loader(train_set, recipe.batch_size, shuffle=True, generator=generator)
    train_loader = share_batches(all_batches, rank, world_size)
    test_loader = share_batches(batch_loader(mnist_dataset(train=False, device=device), 500), rank, world_size)

    model = FastNet().to(device, memory_format=torch.channels_last)
    parallel_model = DistributedDataParallel(model)
    optim = recipe.optimiser(model)
    scheduler = recipe.scheduler(optim, batches=len(train_loader))
    state = {"scheduler": scheduler, "generator": generator}
    resumed = checkpoint is not None and checkpoint.exists()
    finished = load_checkpoint(checkpoint, model, optim, **state) if resumed else 0
    _check_agreement(finished, device)
    start = time.perf_counter()
    for epoch in range(finished + 1, recipe.epochs + 1):
        options = {"loss_function": recipe.loss, "scheduler": scheduler, "progress": rank == 0}
        train(parallel_model, device, train_loader, optim, epoch, **options)
        if rank == 0 and checkpoint is not None:
            save_checkpoint(checkpoint, model, optim, epoch, **state)
    if rank == 0 and finished < recipe.epochs:
        processes = "1 process" if world_size == 1 else f"{world_size} processes"
        print(f"training on {processes} took {time.perf_counter() - start:.1f} s")
    add_up = partial(sum_over_processes, device=device)
    return test(parallel_model, device, test_loader, sum_over_processes=add_up, report=rank == 0)


def _check_agreement(finished: int, device: torch.device) -> None:
    """Whether all processes go on from the same epoch. As each waits for all, none writes before all have read."""
    lowest_and_highest = torch.tensor([-finished, finished], device=device)
    dist.all_reduce(lowest_and_highest, dist.ReduceOp.MAX)
    lowest, highest = -lowest_and_highest[0].item(), lowest_and_highest[1].item()
    if lowest != highest:
        raise RuntimeError(
            f"one process goes on after epoch {lowest}, another after epoch {highest}: put the checkpoint on a disk "
            "that all machines share"
        )


@record  # an error's message then stands in torchrun's summary
def main(arguments: Sequence[str] | None = None) -> None:
    """Join the processes that torchrun has started, and train."""
    options = _parse(arguments)
    device = _own_device(options.device)
    if device.type == "cpu":
        torch.set_num_threads(max(1, _available_cores() // int(os.environ["LOCAL_WORLD_SIZE"])))
        dist.init_process_group("gloo")
    else:
        torch.cuda.set_device(device)
        dist.init_process_group("nccl", device_id=device)
    # Line and line break in one piece: torchrun's processes are unbuffered, and share one output.
    print(f"rank {dist.get_rank()} of {dist.get_world_size()}: process {os.getpid()} on {device}\n", end="", flush=True)
    recipe = Recipe(epochs=options.epochs, batch_size=options.batch_size)
    train_distributed(
        device, recipe=recipe, seed=options.seed, train_size=options.train_size, checkpoint=options.checkpoint
    )
    # Not after an error: the other processes would not take part, and torchrun ends them all anyway.
    dist.destroy_process_group()


def _available_cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m helpers.distributed", description="Train on several processes.")
    parser.add_argument("--epochs", type=int, default=Recipe.epochs)
    parser.add_argument("--batch-size", type=int, default=Recipe.batch_size, help="of all processes together")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--train-size", type=int, help="train on the first so many images (default: all)")
    parser.add_argument("--device", choices=("cpu", "cuda"), help="default: CUDA if there is a GPU for each process")
    parser.add_argument("--checkpoint", type=Path, help="save each epoch's state there, and go on from it if it exists")
    options = parser.parse_args(arguments)
    if "LOCAL_RANK" not in os.environ:
        parser.error(
            "this is one process of several: start it by\n"
            "python -m torch.distributed.run --standalone --nproc-per-node 2 -m helpers.distributed"
        )
    return options


def _own_device(kind: str | None) -> torch.device:
    """The CPU, or the GPU whose number is this process's on its machine."""
    processes, gpus = int(os.environ["LOCAL_WORLD_SIZE"]), torch.cuda.device_count()
    if kind is None:
        kind = "cuda" if gpus >= processes else "cpu"
    if kind == "cuda" and gpus < processes:
        raise ValueError(f"{processes} processes need a GPU each, and this machine has {gpus}: use --device cpu")
    return pick_device("cpu" if kind == "cpu" else f"cuda:{os.environ['LOCAL_RANK']}")


if __name__ == "__main__":
    main()
