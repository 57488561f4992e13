"""A reader's own picture of a digit, prepared like the images of MNIST.

White paper becomes 0 and black ink 1. The digit is scaled to fit a box of 20×20 pixels without a change of its shape,
and its center of mass is moved to the center of 28×28 pixels.

Source: Y. LeCun, L. Bottou, Y. Bengio, P. Haffner, "Gradient-Based Learning Applied to Document Recognition", 1998,
https://doi.org/10.1109/5.726791.
"""

import warnings
from os import PathLike
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image, ImageOps
from scipy import ndimage
from torch import Tensor
from torchvision.transforms.functional import pil_to_tensor, resize

BOX, FIELD = 20, 28  # pixels
CENTER = 14  # row and column of the center of mass of MNIST's images
SMALLEST_SIDE, LARGEST_AREA = 8, 80_000_000  # pixels
WORKING_SIDE = 800  # pixels, up to twice as many: enough for a box of 20, and fast
FAINTEST = 0.1  # contrast, on a scale from 0 to 1
SPECK = 0.03  # share of the largest connected piece of ink


class DigitError(ValueError):
    """A picture from which no digit can be prepared; the message says why, and what helps."""


class DigitSteps(NamedTuple):
    """A picture on its way to MNIST's form."""

    gray: Tensor  # (H, W), from 0, black, to 1, white
    ink: Tensor  # (H, W), from 0, paper, to 1, ink
    boxed: Tensor  # (h, w), the digit alone, its longer side 20 pixels
    centered: Tensor  # (28, 28), from 0 to 1, not yet normalized


def prepare_digit(picture: str | PathLike | Image.Image) -> DigitSteps:
    """Find the digit in a picture, dark on light or light on dark, and bring it into the form of MNIST's images.

    Warns if the picture seems to show several digits, or more ink than a digit has.

    Args:
        picture: Image file in a format that Pillow reads, or image of Pillow; at least 8×8 pixels.

    Raises:
        OSError: If the file cannot be opened.
        DigitError: If the picture cannot be read, is too small or too large, or shows nothing.
    """
    if isinstance(picture, Image.Image):
        gray = _read(picture)
    else:
        with Path(picture).expanduser().absolute().open("rb") as file:
            gray = _read(file)
    ink = _drop_small_components(_ink(gray))
    _warn_if_ambiguous(ink)
    boxed = _boxed(ink)
    return DigitSteps(gray, ink, boxed, _centered(boxed))


