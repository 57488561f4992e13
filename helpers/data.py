"""MNIST, verified and in memory, and data loaders for it or for any other data set."""

import gzip
import shutil
from pathlib import Path

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, TensorDataset
from torchvision.datasets import MNIST
from torchvision.datasets.utils import check_integrity

from helpers.device import seeded_generator
from helpers.files import atomic_write

DATA_ROOT = Path(__file__).resolve().parent.parent / "data"

# The chapter's constants: mean and standard deviation of the training pixels, divided by 256.
# ToTensor divides by 255, which would make them 0.1307 and 0.3081.
MNIST_MEAN, MNIST_STD = 0.1302, 0.3069

# torchvision's own table has the checksums of the .gz files; these are of what they unpack to.
UNPACKED_MD5 = {
    "train-images-idx3-ubyte": "6bbc9ace898e44ae57da46a324031adb",
    "train-labels-idx1-ubyte": "a25bea736e30d166cdddb491f175f624",
    "t10k-images-idx3-ubyte": "2646ac647ad5339dbf082846283269ea",
    "t10k-labels-idx1-ubyte": "27ae3e4e09519cfbb04c329615203637",
}


def unpack_mnist(root: str | Path = DATA_ROOT) -> Path:
    """Verify the four unpacked MNIST files, and unpack again those that are missing or damaged.

    (torchvision verifies the ``.gz`` files only: it would trust a file whose unpacking was interrupted.)

    Args:
        root: Folder that holds ``MNIST/raw/``, as for ``torchvision.datasets.MNIST``.

    Returns:
        The folder ``root/MNIST/raw``.

    Raises:
        FileNotFoundError, RuntimeError: If a ``.gz`` is needed and is missing, or is damaged; the message names the
            file and says how to restore it.
        OSError: If a file cannot be written; MNIST needs 55 MB.
    """
    raw = Path(root).expanduser() / "MNIST" / "raw"
    for name, md5 in MNIST.resources:
        archive, target = raw / name, raw / Path(name).stem
        if check_integrity(target, UNPACKED_MD5[target.name]):
            continue
        if not check_integrity(archive, md5):
            error, state = (RuntimeError, "damaged") if archive.exists() else (FileNotFoundError, "missing")
            raise error(
                f"MNIST file {state}: {archive}. In a clone of the repository, git checkout -- data/MNIST/raw/{name} "
                "restores it. Elsewhere, pass root=, the folder that holds MNIST/raw, or install the clone by pip "
                "install -e."
            )
        with atomic_write(target) as part, gzip.open(archive) as packed, part.open("wb") as unpacked:
            shutil.copyfileobj(packed, unpacked)
    return raw


def mnist_dataset(
    train: bool = True,
    *,
    root: str | Path = DATA_ROOT,
    mean: float = MNIST_MEAN,
    std: float = MNIST_STD,
    size: int | None = None,
    device: torch.device | str = "cpu",
) -> TensorDataset:
    """MNIST in memory: images (size, 1, 28, 28), float32, and labels (size,), int64.

    Args:
        train: Whether to take the 60,000 training images or the 10,000 test images.
        root: Folder that holds ``MNIST/raw/``.
        mean: Mean to subtract from the pixels, which are first divided by 255.
        std: Standard deviation to divide by, above 0.
        size: Number of images, the first ones of the set; None for all. (The test set's two halves come from
            different groups of writers: its first images are not a random sample.)
        device: Device of the tensors.

    Raises:
        ValueError: If ``std`` or ``size`` is out of range. Other errors are those of ``unpack_mnist``.
    """
    if not std > 0:
        raise ValueError(f"std must be above 0: got {std}")
    unpack_mnist(root)
    files = MNIST(Path(root).expanduser(), train=train)
    if size is not None and not 1 <= size <= len(files):
        raise ValueError(f"size must be from 1 to {len(files)}, the number of images in the set: got {size}")
    pixels = files.data[:size].unsqueeze(1).to(device)  # (size, 1, 28, 28), uint8
    images = pixels.float().div_(255).sub_(mean).div_(std)
    return TensorDataset(images, files.targets[:size].to(device))


def mnist_dataloaders(
    *,
    root: str | Path = DATA_ROOT,
    mean: float = MNIST_MEAN,
    std: float = MNIST_STD,
    train_size: int | None = None,
    device: torch.device | str = "cpu",
    **options: object,
) -> tuple[DataLoader, DataLoader]:
    """Loaders of MNIST's training and test images: batches of images (N, 1, 28, 28) and labels (N,).

    Args:
        train_size: Number of training images; None for all 60,000. Other arguments: see ``mnist_dataset``.
        **options: Batch sizes and seed: see ``dataloaders``.
    """
    common = {"root": root, "mean": mean, "std": std, "device": device}
    return dataloaders(mnist_dataset(True, size=train_size, **common), mnist_dataset(False, **common), **options)


def dataloaders(
    train_set: Dataset,
    test_set: Dataset,
    *,
    train_batch_size: int = 32,
    test_batch_size: int = 500,
    seed: int | None = None,
    **options: object,
) -> tuple[DataLoader, DataLoader]:
    """Loaders of any training set, shuffled anew each epoch, and of any test set, in order.

    Args:
        train_set, test_set: Data sets; a ``TensorDataset`` is served by ``in_memory_loader``.
        train_batch_size, test_batch_size: Samples in a batch, at least 1; the last batch holds the rest.
        seed: Seed of the shuffling; None draws from PyTorch's global generator (see ``seed_everything``).
        **options: Other arguments of both ``DataLoader``: ``num_workers``, ``pin_memory``, …
    """
    generator = None if seed is None else seeded_generator(seed)
    make_train_loader, make_test_loader = (
        in_memory_loader if type(dataset) is TensorDataset else DataLoader for dataset in (train_set, test_set)
    )
    return (
        make_train_loader(train_set, train_batch_size, shuffle=True, generator=generator, **options),
        make_test_loader(test_set, test_batch_size, **options),
    )


def in_memory_loader(dataset: TensorDataset, batch_size: int, **options: object) -> DataLoader:
    """A ``DataLoader`` that takes each batch from the dataset's tensors by one indexing operation.

    It gives the batches of ``DataLoader(dataset, batch_size, **options)``, in the same order and much faster.
    """
    return DataLoader(BatchedTensorDataset(*dataset.tensors), batch_size, collate_fn=_identity, **options)


class BatchedTensorDataset(TensorDataset):
    """Tensors that a ``DataLoader`` indexes once a batch: it calls ``__getitems__`` where there is one."""

    def __getitems__(self, indices: list[int]) -> tuple[Tensor, ...]:
        """The samples of a batch, one tensor each of images and labels."""
        return tuple(tensor[indices] for tensor in self.tensors)


def _identity(batch: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    return batch
