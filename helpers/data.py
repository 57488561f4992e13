"""MNIST: verified on disk, kept in memory, served in batches.

The files are torchvision's business: their names, their checksums, their format. This module adds what torchvision
leaves out (an unpacked file is never verified again, and unpacking can be interrupted) and a loader that indexes whole
batches.
"""

import gzip
import hashlib
import shutil
from pathlib import Path

import torch
from torch.utils.data import BatchSampler, DataLoader, RandomSampler, SequentialSampler, TensorDataset
from torchvision.datasets import MNIST

from helpers.files import replacing

DATA_ROOT = Path(__file__).resolve().parent.parent / "data"

# The chapter's constants: the training pixels' mean and standard deviation divided by 256.
# ToTensor divides by 255, which would make them 0.1307 and 0.3081; notebook 03 derives both pairs.
MNIST_MEAN, MNIST_STD = 0.1302, 0.3069

# torchvision's own table has the checksums of the .gz files; these are of what they unpack to.
UNPACKED_MD5 = {
    "train-images-idx3-ubyte": "6bbc9ace898e44ae57da46a324031adb",
    "train-labels-idx1-ubyte": "a25bea736e30d166cdddb491f175f624",
    "t10k-images-idx3-ubyte": "2646ac647ad5339dbf082846283269ea",
    "t10k-labels-idx1-ubyte": "27ae3e4e09519cfbb04c329615203637",
}


def ensure_mnist(root: str | Path = DATA_ROOT) -> Path:
    """Make sure that the four unpacked MNIST files are there and whole, unpacking again those that are not.

    Each file is unpacked under a temporary name, then renamed: a run that is killed leaves nothing that a later run
    would trust, and processes that unpack at the same time do not disturb each other.

    Args:
        root: the folder that holds ``MNIST/raw/``, as for ``torchvision.datasets.MNIST``.

    Returns:
        The folder ``root/MNIST/raw``.

    Raises:
        FileNotFoundError: if a file is missing and so is the ``.gz`` to make it from.
        RuntimeError: if a ``.gz`` is damaged; the message names the file and how to restore it.
        OSError: if a file cannot be written.
    """
    raw = Path(root).expanduser() / "MNIST" / "raw"
    for archive_name, archive_md5 in MNIST.resources:
        archive = raw / archive_name
        target = archive.with_suffix("")
        if not _is_intact(target, UNPACKED_MD5[target.name]):
            _check_archive(archive, archive_md5)
            _unpack(archive, target)
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
    """MNIST's training or test set in memory, normalised as ``ToTensor`` and ``Normalize(mean, std)`` would.

    Args:
        train: the 60,000 training images, or the 10,000 test images.
        root: the folder that holds ``MNIST/raw/``.
        mean: subtracted from the pixels, which first are scaled to 0…1.
        std: divides what remains; above 0.
        size: keep only the first ``size`` images, or None for all. The training images come in mixed order; of the test
            images, the two halves come from different sources.
        device: where the tensors live, so that no batch needs to be copied later.

    Returns:
        A dataset of images (size, 1, 28, 28), float32, and labels (size,), int64.

    Raises:
        ValueError: if ``std`` or ``size`` is out of range; otherwise as ``ensure_mnist``.
    """
    if not std > 0:
        raise ValueError(f"std must be above 0: got {std}")
    ensure_mnist(root)
    files = MNIST(root, train=train)
    if size is not None and not 1 <= size <= len(files):
        raise ValueError(f"size must be from 1 to {len(files)}, the number of images in the set: got {size}")
    pixels = files.data[:size].unsqueeze(1).to(device)  # (size, 1, 28, 28), uint8
    images = pixels.float().div_(255).sub_(mean).div_(std)
    return TensorDataset(images, files.targets[:size].to(device))


