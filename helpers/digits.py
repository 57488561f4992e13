"""A reader's own picture of a digit, prepared as MNIST's pictures were.

The steps are those of Y. LeCun, L. Bottou, Y. Bengio and P. Haffner, "Gradient-Based Learning Applied to Document
Recognition", 1998: white paper becomes 0 and black ink 1, the digit is scaled to fit a box of 20×20 pixels, its shape
kept, and its centre of mass is put in the middle of 28×28.
"""

import warnings
from os import PathLike
from pathlib import Path
from typing import NamedTuple

import torch
from PIL import Image, ImageDraw, ImageOps, UnidentifiedImageError
from scipy import ndimage
from torch import Tensor
from torchvision.transforms.functional import pil_to_tensor, resize

BOX, FIELD = 20, 28  # pixels
CENTRE = 14  # the row, and the column, of a MNIST image's centre of mass
SMALLEST_SIDE, LARGEST_AREA = 8, 100_000_000  # pixels
WORKING_SIDE = 800  # pixels, up to twice as many: enough for a box of 20, and quick
FAINTEST = 0.1  # contrast, on a scale from 0 to 1
SPECK = 0.03  # of the largest piece of ink
PAD_SIDE, PEN_WIDTH = 280, 20  # pixels of a drawing: ten to a MNIST image's pixel

Stroke = list[tuple[float, float]]


class DigitError(ValueError):
    """A picture from which no digit can be prepared; the message says why, and what would help."""


class DigitSteps(NamedTuple):
    """A picture on its way to MNIST's form.

    Attributes:
        grey: (H, W), from 0, black, to 1, white.
        ink: (H, W), from 0, paper, to 1, ink.
        boxed: (h, w), the ink alone, its longer side 20 pixels.
        centred: (28, 28), from 0 to 1: not yet normalised.
    """

    grey: Tensor
    ink: Tensor
    boxed: Tensor
    centred: Tensor


def prepare_digit(picture: str | PathLike | Image.Image) -> DigitSteps:
    """Find the digit in a picture, dark on light or light on dark, and bring it into the form of MNIST's images.

    Warns if the picture seems to hold several digits, or more ink than a digit has.

    Args:
        picture: the name of an image file in a format that Pillow reads, or a Pillow image; from 8×8 pixels on.

    Returns:
        The picture after each step; the last one is (28, 28).

    Raises:
        FileNotFoundError, IsADirectoryError, PermissionError: if there is no such file, or it may not be read.
        DigitError: if it is not an image or is damaged, too small, too large, or blank.
    """
    grey = _grey(_smaller(_opened(picture)))
    ink = _without_specks(_ink(grey))
    _warn_of_doubts(ink)
    boxed = _boxed(ink)
    return DigitSteps(grey, ink, boxed, _centred(boxed))


def draw_strokes(strokes: list[Stroke], *, side: int = PAD_SIDE, pen: int = PEN_WIDTH) -> Image.Image:
    """Draw lines in black on a white square, as a round pen would.

    Args:
        strokes: each a list of points (x, y) in pixels, from the upper left corner.
        side: of the square, in pixels.
        pen: the lines' width, in pixels.
    """
    image = Image.new("L", (side, side), "white")
    draw = ImageDraw.Draw(image)
    for stroke in strokes:
        draw.line(stroke, fill="black", width=pen)
        for x, y in stroke:  # round ends and corners
            draw.circle((x, y), pen / 2, fill="black")
    return image


def _opened(picture: str | PathLike | Image.Image) -> Image.Image:
    if isinstance(picture, Image.Image):
        _check_size(picture)
        return picture
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # the size is checked here
            with Image.open(picture) as image:
                _check_size(image)
                return ImageOps.exif_transpose(image)  # also reads the pixels
    except FileNotFoundError:
        raise FileNotFoundError(
            f"no file {str(picture)!r} in {Path(picture).resolve().parent}: is it misspelt?"
        ) from None
    except (IsADirectoryError, PermissionError):
        raise
    except UnidentifiedImageError as error:
        raise DigitError(f"{picture} is not an image that can be read: save it as PNG or JPEG") from error
    except Image.DecompressionBombError as error:
        raise DigitError(f"{picture} is too large: make it smaller, a side of 1000 pixels is plenty") from error
    except (OSError, SyntaxError) as error:  # Pillow raises both for damaged files
        raise DigitError(f"{picture} is damaged ({error}): save it again, as PNG or JPEG") from error


def _check_size(image: Image.Image) -> None:
    width, height = image.size
    if min(width, height) < SMALLEST_SIDE:
        raise DigitError(f"too small: {width}×{height} pixels hold no digit; {SMALLEST_SIDE}×{SMALLEST_SIDE} may")
    if width * height > LARGEST_AREA:
        raise DigitError(f"too large: {width}×{height} pixels; make it smaller, a side of 1000 pixels is plenty")


