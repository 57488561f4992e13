"""A reader's own picture of a digit, prepared like the images of MNIST, and read.

Paper becomes 0 and ink 1, whatever their colors and the light; printed lines and what touches the picture's edge go.
The digit is scaled to fit a box of 20×20 pixels without a change of its shape, and its center of mass is moved to the
center of 28×28 pixels.

Sources: Y. LeCun, L. Bottou, Y. Bengio, P. Haffner, "Gradient-Based Learning Applied to Document Recognition", 1998,
https://doi.org/10.1109/5.726791 (box and center of mass); P. Soille, "Morphological Image Analysis", 2003,
https://doi.org/10.1007/978-3-662-05088-0 (closing, opening, top-hat).
"""

import warnings
from collections.abc import Callable
from os import PathLike
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np
import torch
from PIL import Image, ImageOps
from scipy import ndimage
from torch import Tensor, nn

from helpers.data import MNIST_MEAN, MNIST_STD

Picture = str | PathLike | Image.Image | np.ndarray | Tensor

BOX, FIELD = 20, 28  # pixels
CENTER = 14  # row and column of the center of mass of MNIST's images
STROKE = 2.6  # median width of MNIST's strokes, in pixels of the box
SMALLEST_SIDE, LARGEST_AREA = 8, 80_000_000  # pixels
SIDE = 400  # pixels to which pictures are reduced: enough for a box of 20, and fast
WIDEST = 0.3  # of strokes, as a share of the picture's shorter side
FAINTEST = 0.06  # contrast, on a scale from 0 to 1
NEIGHBORS = np.ones((3, 3))


class DigitError(ValueError):
    """A picture from which no digit can be prepared; the message says why, and what helps."""


class DigitSteps(NamedTuple):
    """A picture on its way to MNIST's form, and what is doubtful about it."""

    picture: Tensor  # (H, W, 3), from 0, black, to 1, white
    ink: Tensor  # (H, W), from 0, paper, to 1: all that differs from the paper
    digit: Tensor  # (H, W), from 0 to 1: without lines, edges and specks; thin strokes are thickened
    boxed: Tensor  # (h, w), its longer side 20 pixels
    centered: Tensor  # (28, 28), from 0 to 1, not yet normalized
    doubts: list[str]


class Reading(NamedTuple):
    """What a network reads in a picture."""

    digit: int
    probabilities: Tensor  # (10,)
    steps: DigitSteps
    doubts: list[str]  # why the answer may be wrong; empty if nothing speaks against it


@torch.no_grad()
def read_digit(network: nn.Module, picture: Picture, *, least_probability: float = 0.9) -> Reading:
    """Let a network read a picture of a digit, and say what is doubtful about the answer.

    Args:
        network: Module from normalized images (N, 1, 28, 28) to logits or log-probabilities (N, 10); it is set to
            evaluation mode.
        picture: See ``prepare_digit``.
        least_probability: Probability from which on an answer is trusted.

    Raises:
        OSError, DigitError: See ``prepare_digit``.
    """
    steps = prepare_digit(picture)
    image = ((steps.centered - MNIST_MEAN) / MNIST_STD).view(1, 1, FIELD, FIELD)
    probabilities = network.eval()(image.to(next(network.parameters()).device))[0].softmax(dim=0).cpu()
    highest = probabilities.max().item()
    unsure = [f"the network is not sure ({100 * highest:.0f} %)"] if highest < least_probability else []
    return Reading(probabilities.argmax().item(), probabilities, steps, steps.doubts + unsure)


