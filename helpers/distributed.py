"""The chapter's training on several processes, each with its share of every batch; started by ``torchrun``.

Each process holds a copy of the model. After each backward pass, DistributedDataParallel averages the gradients over
the processes: all copies take the step of a single process, but for dropout (each process draws masks of its own),
batch normalization (each sees its share), unequal shares (each counts alike, however large it is) and rounding.

Source: S. Li et al., "PyTorch Distributed: Experiences on Accelerating Data Parallel Training", 2020,
https://arxiv.org/abs/2006.15704.
"""

import argparse
import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
import torch.distributed as dist
from torch.distributed.elastic.multiprocessing.errors import record
from torch.nn.parallel import DistributedDataParallel
from torch.optim import Adadelta
from torch.utils.data import BatchSampler, DataLoader, Sampler

from helpers.checkpoint import load_checkpoint, save_checkpoint
from helpers.data import mnist_dataloaders
from helpers.device import DEVICE_VARIABLE, pick_device, seed_everything
from helpers.model import ConvNet
from helpers.training import TestResult, test, train

COMMAND = """\
python -m torch.distributed.run --standalone --local-addr 127.0.0.1 --nproc-per-node 2 -m helpers.distributed"""
KEPT = "collate_fn", "generator", "num_workers", "pin_memory", "worker_init_fn", "prefetch_factor", "persistent_workers"


def shard_batches(loader: DataLoader, rank: int, world_size: int) -> DataLoader:
    """A loader of this process's share of each batch; shares differ by one sample at most.

    Every sample is in exactly one share. (PyTorch's ``DistributedSampler`` repeats samples, or leaves some out, where
    the shares cannot be equal.)

    Args:
        loader: Loader that is the same in every process, a generator of the same seed included. Its other options, such
            as the number of workers, are kept.
        rank, world_size: Number of this process, from 0, and number of processes.

    Raises:
        ValueError: If a batch is too small to be shared, or if each process would shuffle in its own order.
    """
    if getattr(loader.sampler, "generator", loader) is None:  # a random sampler without one draws from the global one
        raise ValueError("a shuffled loader needs a generator with the same seed in every process to be shared")
    rest = 0 if loader.drop_last else len(loader.sampler) % loader.batch_size
    smallest = rest or loader.batch_size
    if smallest < world_size:
        raise ValueError(f"a batch of {smallest}, perhaps the last one, cannot be shared by {world_size} processes")
    shard = _Shard(loader.batch_sampler, rank, world_size)
    return DataLoader(loader.dataset, batch_sampler=shard, **{name: getattr(loader, name) for name in KEPT})


@dataclass(frozen=True)
class _Shard(Sampler[list[int]]):
    batches: BatchSampler
    rank: int
    world_size: int

    def __iter__(self) -> Iterator[list[int]]:
        return (batch[self.rank :: self.world_size] for batch in self.batches)

    def __len__(self) -> int:
        return len(self.batches)


def all_reduce_sum(values: Sequence[float], device: torch.device | str = "cpu") -> list[float]:
    """Sums of the values over all processes, which communicate between tensors on ``device``: for NCCL, their GPUs."""
    sums = torch.tensor(values, dtype=torch.float64, device=device)
    dist.all_reduce(sums)
    return sums.tolist()


