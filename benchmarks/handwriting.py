"""How well a network that was trained on MNIST reads pictures of digits.

    python benchmarks/handwriting.py            digits of MNIST on made papers: a table
    python benchmarks/handwriting.py FOLDER     your pictures, named by their digit, such as 3_my_pen.jpg

The network is trained first (a minute), unless --network names its saved state dict. For a folder, the misread pictures
are drawn, step by step, into the folder ``misread``.
"""

import argparse
import io
import math
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageFilter
from scipy import ndimage
from torch import nn, optim
from torch.utils.data import TensorDataset
from torchvision.datasets import MNIST

from helpers import (
    DATA_ROOT,
    MNIST_MEAN,
    MNIST_STD,
    ConvNet,
    DigitError,
    RandomPen,
    Reading,
    in_memory_loader,
    mnist_dataset,
    pick_device,
    plots,
    read_digit,
    seed_everything,
    train,
    unpack_mnist,
)

SIDE, HEIGHT = 400, 240  # of a picture and of its digit, in pixels
WHITE, INK, BLUE, PENCIL = (245, 244, 238), (30, 30, 40), (25, 45, 130), (110, 110, 112)
RULED_BLUE, RULED_DARK, MARGIN_RED = (160, 185, 220), (90, 90, 95), (220, 110, 110)
STEPS = ("the picture", "its ink", "the digit alone", "in its box", "centered by mass")

# Masks (SIDE, SIDE), from 0, paper, to 1, ink