def prepare_digit(picture: Picture) -> DigitSteps:
    """Find the digit in a picture and bring it into the form of MNIST's images.

    Args:
        picture: Image file in a format that Pillow reads, image of Pillow, or array or tensor (H, W) or (1, H, W) of
            any numbers; at least 8×8 pixels.

    Raises:
        OSError: If the file cannot be opened.
        DigitError: If the picture cannot be read, is too small or too large, or shows nothing.
    """
    image = _read(picture)
    scale = max(1, round(max(image.size) / SIDE))
    steps = _prepare(image.reduce(scale))
    places = (steps.digit > 0.5).nonzero().flip(1).numpy() * scale  # (N, 2): column, row
    low, high = places.min(axis=0), places.max(axis=0)
    if scale > 1 and max(high - low) < max(image.size) / 4:  # a small digit on a large page: look closer
        margin = max(high - low) + scale
        corners = np.clip([low - margin, high + margin], 0, image.size).flatten().tolist()
        closer = image.crop(corners)
        closer = _prepare(closer.reduce(max(1, round(max(closer.size) / SIDE))))
        return closer._replace(doubts=steps.doubts + [doubt for doubt in closer.doubts if doubt not in steps.doubts])
    return steps


def _prepare(image: Image.Image) -> DigitSteps:
    colors = np.asarray(image, dtype=np.float32) / 255  # (H, W, 3)
    contrast, noise = _contrast(colors)
    mask = _without_lines(contrast > max(4 * noise, FAINTEST / 2))
    inner, _ = _without_edges(mask)
    full = np.percentile(contrast[inner], 80) if inner.any() else 0
    if full < FAINTEST:
        raise DigitError("no digit found: the picture is blank, or its lines hardly differ from the paper")
    ink = np.clip(contrast / full, 0, 1)
    mask, touches_edge = _without_edges(mask & (ink > 0.45))
    strokes, pieces = _largest_pieces(ink, mask)
    doubts = {
        "its ink touches the picture's edge: leave a margin": touches_edge,
        "it looks like several digits, but the network expects one: crop the picture": pieces > 1,
    }
    digit = _thickened(strokes)
    boxed = _boxed(digit)
    arrays = colors, ink, digit, boxed, _centered(boxed)
    return DigitSteps(*map(torch.from_numpy, arrays), [doubt for doubt, holds in doubts.items() if holds])


def _read(picture: Picture) -> Image.Image:
    """Picture in RGB, upright as the camera was held; transparent parts become paper."""
    if isinstance(picture, str | PathLike):
        if "://" in str(picture):
            raise DigitError(f"{picture} is a web address: download the picture, and give the name of its file")
        with Path(picture).expanduser().absolute().open("rb") as file:
            return _decoded(lambda: _open(file), file.name)
    if isinstance(picture, Tensor):
        picture = picture.detach().cpu().numpy()
    return _decoded(lambda: _from_numbers(picture) if isinstance(picture, np.ndarray) else picture, "picture")


def _decoded(source: Callable[[], Image.Image], name: str) -> Image.Image:
    try:
        image = source()
        width, height = image.size
        if min(width, height) < SMALLEST_SIDE or width * height > LARGEST_AREA:
            raise ValueError(f"{width}×{height} pixels are too small or too large")
        return _opaque(ImageOps.exif_transpose(image)).convert("RGB")
    except Exception as error:  # Pillow raises errors of many kinds for damaged files
        advice = "save it as PNG or JPEG (photographs in HEIC, too), with sides of 100 to 4000 pixels"
        raise DigitError(f"{name} cannot be read ({error}): {advice}") from error


def _open(file: BinaryIO) -> Image.Image:
    with warnings.catch_warnings(action="ignore", category=Image.DecompressionBombWarning):
        image = Image.open(file)
    image.draft("RGB", (4 * SIDE, 4 * SIDE))  # decodes a large JPEG smaller, which is much faster
    return image


def _from_numbers(values: np.ndarray) -> Image.Image:
    """Gray image from an array (H, W) or (1, H, W), its lowest value black, its highest one white."""
    values = values.astype("float64")
    if values.ndim == 3 and len(values) == 1:
        values = values[0]
    if values.ndim != 2:
        raise ValueError(f"shape {values.shape} instead of (H, W) or (1, H, W)")
    if not np.isfinite(values).all():
        raise ValueError("some pixels are NaN or infinite")
    span = max(values.max() - values.min(), 1e-9)
    return Image.fromarray((255 * (values - values.min()) / span).round().astype("uint8"))


