"""The training runs that the benchmark compares. Run as a script, trains one of them and prints a line per epoch.

``chapter`` does what the chapter's code does, ``example`` what PyTorch's MNIST example does: the same layers, data
pipelines, optimizers and schedules. They are written anew here, from their descriptions. (On a CPU, the example
does not shuffle; here it does, which costs nothing and cannot harm its accuracy.) ``chapter_adam`` is a
strong rival that keeps the chapter's network, ``recipe_02`` is the recipe of version 0.2.
"""

import argparse
import json
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn, optim
from torch.optim.lr_scheduler import OneCycleLR, StepLR
from torch.utils.data import DataLoader, Subset, TensorDataset
from torchvision import datasets, transforms

from helpers import (
    MNIST_MEAN,
    MNIST_STD,
    ConvNet,
    in_memory_loader,
    mnist_dataset,
    pick_device,
    seed_everything,
    test,
    train,
    train_recipe,
)
from helpers.data import DATA_ROOT

Trained = Iterator[nn.Module | None]  # a contender yields None when its data are read, then its model after each epoch
CHAPTERS_PIXELS, EXAMPLES_PIXELS = (MNIST_MEAN, MNIST_STD), (0.1307, 0.3081)  # mean and standard deviation
LOG_INTERVAL = 10  # both peers look at the loss, which waits for it, every so many batches


class ChaptersNet(nn.Module):
    """The chapter's layers: like ``ConvNet``, but for a Dropout2d on flat inputs, of which PyTorch warns today."""

    def __init__(self) -> None:
        super().__init__()
        self.cn1, self.cn2 = nn.Conv2d(1, 16, 3, 1), nn.Conv2d(16, 32, 3, 1)
        self.dp1, self.dp2 = nn.Dropout2d(0.10), nn.Dropout2d(0.25)
        self.fc1, self.fc2 = nn.Linear(4608, 64), nn.Linear(64, 10)

    def forward(self, images: Tensor) -> Tensor:
        """Log-probabilities (N, 10), for images (N, 1, 28, 28)."""
        x = F.relu(self.cn2(F.relu(self.cn1(images))))  # (N, 32, 24, 24)
        x = self.dp1(F.max_pool2d(x, 2)).flatten(1)  # (N, 4608)
        return F.log_softmax(self.fc2(self.dp2(F.relu(self.fc1(x)))), dim=1)


class ReorderedConvNet(ConvNet):
    """The chapter's network with pooling before ReLU: the same numbers bit for bit, for less work.

    ReLU never changes which of two numbers is larger. After pooling, ReLU has a quarter of the values to go through.
    """

    def forward(self, images: Tensor) -> Tensor:
        """Log-probabilities (N, 10), for images (N, 1, 28, 28)."""
        x = F.relu(self.cn1(images))  # (N, 16, 26, 26)
        x = F.relu(F.max_pool2d(self.cn2(x), 2))  # (N, 32, 12, 12)
        x = self.dp2(F.relu(self.fc1(self.dp1(x).flatten(1))))  # (N, 64)
        return F.log_softmax(self.fc2(x), dim=1)


class FastNet(nn.Module):
    """Version 0.2's fast network: three convolutions with batch normalization, 16,514 parameters."""

    def __init__(self) -> None:
        super().__init__()
        self.cn1, self.bn1 = nn.Conv2d(1, 8, kernel_size=5, stride=2, bias=False), nn.BatchNorm2d(8)
        self.cn2, self.bn2 = nn.Conv2d(8, 16, kernel_size=3, bias=False), nn.BatchNorm2d(16)
        self.cn3, self.bn3 = nn.Conv2d(16, 64, kernel_size=3, bias=False), nn.BatchNorm2d(64)
        self.fc = nn.Linear(64 * 3 * 3, 10)

    def forward(self, images: Tensor) -> Tensor:
        """Log-probabilities (N, 10), for images (N, 1, 28, 28)."""
        x = F.relu(self.bn1(self.cn1(images)))  # (N, 8, 12, 12)
        x = F.relu(self.bn2(F.max_pool2d(self.cn2(x), 2)))  # (N, 16, 5, 5)
        x = F.relu(self.bn3(self.cn3(x)))  # (N, 64, 3, 3)
        return F.log_softmax(self.fc(x.flatten(1)), dim=1)