def train_distributed(
    device: torch.device,
    *,
    epochs: int = 1,
    batch_size: int = 32,
    seed: int = 0,
    train_size: int | None = None,
    checkpoint: Path | None = None,
) -> TestResult:
    """Train and test the chapter's network, as one process of an initialized process group; rank 0 prints and writes.

    Args:
        device: Device of this process.
        epochs: Number of epochs.
        batch_size: Images in a batch, that of all processes together.
        seed: Seed of the initial weights, the order of the images and the dropout masks. A resumed run keeps its own
            weights and order; for the same masks, it needs the same seed.
        train_size: Number of training images; None for all.
        checkpoint: File for the state after each epoch, on a disk that all machines share; training goes on from it.

    Returns:
        The result over the whole test set, the same in every process.

    Raises:
        ValueError: If a batch cannot be shared, or if the processes find different checkpoints.
    """
    rank, world_size = dist.get_rank(), dist.get_world_size()
    seed_everything(seed)
    options = {"train_size": train_size, "train_batch_size": batch_size, "seed": seed, "device": device}
    train_loader, test_loader = (shard_batches(loader, rank, world_size) for loader in mnist_dataloaders(**options))
    model = ConvNet().to(device, memory_format=torch.channels_last)
    parallel_model = DistributedDataParallel(model)
    optim = Adadelta(model.parameters(), lr=0.5)
    state = {"generator": train_loader.generator}
    resumed = checkpoint is not None and checkpoint.exists()
    finished = load_checkpoint(checkpoint, model, optim, **state) if resumed else 0
    total, squares = all_reduce_sum([finished, finished**2], device)
    if world_size * squares != total**2:  # only equal numbers fulfill this, and every process sees it
        raise ValueError("not all processes see the same checkpoint: put it on a disk that all machines share")
    start = time.perf_counter()
    for epoch in range(finished + 1, epochs + 1):
        seed_everything(seed + 1000 * epoch + rank)  # dropout masks of its own, which a resumed run repeats
        train(parallel_model, device, train_loader, optim, epoch, progress=rank == 0)
        if rank == 0 and checkpoint is not None:
            save_checkpoint(checkpoint, model, optim, epoch, **state)
    if rank == 0 and finished < epochs:
        processes = "1 process" if world_size == 1 else f"{world_size} processes"
        print(f"training on {processes} took {time.perf_counter() - start:.1f} s")
    add_up = partial(all_reduce_sum, device=device)
    return test(parallel_model, device, test_loader, all_reduce_sum=add_up, report=rank == 0)


@record  # an error's message then stands in torchrun's summary
def main(arguments: Sequence[str] | None = None) -> None:
    """Join the processes that torchrun has started, and train."""
    options = _parse(arguments)
    local_rank, local_world_size = int(os.environ["LOCAL_RANK"]), int(os.environ["LOCAL_WORLD_SIZE"])
    device = _own_device(options.device, local_rank, local_world_size)
    if device.type == "cpu":
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        torch.set_num_threads(max(1, cores // local_world_size))
        dist.init_process_group("gloo")
    else:
        torch.cuda.set_device(device)
        dist.init_process_group("nccl", device_id=device)
    # Line and line break in one piece: torchrun's processes are unbuffered, and share one output.
    print(f"rank {dist.get_rank()} of {dist.get_world_size()}: process {os.getpid()} on {device}\n", end="", flush=True)
    train_distributed(
        device,
        epochs=options.epochs,
        batch_size=options.batch_size,
        train_size=options.train_size,
        checkpoint=options.checkpoint,
    )
    dist.destroy_process_group()  # not after an error: torchrun ends all processes then


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m helpers.distributed")
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--batch-size", type=int, default=32, help="of all processes together")
    parser.add_argument("--train-size", type=int, help="number of training images (default: all)")
    parser.add_argument("--device", choices=("cpu", "cuda"), help="default: TORCH_DEVICE, else a GPU for each process")
    parser.add_argument("--checkpoint", type=Path, help="save each epoch's state there, and go on from it if it exists")
    options = parser.parse_args(arguments)
    if "LOCAL_RANK" not in os.environ:
        parser.error(f"this is one process of several: start it by\n{COMMAND}")
    return options


def _own_device(kind: str | None, local_rank: int, local_world_size: int) -> torch.device:
    """The CPU, or the GPU with this process's number on its machine."""
    gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
    name = kind or os.environ.get(DEVICE_VARIABLE) or ("cuda" if gpus >= local_world_size else "cpu")
    kind = name.partition(":")[0]  # of cuda:0, too, each process takes a GPU of its own
    if kind not in ("cpu", "cuda"):
        raise ValueError(f"processes share a training on cpu or cuda, not on {name!r}: see {DEVICE_VARIABLE}")
    if kind == "cuda" and gpus < local_world_size:
        raise ValueError(f"{local_world_size} processes need a GPU each, and this machine has {gpus}: use --device cpu")
    return pick_device(f"cuda:{local_rank}" if kind == "cuda" else "cpu")


if __name__ == "__main__":
    main()
