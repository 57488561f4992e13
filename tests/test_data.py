import time

import pytest
import torch
from torch.utils.data import DataLoader, TensorDataset
from torchvision import datasets, transforms

from helpers import MNIST_MEAN, MNIST_STD, batch_loader, mnist_dataloaders, mnist_dataset
from helpers.data import DATA_ROOT


@pytest.fixture(scope="module")
def train_set():
    return mnist_dataset()


@pytest.fixture(scope="module")
def test_set():
    return mnist_dataset(train=False)


def test_counts_shapes_and_types(train_set, test_set):
    for dataset, size in ((train_set, 60_000), (test_set, 10_000)):
        images, labels = dataset.tensors
        assert images.shape == (size, 1, 28, 28) and images.dtype == torch.float32
        assert labels.shape == (size,) and labels.dtype == torch.int64
    expected = [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
    assert torch.bincount(train_set.tensors[1]).tolist() == expected


def test_the_constants_are_the_pixels_mean_and_deviation_over_256():
    pixels = datasets.MNIST(DATA_ROOT).data.double()
    assert (pixels.mean() / 256).item() == pytest.approx(MNIST_MEAN, abs=5e-5)
    assert (pixels.std() / 256).item() == pytest.approx(MNIST_STD, abs=5e-5)


def test_images_and_labels_live_where_they_are_asked_to():
    assert [tensor.device.type for tensor in mnist_dataset(size=10, device="meta").tensors] == ["meta", "meta"]


def test_normalisation_is_what_is_asked_for():
    images, _ = mnist_dataset(mean=0.0, std=1.0, size=100).tensors
    assert (images.min(), images.max()) == (0, 1)
    other, _ = mnist_dataset(mean=0.5, std=0.25, size=100).tensors
    torch.testing.assert_close(other, (images - 0.5) / 0.25)


def per_sample_loader(**options):
    """The usual torchvision pipeline, one image at a time."""
    steps = [transforms.ToTensor(), transforms.Normalize((MNIST_MEAN,), (MNIST_STD,))]
    return DataLoader(datasets.MNIST(DATA_ROOT, transform=transforms.Compose(steps)), 32, **options)


@pytest.mark.parametrize("seeded_by", ["argument", "global generator"])
def test_batches_are_those_of_the_per_sample_pipeline(seeded_by):
    if seeded_by == "argument":
        slow = per_sample_loader(shuffle=True, generator=torch.Generator().manual_seed(5))
        fast, _ = mnist_dataloaders(seed=5)
    else:
        slow, (fast, _) = per_sample_loader(shuffle=True), mnist_dataloaders()
    pairs = []
    for loader in (slow, fast):
        torch.manual_seed(9)
        for _ in range(2):  # the second epoch's order differs, and must agree as well
            pairs.append([batch for _, batch in zip(range(4), loader)])
    for slow_batch, fast_batch in zip(pairs[0] + pairs[1], pairs[2] + pairs[3]):
        torch.testing.assert_close(slow_batch[0], fast_batch[0])
        assert torch.equal(slow_batch[1], fast_batch[1])
    assert not torch.equal(pairs[2][0][1], pairs[3][0][1])


def test_one_epoch_is_every_image_once():
    train_loader, test_loader = mnist_dataloaders(seed=1)
    assert (len(train_loader), len(train_loader.dataset)) == (1875, 60_000)
    assert (len(test_loader), len(test_loader.dataset)) == (20, 10_000)
    labels = torch.cat([labels for _, labels in test_loader])
    assert torch.equal(labels, test_loader.dataset.tensors[1])  # in order
    numbers = TensorDataset(torch.arange(60_000))
    seen = torch.cat([batch for (batch,) in batch_loader(numbers, 32, shuffle=True)])
    assert not torch.equal(seen, numbers.tensors[0])
    assert torch.equal(seen.sort().values, numbers.tensors[0])


def test_the_last_batch_is_short():
    train_loader, test_loader = mnist_dataloaders(train_batch_size=64, test_batch_size=3000, train_size=1000)
    assert [len(labels) for _, labels in train_loader] == [64] * 15 + [40]
    assert [len(labels) for _, labels in test_loader] == [3000, 3000, 3000, 1000]


def test_the_seed_decides_the_order():
    def first_labels(seed):
        return next(iter(mnist_dataloaders(seed=seed, train_size=500)[0]))[1].tolist()

    assert first_labels(3) == first_labels(3) != first_labels(4)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"train_size": 0}, "size must be from 1 to 60000"),
        ({"train_size": 60_001}, "size must be from 1 to 60000"),
        ({"std": 0.0}, "std must be above 0"),
        ({"std": float("nan")}, "std must be above 0"),
        ({"train_batch_size": 0}, "batch_size"),
        ({"test_batch_size": -1}, "batch_size"),
    ],
)
def test_bad_arguments_are_errors(options, message):
    with pytest.raises(ValueError, match=message):
        mnist_dataloaders(**options)


def test_at_least_20_times_faster_than_the_per_sample_pipeline(threads_kept):
    def seconds_per_batch(loader, batches=60):
        batches_of_loader = iter(loader)
        next(batches_of_loader)
        start = time.perf_counter()
        for _ in range(batches):
            next(batches_of_loader)
        return (time.perf_counter() - start) / batches

    torch.set_num_threads(1)  # waiting for a second core would measure what else the machine does
    loaders = per_sample_loader(shuffle=True), mnist_dataloaders()[0]
    runs = [[seconds_per_batch(loader) for loader in loaders] for _ in range(5)]  # the two in turn
    slow, fast = (min(times) for times in zip(*runs))
    assert slow / fast >= 20