def _smaller(image: Image.Image) -> Image.Image:
    factor = max(image.size) // WORKING_SIDE
    if factor <= 1:
        return image
    if image.mode in ("1", "P", "PA"):  # these, and 16 bits, Pillow cannot average
        image = image.convert("RGBA" if image.has_transparency_data else "L")
    elif image.mode.startswith("I;16"):
        image = image.convert("I")
    return image.reduce(factor)


def _grey(image: Image.Image) -> Tensor:
    """(H, W), from 0, black, to 1, white; what is transparent becomes paper."""
    if image.has_transparency_data:
        lightness, opacity = pil_to_tensor(image.convert("LA")).float() / 255
        paper = 0.0 if (lightness * opacity).sum() > 0.5 * opacity.sum() else 1.0
        return lightness * opacity + paper * (1 - opacity)
    if image.mode.startswith(("I", "F")):  # 16 bits and more
        values = pil_to_tensor(image)[0].float()
        return (values - values.min()) / (values.max() - values.min()).clamp(min=1e-9)
    return pil_to_tensor(image.convert("L"))[0].float() / 255


def _ink(grey: Tensor) -> Tensor:
    """How far each pixel is from the paper: 0 for paper, 1 for ink."""
    difference = grey - _paper(grey)
    # The paper fills most of the picture; what differs from it most, whichever way, is ink. In the sum of cubes, which
    # keeps signs, the large differences outweigh the many small ones.
    ink = difference if difference.pow(3).sum() > 0 else -difference
    threshold = _otsu(ink)
    inked = ink[ink > threshold]
    full = inked.median() if len(inked) else ink.max()
    contrast = full - ink[ink <= threshold].median()
    if contrast.isnan() or contrast < FAINTEST:  # of an even picture, nothing may lie below the threshold
        raise DigitError("no digit found: the picture is blank, or its lines hardly differ from the paper")
    return ((ink - threshold / 2) / (full - threshold / 2)).clamp(0, 1)


def _paper(grey: Tensor) -> Tensor:
    """The paper's lightness at each pixel: the plane that fits the border best, as light comes from a side."""
    height, width = grey.shape
    rows, columns = torch.meshgrid(torch.linspace(-1, 1, height), torch.linspace(-1, 1, width), indexing="ij")
    places = torch.stack([torch.ones_like(grey), rows, columns], dim=-1)  # (H, W, 3)
    border = torch.maximum(rows.abs(), columns.abs()) > 0.9
    plane = torch.linalg.lstsq(places[border], grey[border].unsqueeze(1)).solution  # (3, 1)
    return (places @ plane).squeeze(-1)


def _otsu(values: Tensor, bins: int = 256) -> Tensor:
    """The threshold that parts values best in two, midway between the two parts' means.

    Source: N. Otsu, "A Threshold Selection Method from Gray-Level Histograms", 1979.
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


def _without_specks(ink: Tensor) -> Tensor:
    """The ink without what is much smaller than its largest piece: dust, the paper's grain."""
    pieces, count = ndimage.label(ink > 0, structure=torch.ones(3, 3))
    pieces = torch.from_numpy(pieces).long()
    sizes = torch.bincount(pieces.flatten(), weights=ink.flatten(), minlength=count + 1)
    kept = sizes > SPECK * sizes[1:].max()
    kept[0] = False
    return ink * kept[pieces]


def _warn_of_doubts(ink: Tensor) -> None:
    columns = ink.sum(dim=0)
    groups, count = ndimage.label(columns.numpy() > 0)
    shares = [columns[torch.from_numpy(groups == group)].sum() / columns.sum() for group in range(1, count + 1)]
    if sum(share > 0.15 for share in shares) > 1:
        warnings.warn("this looks like several digits: the network expects one; crop the picture to it", stacklevel=3)
    elif (ink > 0.5).float().mean() > 0.5:
        warnings.warn("more than half of the picture is ink: is this a digit on plain paper?", stacklevel=3)


def _boxed(ink: Tensor) -> Tensor:
    """The ink's bounding box, its longer side scaled to 20 pixels."""
    inked = (ink > 0.5).nonzero()
    top, left = inked.amin(dim=0).tolist()
    bottom, right = (inked.amax(dim=0) + 1).tolist()
    crop = ink[top:bottom, left:right]
    scale = BOX / max(crop.shape)
    size = [max(1, round(side * scale)) for side in crop.shape]
    boxed = resize(crop.unsqueeze(0), size, antialias=True)[0].clamp(0, 1)
    return boxed / boxed.max()  # thin lines fade when they are scaled down


def _centred(boxed: Tensor) -> Tensor:
    """The box in a field of 28×28, its centre of mass in the middle, as far as the field reaches."""
    field = torch.zeros(FIELD, FIELD)
    corner = [
        min(max(0, round(CENTRE - centre)), FIELD - side)
        for centre, side in zip(ndimage.center_of_mass(boxed.numpy()), boxed.shape)
    ]
    (top, left), (height, width) = corner, boxed.shape
    field[top : top + height, left : left + width] = boxed
    return field
