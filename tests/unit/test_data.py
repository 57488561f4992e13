import os
import shutil
import subprocess
import sys
import time

import pytest
import torch
from torch.utils.data import DataLoader, Dataset, TensorDataset, WeightedRandomSampler
from torchvision import datasets, transforms

from faults import flip_a_bit, full_disk, run_until_killed, truncate
from helpers import DATA_ROOT, MNIST_MEAN, MNIST_STD, mnist_dataloaders, mnist_dataset, unpack_mnist
from helpers.data import UNPACKED_MD5, dataloaders, in_memory_loader
from helpers.files import atomic_write

TRAIN_IMAGES = "train-images-idx3-ubyte"


def test_the_loaders_have_the_training_and_the_test_images():
    train_loader, test_loader = mnist_dataloaders(train_size=100)
    assert len(train_loader.dataset) == 100
    images, labels = (torch.cat(batches) for batches in zip(*test_loader))
    assert images.shape == (10_000, 1, 28, 28) and images.dtype == torch.float32
    assert torch.bincount(labels).tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]


def test_the_constants_are_the_pixels_mean_and_deviation_over_256():
    pixels = datasets.MNIST(DATA_ROOT).data.double()
    assert (pixels.mean() / 256).item() == pytest.approx(MNIST_MEAN, abs=5e-5)
    assert (pixels.std() / 256).item() == pytest.approx(MNIST_STD, abs=5e-5)


def test_images_and_labels_live_where_they_are_asked_to():
    assert [tensor.device.type for tensor in mnist_dataset(size=10, device="meta").tensors] == ["meta", "meta"]


def per_sample_loader(**options):
    """The usual torchvision pipeline, one image at a time."""
    steps = [transforms.ToTensor(), transforms.Normalize((0.5,), (0.25,))]
    return DataLoader(datasets.MNIST(DATA_ROOT, transform=transforms.Compose(steps)), 32, **options)


def test_batches_are_those_of_the_per_sample_pipeline(device):
    slow = per_sample_loader(shuffle=True, generator=torch.Generator().manual_seed(5))
    fast, _ = mnist_dataloaders(seed=5, mean=0.5, std=0.25, device=device)
    for _ in range(2):  # the second epoch's order differs, and must agree as well
        for (expected, digits), (images, labels), _ in zip(slow, fast, range(4)):
            assert images.device == labels.device == device
            torch.testing.assert_close(images.cpu(), expected)
            assert torch.equal(labels.cpu(), digits)


@pytest.mark.parametrize(
    "options", [{"train_size": 0}, {"train_size": 60_001}, {"std": float("nan")}, {"test_batch_size": 0}], ids=str
)
def test_arguments_out_of_range_are_errors(options):
    with pytest.raises(ValueError, match=r"^(size must be from 1 to 60000|std must be above 0|batch_size)"):
        mnist_dataloaders(**options)


def numbers(dataset=TensorDataset):
    return dataset(torch.arange(101), torch.arange(101) ** 2)


def epochs(loader):
    torch.manual_seed(9)
    return [[[column.tolist() for column in batch] for batch in loader] for _ in range(2)]


@pytest.mark.parametrize(
    "options",
    [
        lambda: {},
        lambda: {"shuffle": True},
        lambda: {"shuffle": True, "generator": torch.Generator().manual_seed(3), "num_workers": 2},
        lambda: {"sampler": WeightedRandomSampler([*range(101)], 50), "drop_last": True},
    ],
)
def test_an_in_memory_loader_gives_the_batches_of_an_ordinary_one(options):
    expected = epochs(DataLoader(numbers(), 16, **options()))
    assert epochs(in_memory_loader(numbers(), 16, **options())) == expected


class Squares(Dataset):
    def __len__(self):
        return 101

    def __getitem__(self, index):
        return index, index**2


class NegatedNumbers(TensorDataset):
    def __getitem__(self, index):
        return tuple(-tensor for tensor in super().__getitem__(index))


@pytest.mark.parametrize("dataset", [numbers(), numbers(NegatedNumbers), Squares()])
def test_any_dataset_is_shuffled_for_training_and_in_order_for_tests(dataset):
    loaders = dataloaders(dataset, dataset, train_batch_size=16, test_batch_size=50, seed=1, num_workers=1)
    assert [loader.num_workers for loader in loaders] == [1, 1]
    (first, second), (test, _) = (epochs(loader) for loader in loaders)
    assert [len(batch[0]) for batch in test] == [50, 50, 1]
    first, second, test = ([sample for batch in epoch for sample in zip(*batch)] for epoch in (first, second, test))
    assert test == [tuple(int(number) for number in dataset[index]) for index in range(101)]
    assert first != second and sorted(first) == sorted(second) == sorted(test)
    assert all(loader.pin_memory for loader in dataloaders(dataset, dataset, pin_memory=True))