def _opaque(image: Image.Image) -> Image.Image:
    """Image of at most 8 bits a channel; behind transparent parts is the paper that its ink stands out from."""
    if image.has_transparency_data:
        lightness, opacity = np.moveaxis(np.asarray(image.convert("LA")) / 255, -1, 0)
        light_ink = (lightness * opacity).sum() > 0.5 * opacity.sum()
        paper = Image.new("RGBA", image.size, "black" if light_ink else "white")
        return Image.alpha_composite(paper, image.convert("RGBA"))
    if image.mode.startswith(("I", "F")):  # 16 bits and more
        return _from_numbers(np.asarray(image))
    return image


def _contrast(colors: np.ndarray) -> tuple[np.ndarray, float]:
    """How much each pixel (H, W) differs from the paper around it, in the color where it differs most; and the noise.

    In each color, the strokes are darker than the paper, or lighter. A closing by a square wider than any stroke fills
    dark strokes and leaves what is wider, such as shadows: the paper. The difference from it is the ink.
    """
    height, width, _ = colors.shape
    side = min(height, width)
    margin = side // 8
    contrasts = []
    for channel in np.moveaxis(colors, -1, 0):
        smooth = ndimage.gaussian_filter(channel, side / SIDE) if side > SIDE / 4 else channel
        difference = smooth - _lighting(smooth)
        middle = difference[margin : height - margin, margin : width - margin]
        # Most of the picture is paper. The sum of cubes keeps the sign of the few large differences: those of the ink.
        if (middle**3).sum() > 0:
            difference = -difference
        contrasts.append(_closed(difference, round(WIDEST * side)) - difference)
    contrast = np.max(contrasts, axis=0)
    contrast -= np.median(contrast)  # that of the paper
    return contrast.clip(0), 1.5 * np.median(np.abs(contrast)).item()  # standard deviation, if it is normal