class ExamplesNet(nn.Module):
    """The network of PyTorch's MNIST example: 32 and 64 channels, 1,199,882 parameters."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(1, 32, 3, 1), nn.ReLU(), nn.Conv2d(32, 64, 3, 1), nn.ReLU(), nn.MaxPool2d(2), nn.Dropout(0.25)
        )
        self.classifier = nn.Sequential(
            nn.Flatten(), nn.Linear(9216, 128), nn.ReLU(), nn.Dropout(0.5), nn.Linear(128, 10), nn.LogSoftmax(dim=1)
        )

    def forward(self, images: Tensor) -> Tensor:
        """Log-probabilities (N, 10), for images (N, 1, 28, 28)."""
        return self.classifier(self.features(images))


def chapter(device: torch.device, *, seed: int, epochs: int, train_size: int) -> Trained:
    """The chapter's network, per-image data pipeline and schedule: batches of 32, Adadelta 0.5."""
    loader = _per_image_loader(*CHAPTERS_PIXELS, batch_size=32, train_size=train_size)
    model = ChaptersNet().to(device)
    optimizer = optim.Adadelta(model.parameters(), lr=0.5)
    yield None
    for _ in range(epochs):
        _plain_epoch(model, device, loader, optimizer)
        yield model


def example(device: torch.device, *, seed: int, epochs: int, train_size: int) -> Trained:
    """PyTorch's MNIST example: batches of 64, Adadelta 1.0, the rate multiplied by 0.7 after each epoch."""
    workers = {} if device.type == "cpu" else {"num_workers": 1, "persistent_workers": True, "pin_memory": True}
    loader = _per_image_loader(*EXAMPLES_PIXELS, batch_size=64, train_size=train_size, **workers)
    model = ExamplesNet().to(device)
    optimizer = optim.Adadelta(model.parameters(), lr=1.0)
    scheduler = StepLR(optimizer, step_size=1, gamma=0.7)
    yield None
    for _ in range(epochs):
        _plain_epoch(model, device, loader, optimizer)
        scheduler.step()
        yield model


def chapter_faster(device: torch.device, *, seed: int, epochs: int, train_size: int) -> Trained:
    """The chapter's network and schedule again: images in memory, channels last, pooling before ReLU."""
    loader = in_memory_loader(mnist_dataset(size=train_size, device=device), 32, shuffle=True)  # the chapter's order
    model = ReorderedConvNet().to(device, memory_format=torch.channels_last)
    optimizer = optim.Adadelta(model.parameters(), lr=0.5)
    yield None
    for epoch in range(1, epochs + 1):
        train(model, device, loader, optimizer, epoch, progress=False)
        yield model


def chapter_adam(device: torch.device, *, seed: int, epochs: int, train_size: int) -> Trained:
    """The chapter's network with Adam, batches of 128 and one cycle over all epochs."""
    images = mnist_dataset(size=train_size, device=device)
    yield None
    yield from _one_cycle(ReorderedConvNet(), images, epochs, learning_rate=0.008, label_smoothing=0.0)


def recipe_02(device: torch.device, *, seed: int, epochs: int, train_size: int) -> Trained:
    """The recipe of version 0.2: a small network, Adam, one cycle and label smoothing."""
    images = mnist_dataset(size=train_size, device=device)
    yield None
    yield from _one_cycle(FastNet(), images, epochs, learning_rate=0.03, label_smoothing=0.1)


def recipe(device: torch.device, *, seed: int, epochs: int, train_size: int) -> Trained:
    """The fast recipe; it knows one epoch only, of which it leaves out a part."""
    images = mnist_dataset(size=train_size, device=device)
    yield None
    yield train_recipe(images, seed=seed)[0]