def mnist_dataloaders(
    *,
    root: str | Path = DATA_ROOT,
    train_batch_size: int = 32,
    test_batch_size: int = 500,
    mean: float = MNIST_MEAN,
    std: float = MNIST_STD,
    train_size: int | None = None,
    seed: int | None = None,
    device: torch.device | str = "cpu",
) -> tuple[DataLoader, DataLoader]:
    """Loaders of MNIST's training set, shuffled anew each epoch, and of its test set, in order.

    They yield what ``DataLoader(torchvision.datasets.MNIST(...), batch_size, shuffle)`` yields, in the same order for
    the same seed. The images stay in memory as one tensor and a batch is one indexing operation: that is much faster.

    Args:
        root: the folder that holds ``MNIST/raw/``.
        train_batch_size: images in a training batch; the last one holds what is left.
        test_batch_size: images in a test batch.
        mean: subtracted from the pixels, which first are scaled to 0…1.
        std: divides what remains; above 0.
        train_size: train on the first ``train_size`` images only; None for all 60,000.
        seed: of the shuffling; None draws from PyTorch's global generator (see ``seed_everything``).
        device: where the batches live.

    Returns:
        The training loader and the test loader; a batch is images (N, 1, 28, 28), float32, and labels (N,), int64.

    Raises:
        ValueError: if a size or ``std`` is out of range; otherwise as ``ensure_mnist``.
    """
    train_set = mnist_dataset(True, root=root, mean=mean, std=std, size=train_size, device=device)
    test_set = mnist_dataset(False, root=root, mean=mean, std=std, device=device)
    generator = None if seed is None else torch.Generator().manual_seed(seed)
    return (
        batch_loader(train_set, train_batch_size, shuffle=True, generator=generator),
        batch_loader(test_set, test_batch_size),
    )


def batch_loader(
    dataset: TensorDataset, batch_size: int, *, shuffle: bool = False, generator: torch.Generator | None = None
) -> DataLoader:
    """A loader that takes each batch from the dataset's tensors in one indexing operation.

    ``DataLoader(dataset, batch_size)`` would fetch the samples one by one and stack them: the same batches, slower.

    Args:
        dataset: tensors with the same first dimension.
        batch_size: samples in a batch, at least 1; the last batch holds what is left.
        shuffle: draw a new order each time the loader is iterated over.
        generator: of that order; None for PyTorch's global one.

    Raises:
        ValueError: if ``batch_size`` is below 1.
    """
    order = RandomSampler(dataset, generator=generator) if shuffle else SequentialSampler(dataset)
    batches = BatchSampler(order, batch_size, drop_last=False)  # lists of indices; checks batch_size
    # A DataLoader draws a number from its generator before its sampler does: to give the order that the usual
    # DataLoader(dataset, batch_size, shuffle, generator) gives, both must share one.
    return DataLoader(dataset, sampler=batches, batch_size=None, generator=generator)


def _md5(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "md5").hexdigest()


def _is_intact(path: Path, md5: str) -> bool:
    return path.is_file() and _md5(path) == md5


def _check_archive(archive: Path, expected: str) -> None:
    restore = f"restore it from the repository with: git checkout -- data/MNIST/raw/{archive.name}"
    if not archive.is_file():
        raise FileNotFoundError(f"MNIST file missing: {archive}; {restore}, or pass the root of a complete copy")
    found = _md5(archive)
    if found != expected:
        raise RuntimeError(f"MNIST file damaged: {archive} has md5 {found}, expected {expected}; {restore}")


def _unpack(archive: Path, target: Path) -> None:
    try:
        with replacing(target) as part, gzip.open(archive) as packed, part.open("wb") as unpacked:
            shutil.copyfileobj(packed, unpacked)
    except OSError as error:
        # Windows refuses to rename while another process reads the target: then that process has just unpacked it.
        if isinstance(error, PermissionError) and _is_intact(target, UNPACKED_MD5[target.name]):
            return
        cause = error.strerror or error
        reason = f"cannot unpack {archive.name}: {cause}; MNIST needs 55 MB of disk and a folder it may write to"
        raise type(error)(error.errno, reason, str(target)) from error