def _lighting(channel: np.ndarray) -> np.ndarray:
    """Smooth lightness (H, W) of the paper: the quadratic surface that fits most pixels, whatever the others are."""
    rows, columns = np.meshgrid(*(np.linspace(-1, 1, side) for side in channel.shape), indexing="ij")
    ones = np.ones_like(rows)
    terms = np.stack([ones, rows, columns, rows**2, rows * columns, columns**2], axis=-1)  # (H, W, 6)
    step = max(1, min(channel.shape) // 50)  # a grid of some pixels is enough
    samples, values = terms[::step, ::step].reshape(-1, 6), channel[::step, ::step].ravel()
    kept = np.ones(len(values), dtype=bool)
    for _ in range(6):
        chosen = samples[kept]
        surface = np.linalg.lstsq(chosen.T @ chosen, chosen.T @ values[kept])[0]  # the normal equations: small, fast
        errors = np.abs(samples @ surface - values)
        kept = errors <= max(1.5 * np.median(errors), 0.01)
    return terms @ surface


def _closed(values: np.ndarray, side: int) -> np.ndarray:
    """Gray closing (H, W) by a square, computed on a smaller picture."""
    step = max(1, min(values.shape) // 100)
    small = ndimage.uniform_filter(values, step)[step // 2 :: step, step // 2 :: step]
    closed = ndimage.grey_closing(small, size=2 * [max(3, side // step) | 1], mode="nearest")
    scales = np.array(values.shape) / closed.shape
    return ndimage.zoom(closed, scales, order=1, grid_mode=True, mode="nearest")


def _without_lines(mask: np.ndarray) -> np.ndarray:
    """Mask (H, W) without thin straight lines from edge to edge, which are long horizontal or vertical runs."""
    thinnest = 0.025 * min(mask.shape)  # of strokes
    for _ in range(2):  # horizontal lines, then vertical ones
        width = mask.shape[1]
        length, end = max(12, min(mask.shape) // 10), max(1, width // 25)
        runs = _vertical_runs(mask)
        long = ndimage.binary_opening(mask, np.ones((1, length)))
        pieces, count = ndimage.label(ndimage.binary_dilation(long, np.ones((3, length // 2))), NEIGHBORS)
        pieces[(runs > thinnest) | ~long] = 0
        columns = np.zeros((count + 1, width), dtype=bool)
        columns[pieces, np.arange(width)] = True  # where each piece is thin
        lines = (columns.mean(axis=1) > 0.5) & columns[:, :end].any(axis=1) & columns[:, -end:].any(axis=1)
        lines[0] = False
        if lines.any():
            mask = mask & ~ndimage.binary_dilation(lines[pieces], np.ones((3, 9)))
        mask = mask.T
    return mask


def _vertical_runs(mask: np.ndarray) -> np.ndarray:
    """For each pixel of a mask (H, W), the length of the unbroken column of pixels that it belongs to."""
    runs, _ = ndimage.label(mask, structure=[[0, 1, 0], [0, 1, 0], [0, 1, 0]])
    return np.bincount(runs.ravel())[runs]


def _without_edges(mask: np.ndarray) -> tuple[np.ndarray, bool]:
    """Mask (H, W) without what touches the picture's edge, unless hardly anything is left; and whether that is so."""
    pieces, count = ndimage.label(mask, NEIGHBORS)
    sizes = np.bincount(pieces.ravel(), minlength=count + 1)
    sizes[0] = 0
    free = sizes.copy()
    free[np.unique(np.concatenate([pieces[0], pieces[-1], pieces[:, 0], pieces[:, -1]]))] = 0
    if free.max() > max(0.001 * mask.size, 0.05 * sizes.max()):
        return (free > 0)[pieces], False
    return mask, mask.any().item()


def _largest_pieces(ink: np.ndarray, mask: np.ndarray) -> tuple[np.ndarray, int]:
    """Ink (H, W) of a mask without pieces much smaller than the largest one; and the number of large pieces."""
    reach = max(1, round(0.03 * max(map(np.ptp, np.nonzero(mask)))))  # pieces nearer than twice this are one
    pieces, count = ndimage.label(ndimage.binary_dilation(mask, iterations=reach), NEIGHBORS)
    sizes = np.bincount(pieces.ravel(), weights=mask.ravel(), minlength=count + 1)
    sizes[0] = 0
    kept = mask & (sizes > 0.04 * sizes.max())[pieces]
    edges = ndimage.binary_dilation(kept, iterations=max(1, min(ink.shape) // 200))
    return ink * edges, (sizes > 0.2 * sizes.max()).sum().item()


def _thickened(strokes: np.ndarray) -> np.ndarray:
    """Ink (H, W) whose strokes have at least the usual width in MNIST; small images stay as they are."""
    mask = strokes > 0.5
    rows, columns = np.nonzero(mask)
    unit = (max(np.ptp(rows), np.ptp(columns)) + 1) / BOX  # of the box, in pixels
    depths = ndimage.distance_transform_edt(np.pad(mask, 1))[1:-1, 1:-1]
    width = 4 * depths[mask].mean() - 1  # the mean depth in a bar is a quarter of its width
    radius = round((STROKE * unit - width) / 2)
    if unit < 2 or radius < 1:
        return strokes
    rows, columns = np.ogrid[-radius : radius + 1, -radius : radius + 1]
    return ndimage.grey_dilation(strokes, footprint=rows**2 + columns**2 <= radius**2)


def _boxed(ink: np.ndarray) -> np.ndarray:
    """Bounding box (h, w) of the ink, scaled to 20 pixels along its longer side."""
    rows, columns = np.nonzero(ink > ink.max() / 2)
    crop = ink[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
    height, width = (max(1, round(side * BOX / max(crop.shape))) for side in crop.shape)
    scaled = Image.fromarray(crop.astype("float32")).resize((width, height), Image.Resampling.BILINEAR)
    boxed = np.asarray(scaled).clip(0, 1)
    return boxed / boxed.max()  # thin lines fade when they are scaled down


def _centered(boxed: np.ndarray) -> np.ndarray:
    """Box in a field (28, 28), with its center of mass as close to the middle as it fits."""
    field = np.zeros((FIELD, FIELD), dtype="float32")
    (height, width), (row, column) = boxed.shape, ndimage.center_of_mass(boxed)
    top = min(max(0, round(CENTER - row)), FIELD - height)
    left = min(max(0, round(CENTER - column)), FIELD - width)
    field[top : top + height, left : left + width] = boxed
    return field