CONTENDERS: dict[str, Callable[..., Trained]] = {
    "chapter": chapter,
    "example": example,
    "chapter_faster": chapter_faster,
    "chapter_adam": chapter_adam,
    "recipe_02": recipe_02,
    "recipe": recipe,
}


def _per_image_loader(mean: float, std: float, *, batch_size: int, train_size: int, **options: object) -> DataLoader:
    transform = transforms.Compose([transforms.ToTensor(), transforms.Normalize((mean,), (std,))])
    images = datasets.MNIST(DATA_ROOT, train=True, transform=transform)
    if train_size < len(images):
        images = Subset(images, range(train_size))
    return DataLoader(images, batch_size, shuffle=True, **options)


def _one_cycle(
    model: nn.Module, dataset: TensorDataset, epochs: int, *, learning_rate: float, label_smoothing: float
) -> Iterator[nn.Module]:
    device = dataset.tensors[0].device
    model = model.to(device, memory_format=torch.channels_last)
    loader = in_memory_loader(dataset, 128, shuffle=True)
    optimizer = optim.Adam(model.parameters(), lr=learning_rate, fused=True)
    options = {"pct_start": 0.25, "final_div_factor": 1000, "cycle_momentum": False}
    scheduler = OneCycleLR(optimizer, learning_rate, total_steps=epochs * len(loader), **options)
    loss = partial(F.cross_entropy, label_smoothing=label_smoothing)
    for epoch in range(1, epochs + 1):
        train(model, device, loader, optimizer, epoch, loss_function=loss, scheduler=scheduler, progress=False)
        yield model


def _plain_epoch(model: nn.Module, device: torch.device, loader: DataLoader, optimizer: optim.Optimizer) -> None:
    model.train()
    for batch, (images, labels) in enumerate(loader):
        images, labels = images.to(device), labels.to(device)
        optimizer.zero_grad()
        loss = F.nll_loss(model(images), labels)
        loss.backward()
        optimizer.step()
        if batch % LOG_INTERVAL == 0:
            loss.item()


def measure(name: str, device: torch.device, *, seed: int, epochs: int, train_size: int) -> Iterator[dict]:
    """Train one contender; yield, after each epoch, the seconds of training so far and the test accuracy (0 to 1).

    Reading the data set and building the model are timed on their own; testing and the imports do not count. Every
    contender is tested on the same images, normalized as for its training.
    """
    mean, std = EXAMPLES_PIXELS if name == "example" else CHAPTERS_PIXELS
    test_loader = in_memory_loader(mnist_dataset(train=False, mean=mean, std=std, device=device), 500)
    seed_everything(seed)
    start = time.perf_counter()
    trained = CONTENDERS[name](device, seed=seed, epochs=epochs, train_size=train_size)
    next(trained)
    _wait_for(device)
    reading, seconds, start = time.perf_counter() - start, 0.0, time.perf_counter()
    for model in trained:
        _wait_for(device)
        seconds += time.perf_counter() - start
        accuracy = test(model, device, test_loader, loss_function=F.cross_entropy, report=False).accuracy
        yield {"seconds": seconds, "reading": reading, "accuracy": accuracy, "peak_mib": _peak_mib()}
        start = time.perf_counter()


def _wait_for(device: torch.device) -> None:
    if device.type != "cpu":
        torch.accelerator.synchronize(device)  # it works on while Python goes ahead


def _peak_mib() -> float | None:
    """The most main memory that this process has held so far, in MiB; None where the system does not tell."""
    try:
        import resource
    except ImportError:  # Windows
        return None
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**20


def main() -> None:
    """Train the contender named on the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name", choices=CONTENDERS)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--train-size", type=int, default=60_000)
    parser.add_argument("--threads", type=int)
    parser.add_argument("--device")
    options = parser.parse_args()
    if options.threads:
        torch.set_num_threads(options.threads)
    warnings.filterwarnings("ignore", message="dropout2d")
    arguments = {"seed": options.seed, "epochs": options.epochs, "train_size": options.train_size}
    for epoch in measure(options.name, pick_device(options.device), **arguments):
        print(json.dumps(epoch), flush=True)


if __name__ == "__main__":
    main()