def test_the_seed_and_its_offset_decide_the_order(monkeypatch):
    def order(seed):
        return epochs(dataloaders(numbers(), numbers(), seed=seed)[0])

    expected = order(7)
    assert expected == order(7) != order(4)
    monkeypatch.setenv("SEED_OFFSET", "3")
    assert order(4) == expected


def test_an_in_memory_loader_takes_at_most_a_fifth_of_the_per_sample_pipelines_time(threads_kept):
    def seconds(loader):
        batches = iter(loader)
        next(batches)  # makes the order of the whole epoch
        start = time.process_time()  # whatever else the machine does
        for _ in range(50):
            next(batches)
        return time.process_time() - start

    torch.set_num_threads(1)
    slow, fast = (seconds(loader) for loader in (per_sample_loader(shuffle=True), mnist_dataloaders()[0]))
    assert slow / fast >= 5


@pytest.fixture
def root(tmp_path):
    """A data folder as a fresh clone has it: the four .gz files, nothing unpacked."""
    raw = tmp_path / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for name, _ in datasets.MNIST.resources:
        shutil.copyfile(DATA_ROOT / "MNIST" / "raw" / name, raw / name)  # without its mode: it may be read-only
    return tmp_path


def assert_all_is_well(root):
    raw = root / "MNIST" / "raw"
    archives = {f"{name}.gz" for name in UNPACKED_MD5}
    assert {path.name for path in raw.iterdir()} == archives | set(UNPACKED_MD5)
    for name in UNPACKED_MD5:
        assert datasets.utils.check_integrity(raw / name, UNPACKED_MD5[name])


@pytest.mark.parametrize("harm", [truncate, flip_a_bit, os.remove])
def test_missing_and_damaged_files_are_unpacked(root, harm):
    assert unpack_mnist(root) == root / "MNIST" / "raw"
    assert_all_is_well(root)
    harm(root / "MNIST" / "raw" / TRAIN_IMAGES)
    assert len(mnist_dataset(root=root)) == 60_000
    assert_all_is_well(root)
    truncate(root / "MNIST" / "raw" / f"{TRAIN_IMAGES}.gz")
    unpack_mnist(root)  # a whole file needs no archive


@pytest.mark.parametrize(
    ("harm", "error", "state"), [(truncate, RuntimeError, "damaged"), (os.remove, FileNotFoundError, "missing")]
)
def test_an_archive_that_is_needed_is_named_with_the_ways_to_restore_it(root, harm, error, state):
    harm(root / "MNIST" / "raw" / f"{TRAIN_IMAGES}.gz")
    advice = r"In a clone.*git checkout -- data/MNIST/raw/train-images.*Elsewhere, pass root=.*pip install -e"
    with pytest.raises(error, match=rf"MNIST file {state}: .*{TRAIN_IMAGES}\.gz\. {advice}"):
        unpack_mnist(root)
    assert not (root / "MNIST" / "raw" / TRAIN_IMAGES).exists()


@pytest.mark.slow
def test_a_process_killed_while_unpacking_does_no_harm(root):
    run_until_killed(f"""
import os
from helpers import data
def half(packed, unpacked):
    unpacked.write(packed.read(1_000_000))
    unpacked.flush()
    os._exit(9)
data.shutil.copyfileobj = half
data.unpack_mnist({str(root)!r})
""")
    raw = root / "MNIST" / "raw"
    (left_over,) = raw.glob("*.part")
    assert not (raw / TRAIN_IMAGES).exists()
    unpack_mnist(root)
    left_over.unlink()
    assert_all_is_well(root)


@pytest.mark.slow
def test_processes_that_unpack_at_once_do_not_disturb_each_other(root):
    script = f"from helpers import mnist_dataset; assert len(mnist_dataset(root={str(root)!r})) == 60_000"
    runs = [subprocess.Popen([sys.executable, "-c", script]) for _ in range(2)]
    assert [run.wait(timeout=300) for run in runs] == [0, 0]
    assert_all_is_well(root)


def test_a_disk_that_fills_up_while_unpacking_leaves_nothing_behind(root):
    with full_disk(1_000_000), pytest.raises(OSError, match="too large"):
        unpack_mnist(root)
    assert {path.suffix for path in (root / "MNIST" / "raw").iterdir()} == {".gz"}


def test_of_two_writers_of_a_file_the_last_to_finish_wins(tmp_path):
    target = tmp_path / "target"
    target.write_text("old")
    with atomic_write(target) as first, atomic_write(target) as second:
        first.write_text("first")
        second.write_text("second")
        assert target.read_text() == "old"
    assert target.read_text() == "first"
    assert list(tmp_path.iterdir()) == [target]