def _read(source: Image.Image | BinaryIO) -> Tensor:
    """Gray picture (H, W) of a moderate size, from 0, black, to 1, white, upright as the camera was held."""
    try:
        image = source if isinstance(source, Image.Image) else Image.open(source)
        width, height = image.size
        if min(width, height) < SMALLEST_SIDE or width * height > LARGEST_AREA:
            raise ValueError(f"{width}×{height} pixels are too small or too large")
        gray = _gray(ImageOps.exif_transpose(image))
    except Exception as error:  # Pillow raises errors of many kinds for damaged files
        name, advice = getattr(source, "name", "picture"), "save it as PNG or JPEG, with sides of 100 to 1000 pixels"
        raise DigitError(f"{name} cannot be read ({error}): {advice}") from error
    return F.avg_pool2d(gray[None], max(1, max(gray.shape) // WORKING_SIDE), ceil_mode=True)[0]


def _gray(image: Image.Image) -> Tensor:
    """Picture (H, W) from 0, black, to 1, white; transparent parts become paper."""
    if image.has_transparency_data:
        lightness, opacity = pil_to_tensor(image.convert("LA")).float() / 255
        paper = 0.0 if (lightness * opacity).sum() > 0.5 * opacity.sum() else 1.0
        return lightness * opacity + paper * (1 - opacity)
    if image.mode.startswith(("I", "F")):  # 16 bits and more
        values = torch.from_numpy(np.asarray(image).astype("float64"))
        if not values.isfinite().all():
            raise ValueError("some pixels are NaN or infinite")
        return ((values - values.min()) / (values.max() - values.min()).clamp(min=1e-9)).float()
    return pil_to_tensor(image.convert("L"))[0].float() / 255


def _ink(gray: Tensor) -> Tensor:
    """Difference of each pixel (H, W) from the paper: 0 for paper, 1 for ink."""
    difference = gray - _background(gray)
    # Most of the picture is paper. The sum of cubes keeps the sign of the few large differences: those of the ink.
    ink = difference if difference.pow(3).sum() > 0 else -difference
    threshold = _otsu(ink)
    full, paper = ink[ink > threshold].median(), ink[ink <= threshold].median()
    if not full - paper >= FAINTEST:  # NaN if nothing lies above the threshold
        raise DigitError("no digit found: the picture is blank, or its lines hardly differ from the paper")
    return ((ink - threshold / 2) / (full - threshold / 2)).clamp(0, 1)


def _background(gray: Tensor) -> Tensor:
    """Lightness of the paper (H, W): the plane that fits the border best, as light may come from one side."""
    height, width = gray.shape
    rows, columns = torch.meshgrid(torch.linspace(-1, 1, height), torch.linspace(-1, 1, width), indexing="ij")
    places = torch.stack([torch.ones_like(gray), rows, columns], dim=-1)  # (H, W, 3)
    border = torch.maximum(rows.abs(), columns.abs()) > 0.9
    plane = torch.linalg.lstsq(places[border], gray[border].unsqueeze(1)).solution  # (3, 1)
    return (places @ plane).squeeze(-1)


def _otsu(values: Tensor, bins: int = 256) -> Tensor:
    """Threshold between the two groups into which values can best be separated: the midpoint of their means.

    Source: N. Otsu, "A Threshold Selection Method from Gray-Level Histograms", 1979,
    https://doi.org/10.1109/TSMC.1979.4310076.
    """
    counts = torch.histc(values, bins)
    edges = torch.linspace(values.min(), values.max(), bins + 1)
    levels = (edges[1:] + edges[:-1]) / 2
    below = counts.cumsum(0)
    above = below[-1] - below
    sums = (counts * levels).cumsum(0)
    means = sums / below.clamp(min=1), (sums[-1] - sums) / above.clamp(min=1)
    best = (below * above * (means[0] - means[1]) ** 2).argmax()
    return (means[0][best] + means[1][best]) / 2


def _drop_small_components(ink: Tensor) -> Tensor:
    """Ink (H, W) without pieces much smaller than the largest one, such as dust."""
    pieces, _ = ndimage.label(ink > 0, structure=torch.ones(3, 3))
    pieces = torch.from_numpy(pieces).long()
    sizes = torch.bincount(pieces.flatten(), weights=ink.flatten())
    kept = sizes > SPECK * sizes.max()
    return ink * kept[pieces]


def _warn_if_ambiguous(ink: Tensor) -> None:
    columns = ink.sum(dim=0)
    groups, _ = ndimage.label(columns > 0)  # numbered from 1; 0 between them
    shares = torch.bincount(torch.from_numpy(groups), weights=columns) / columns.sum()
    if (shares > 0.15).sum() > 1:
        warnings.warn("this looks like several digits, but the network expects one: crop the picture", stacklevel=3)
    elif (ink > 0.5).float().mean() > 0.5:
        warnings.warn("more than half of the picture is ink: is this a digit on plain paper?", stacklevel=3)


def _boxed(ink: Tensor) -> Tensor:
    """Bounding box (h, w) of the ink, scaled to 20 pixels along its longer side."""
    rows, columns = (ink > ink.max() / 2).nonzero(as_tuple=True)
    crop = ink[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
    scale = BOX / max(crop.shape)
    size = [max(1, round(side * scale)) for side in crop.shape]
    boxed = resize(crop.unsqueeze(0), size, antialias=True)[0].clamp(0, 1)
    return boxed / boxed.max()  # thin lines fade when they are scaled down


def _centered(boxed: Tensor) -> Tensor:
    """Box in a field (28, 28), with its center of mass as close to the middle as it fits."""
    field = torch.zeros(FIELD, FIELD)
    (height, width), (row, column) = boxed.shape, ndimage.center_of_mass(boxed.numpy())
    top = min(max(0, round(CENTER - row)), FIELD - height)
    left = min(max(0, round(CENTER - column)), FIELD - width)
    field[top : top + height, left : left + width] = boxed
    return field