def written(image: np.ndarray, side: int = SIDE, reach: int = 30) -> np.ndarray:
    """Mask of a digit of MNIST (28, 28), enlarged to smooth strokes, about in the middle."""
    rows, columns = np.nonzero(image)
    box = columns.min() - 2, rows.min() - 2, columns.max() + 3, rows.max() + 3
    digit = Image.fromarray(image).crop(box)
    scale = HEIGHT / (max(digit.size) - 4)
    size = [round(scale * length) for length in digit.size]
    smooth = ndimage.gaussian_filter(np.asarray(digit.resize(size, Image.Resampling.BICUBIC)) / 255, 0.35 * scale)
    strokes = np.clip(6 * (smooth - 0.5) + 0.5, 0, 1)
    mask = np.zeros((side, side))
    top, left = ((side - length) // 2 + np.random.randint(-reach, reach + 1) for length in strokes.shape)
    mask[top : top + len(strokes), left : left + strokes.shape[1]] = strokes
    return mask


def thin(mask: np.ndarray) -> np.ndarray:
    """The middle of each stroke."""
    depth = ndimage.distance_transform_edt(mask > 0.5)
    return ndimage.gaussian_filter((depth > 0.55 * ndimage.maximum_filter(depth, 31)).astype(float), 1)


def thick(mask: np.ndarray) -> np.ndarray:
    """Strokes that are twelve pixels wider."""
    return ndimage.grey_dilation(mask, footprint=np.hypot(*np.ogrid[-6:7, -6:7]) <= 6)


def turned(mask: np.ndarray) -> np.ndarray:
    """A digit turned by up to 25°."""
    return ndimage.rotate(mask, np.random.uniform(-25, 25), reshape=False, order=1).clip(0, 1)


def ruled(*, squared: bool = False, tilt: float = 1) -> np.ndarray:
    """Lines two pixels thick every 40 pixels, tilted by up to ``tilt`` degrees."""
    angle, start = math.radians(np.random.uniform(-tilt, tilt)), np.random.uniform(0, 40)
    rows, columns = np.mgrid[:SIDE, :SIDE]
    across = rows * math.cos(angle) + columns * math.sin(angle), columns * math.cos(angle) - rows * math.sin(angle)
    distances = [np.abs((way - start + 20) % 40 - 20) for way in across[: 1 + squared]]
    return (1.5 - np.min(distances, axis=0)).clip(0, 1)


def margin() -> np.ndarray:
    """One vertical line, at the left."""
    return np.tile((1.5 - np.abs(np.arange(SIDE) - np.random.uniform(30, 70))).clip(0, 1), (SIDE, 1))


def edge(widths: Sequence[int]) -> np.ndarray:
    """What is nearer than these widths to the left, right, upper and lower edge."""
    left, right, top, bottom = widths
    mask = np.ones((SIDE, SIDE))
    mask[top : SIDE - bottom, left : SIDE - right] = 0
    return mask


# Light (SIDE, SIDE), from 0 to 1


def shadow() -> np.ndarray:
    """A shadow with a sharp edge over a part of the picture, in any direction."""
    angle = np.random.uniform(0, 2 * math.pi)
    rows, columns = np.mgrid[:SIDE, :SIDE] - SIDE / 2
    distance = columns * math.cos(angle) + rows * math.sin(angle) - np.random.uniform(-60, 60)
    return 1 - 0.4 * (distance / 12 + 0.5).clip(0, 1)


def vignette() -> np.ndarray:
    """Dark corners, as of a phone held close."""
    rows, columns = np.mgrid[:SIDE, :SIDE] / (SIDE / 2) - 1
    return 1 - 0.35 * (rows**2 + columns**2)


Layer = tuple[np.ndarray, tuple[int, int, int]]  # mask, color


def paint(*layers: Layer, paper: tuple = WHITE, light: np.ndarray | float = 1, noise: float = 3) -> Image.Image:
    """Picture of layers, each over the one before, with the noise of a camera."""
    canvas = np.ones((*layers[0][0].shape, 3)) * paper
    for mask, color in layers:
        canvas += mask[..., None] * (np.array(color) - canvas)
    canvas = canvas * np.atleast_3d(light) + np.random.normal(0, noise, canvas.shape)
    return Image.fromarray(canvas.clip(0, 255).astype("uint8"))


def as_jpeg(picture: Image.Image) -> Image.Image:
    """The picture after it was blurred a little and stored as a small JPEG file."""
    file = io.BytesIO()
    picture.filter(ImageFilter.GaussianBlur(1)).save(file, "JPEG", quality=60)
    return Image.open(file)


# For each name, a function from a digit (28, 28) and its mask to a picture.
PAPERS: dict[str, Callable[[np.ndarray, np.ndarray], Image.Image]] = {
    "plain": lambda digit, mask: paint((mask, INK)),
    "blue pen": lambda digit, mask: paint((mask, BLUE)),
    "pencil": lambda digit, mask: paint((mask, PENCIL)),
    "thin pen": lambda digit, mask: paint((thin(mask), BLUE)),
    "thick pen": lambda digit, mask: paint((thick(mask), INK)),
    "turned by up to 25°": lambda digit, mask: paint((turned(mask), INK)),
    "noise": lambda digit, mask: paint((mask, INK), noise=15),
    "small on a large page": lambda digit, mask: paint((written(digit, 1600, 500), INK)),
    "a shadow's edge": lambda digit, mask: paint((mask, INK), light=shadow()),
    "vignette": lambda digit, mask: paint((mask, INK), light=vignette()),
    "blue lines": lambda digit, mask: paint((ruled(), RULED_BLUE), (mask, INK)),
    "blue lines, red margin": lambda digit, mask: paint((ruled(), RULED_BLUE), (margin(), MARGIN_RED), (mask, INK)),
    "dark lines": lambda digit, mask: paint((ruled(), RULED_DARK), (mask, INK)),
    "blue squares": lambda digit, mask: paint((ruled(squared=True), RULED_BLUE), (mask, INK)),
    "blue squares, pencil": lambda digit, mask: paint((ruled(squared=True), RULED_BLUE), (mask, PENCIL)),
    "lines, tilted, as JPEG": lambda digit, mask: as_jpeg(
        paint((ruled(tilt=3), RULED_BLUE), (mask, BLUE), light=np.linspace(0.65, 0.95, SIDE))
    ),
    "a dark frame": lambda digit, mask: paint((mask, INK), (edge((4, 4, 4, 4)), INK)),
    "the desk's edge": lambda digit, mask: paint(
        (mask, INK), (edge(np.random.permutation([np.random.randint(20, 56), 0, 0, 0])), (110, 75, 45))
    ),
    "yellow highlighter": lambda digit, mask: paint((mask, (255, 245, 90)), paper=(255, 255, 255)),
    "red on equally light green": lambda digit, mask: paint((mask, (215, 95, 95)), paper=(90, 160, 90)),
    "chalk": lambda digit, mask: paint((mask, (225, 225, 215)), paper=(40, 60, 50), noise=6),
}


def several(images: Sequence[np.ndarray], places: Sequence[tuple[int, int]], scale: float) -> Image.Image:
    """Picture of several digits, each scaled and moved from the middle by (rows, columns)."""
    mask = np.zeros((SIDE, SIDE))
    for image, place in zip(images, places):
        small = ndimage.affine_transform(written(image, reach=0), [1 / scale] * 2, SIDE / 2 * (1 - 1 / scale))
        mask = np.maximum(mask, ndimage.shift(small, place, order=1))
    return paint((mask.clip(0, 1), INK))


# For each name, a function from nine digits to a picture that must be called doubtful.
PAGES: dict[str, Callable[[np.ndarray], Image.Image]] = {
    "two digits side by side": lambda digits: several(digits[:2], [(0, -90), (0, 90)], 0.7),
    "one digit above another": lambda digits: several(digits[:2], [(-95, 0), (95, 0)], 0.6),
    "a page of nine digits": lambda digits: several(
        digits, [(row, column) for row in (-125, 0, 125) for column in (-125, 0, 125)], 0.35
    ),
    "cut off by the edge": lambda digits: several(digits[:1], [(0, 180)], 1),
}


def interval(hits: int, count: int) -> tuple[float, float]:
    """95 % confidence interval of a share.

    Source: E. B. Wilson, "Probable Inference, the Law of Succession, and Statistical Inference", 1927,
    https://doi.org/10.1080/01621459.1927.10502953.
    """
    z = 1.96
    middle = (hits + z**2 / 2) / (count + z**2)
    half = z / (count + z**2) * math.sqrt(hits * (count - hits) / count + z**2 / 4)
    return middle - half, middle + half


def trained_network(seed: int = 0) -> tuple[nn.Module, float]:
    """A ConvNet trained for two epochs on images of other hands, and the probability from which on to trust it.

    The last 5,000 training images are kept to find this probability: nine of ten mistakes on them are less sure.
    """
    device = pick_device()
    images, labels = mnist_dataset(device=device).tensors
    seed_everything(seed)
    network = ConvNet().to(device)
    augmented = nn.Sequential(RandomPen(shift=2, turn=15, paper=-MNIST_MEAN / MNIST_STD), network)
    batches = in_memory_loader(TensorDataset(images[:-5000], labels[:-5000]), 32, shuffle=True)
    optimizer = optim.Adadelta(network.parameters(), lr=0.5)
    for epoch in (1, 2):
        train(augmented, device, batches, optimizer, epoch)
    with torch.no_grad():
        confidence, answers = network.eval()(images[-5000:]).exp().max(dim=1)
    return network, confidence[answers != labels[-5000:]].quantile(0.9).item()


def read(network: nn.Module, picture: Image.Image | Path, least: float) -> Reading | None:
    """What the network reads; None if there is no digit in the picture."""
    try:
        return read_digit(network, picture, least_probability=least)
    except DigitError:
        return None


def judge(reading: Reading | None, label: int) -> tuple[bool, bool, bool]:
    """Whether a reading is right, doubtful, and wrong without a word; a picture without a digit is doubtful."""
    if reading is None:
        return False, True, False
    right, doubtful = reading.digit == label, bool(reading.doubts)
    return right, doubtful, not right and not doubtful


def print_papers(network: nn.Module, least: float, count: int, seed: int) -> None:
    """Read test digits on each paper; print how many are right, doubtful, and wrong without a word."""
    test_set = MNIST(DATA_ROOT, train=False)
    seed_everything(seed)
    chosen = np.random.permutation(len(test_set))[:count]
    images, labels = test_set.data[chosen].numpy(), test_set.targets[chosen].tolist()
    print(f"answers below {100 * least:.1f} % are in doubt\n")
    print(f"{'paper':28}{'right':>8}{'95 % interval':>18}{'in doubt':>10}{'silently wrong':>16}{'ms':>6}")
    papers = {"the image itself": lambda digit, mask: Image.fromarray(digit)} | PAPERS
    for name, draw in papers.items():
        seed_everything(seed)
        pictures = [draw(image, written(image)) for image in images]
        start = time.perf_counter()
        readings = [read(network, picture, least) for picture in pictures]
        milliseconds = 1000 * (time.perf_counter() - start) / count
        right, doubtful, silent = (sum(column) for column in zip(*map(judge, readings, labels)))
        low, high = interval(right, count)
        shares = f"{100 * right / count:6.1f} %{f'{100 * low:.1f} to {100 * high:.1f} %':>18}"
        print(f"{name:28}{shares}{100 * doubtful / count:8.1f} %{100 * silent / count:14.1f} %{milliseconds:6.0f}")
    for name, draw in PAGES.items():
        seed_everything(seed)
        readings = [read(network, draw(np.random.permutation(images)[:9]), least) for _ in images]
        doubtful = sum(reading is None or bool(reading.doubts) for reading in readings)
        print(f"{name:28}{'':26}{100 * doubtful / count:8.1f} %")


def print_folder(network: nn.Module, least: float, folder: Path, out: Path) -> None:
    """Read the pictures of a folder, print how many are right, and draw the misread ones."""
    paths = sorted(path for path in folder.expanduser().iterdir() if path.name[0] in "0123456789" and path.is_file())
    if not paths:
        sys.exit(f"{folder} has no file whose name begins with its digit, such as 3_my_pen.jpg")
    outcomes = []
    for path in paths:
        reading, label = read(network, path, least), int(path.name[0])
        outcomes.append(judge(reading, label))
        if reading is None:
            print(f"{path.name}: no digit found")
        elif reading.digit != label:
            print(f"{path.name}: read as {reading.digit}", *reading.doubts, sep="; ")
            out.mkdir(parents=True, exist_ok=True)
            steps = dict(zip(STEPS, reading.steps))
            plots.digit_steps(steps, reading.probabilities, reading.doubts).savefig(out / f"{path.stem}.png", dpi=150)
    right, _, silent = (sum(column) for column in zip(*outcomes))
    low, high = interval(right, len(paths))
    print(f"{right} of {len(paths)} right ({100 * low:.1f} to {100 * high:.1f} %), {silent} silently wrong")


def draw_samples(folder: Path) -> None:
    """Draw pictures to try: training digits on five papers, as JPEG files named by digit and paper."""
    papers = {
        "ruled": "blue lines, red margin",
        "squared": "blue squares, pencil",
        "shadow": "a shadow's edge",
        "desk": "the desk's edge",
        "highlighter": "yellow highlighter",
    }
    train_set = MNIST(DATA_ROOT, train=True)
    seed_everything(0)
    for number, (name, paper) in enumerate(papers.items()):
        for digit in range(number % 2, 10, 2):
            image = train_set.data[train_set.targets == digit][number].numpy()
            picture = PAPERS[paper](image, written(image))
            picture.resize((300, 300)).save(folder / f"{digit}_{name}.jpg", quality=85)


def main() -> None:
    """Read the command line, and do what it says."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, nargs="?", help="pictures whose names begin with their digit")
    parser.add_argument("--network", type=Path, help="state dict of a ConvNet, instead of training one")
    parser.add_argument("--least", type=float, default=0.9, help="with --network: probability to trust (default 0.9)")
    parser.add_argument("--digits", type=int, default=200, help="digits on each paper (default 200)")
    parser.add_argument("--seed", type=int, default=0, help="of digits, papers and training")
    parser.add_argument("--misread", type=Path, default=Path("misread"), help="folder for drawings (default misread)")
    parser.add_argument("--draw", type=Path, metavar="FOLDER", help="draw sample pictures into this folder, and stop")
    options = parser.parse_args()
    unpack_mnist()
    if options.draw:
        return draw_samples(options.draw)
    if options.network:
        network, least = ConvNet(), options.least
        network.load_state_dict(torch.load(options.network, map_location="cpu", weights_only=True))
    else:
        network, least = trained_network(options.seed)
    if options.folder:
        return print_folder(network, least, options.folder, options.misread)
    return print_papers(network, least, options.digits, options.seed)


if __name__ == "__main__":
    main()
