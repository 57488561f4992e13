"""A reader's own picture of a digit, whatever it looks like, comes out as an image of MNIST."""

import io
import re
import struct
import zlib

import numpy as np
import pytest
import torch
from PIL import Image, ImageChops, ImageDraw, ImageOps
from scipy import ndimage
from torchvision.datasets import MNIST
from torchvision.transforms.functional import pil_to_tensor

from helpers import DATA_ROOT, DigitError, draw_strokes, prepare_digit, unpack_mnist

SAMPLES = sorted((DATA_ROOT / "digits").glob("*_*.*"))
SEVEN = draw_strokes([[(70, 60), (210, 60), (130, 240)]])  # (280, 280)
MASK = ImageOps.invert(SEVEN)


def distance(first, second):
    first, second = (prepare_digit(picture).centered for picture in (first, second))
    return (first - second).abs().mean().item()  # moved by one pixel, a digit differs by 0.06 from itself


def painted(mode, paper, ink, size=SEVEN.size, place=(0, 0)):
    picture = Image.new(mode, size, paper)
    picture.paste(ink, place, mask=MASK)
    return picture


def gray(values):
    return Image.fromarray(values.numpy())


def raw(mode, size):
    picture = SEVEN.resize((size, size))
    return Image.frombytes(mode, picture.size, picture.convert(mode).tobytes())


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.stem)
def test_samples_come_out_as_images_of_mnist(path):
    steps = prepare_digit(path)
    with Image.open(path) as picture:
        assert steps.picture.shape == (*picture.size[::-1], 3)
    assert steps.ink.shape == steps.digit.shape == steps.picture.shape[:2]
    assert not torch.cat([steps.digit[0], steps.digit[-1], steps.digit[:, 0], steps.digit[:, -1]]).any()
    assert bool(steps.doubts) == (path.name == "5_desk.jpg")  # its bar is far from the rest
    assert max(steps.boxed.shape) == 20
    assert steps.centered.shape == (28, 28) and steps.centered.dtype == torch.float32
    assert steps.centered.min() == 0 and steps.centered.max() == 1
    torch.testing.assert_close(steps.centered.sum(), steps.boxed.sum())
    assert torch.tensor(ndimage.center_of_mass(steps.centered.numpy())).sub(14).abs().max() <= 0.5


def test_images_of_mnist_stay_as_they_are():
    unpack_mnist()
    images = MNIST(DATA_ROOT, train=False).data[:200]  # (200, 28, 28), 0 paper to 255 ink
    changes = [(prepare_digit(gray(image)).centered - image / 255).abs().mean() for image in images]
    assert torch.stack(changes).mean() < 0.02


KINDS = {
    "light on dark": MASK,
    "in a wide frame": painted("L", "white", "black", (600, 400), (300, 100)),
    "on yellow": painted("RGB", "yellow", "darkblue"),
    "for print": painted("RGB", "white", "darkblue").convert("CMYK"),
    "with a palette": painted("RGB", "white", "darkblue").convert("P"),
    "black, transparent": painted("RGBA", (0, 0, 0, 0), "black"),
    "white, transparent": painted("RGBA", (0, 0, 0, 0), "white"),
    "16 bits": raw("I;16", 280).point(lambda value: value * 200),
    "16 bits in another order, large": raw("I;16B", 1700),
    "float, large": SEVEN.resize((1700, 1700)).convert("F"),
    "two colors, large": SEVEN.resize((1700, 1700)).convert("1"),
    "LAB": Image.merge("LAB", (SEVEN, *2 * [Image.new("L", SEVEN.size, 128)])),
    "a tensor": pil_to_tensor(SEVEN).float() / 255,
    "an array": np.asarray(SEVEN),
    "lit from one side": gray((pil_to_tensor(SEVEN)[0] * torch.linspace(0.4, 1, 280)).byte()),
    "with dust": ImageChops.darker(SEVEN, draw_strokes([[(9, 250)]], pen=4)),
}


@pytest.mark.parametrize("kind", KINDS)
def test_pictures_of_all_kinds_give_the_same_digit(kind):
    assert distance(KINDS[kind], SEVEN) < 0.01
    assert max(prepare_digit(KINDS[kind]).ink.shape) <= 600  # enough for 20 pixels, and fast


def test_color_without_contrast_in_lightness_and_a_darker_note_on_the_page_are_read():
    assert distance(painted("RGB", (60, 200, 60), (200, 60, 60)), SEVEN) < 0.01
    page = Image.new("L", (900, 500), "white")
    ImageDraw.Draw(page).ellipse((20, 70, 360, 410), fill=190)
    page.paste(20, (50, 100), mask=MASK)
    assert distance(page, SEVEN) < 0.02


def test_a_photograph_is_turned_as_its_camera_was_held(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # orientation: to be turned by 90° clockwise
    SEVEN.transpose(Image.Transpose.ROTATE_90).save(tmp_path / "photo.jpg", exif=exif)
    assert distance(tmp_path / "photo.jpg", SEVEN) < 0.02
    with Image.open(tmp_path / "photo.jpg") as photo:
        assert distance(photo, SEVEN) < 0.02


def test_doubtful_pictures_are_named():
    assert not prepare_digit(SEVEN).doubts
    beside = draw_strokes([[(60, 60), (60, 220)], [(160, 60), (220, 220)]])
    above = draw_strokes([[(100, 40), (180, 40), (140, 110)], [(140, 170), (140, 240)]])
    cut = SEVEN.crop((80, 0, 280, 280))
    for picture, doubt in ((beside, "several digits"), (above, "several digits"), (cut, "edge: leave a margin")):
        (named,) = prepare_digit(picture).doubts
        assert doubt in named


def test_a_small_digit_on_a_large_page_is_looked_at_closely():
    page = Image.new("L", (3000, 2000), "white")
    page.paste(SEVEN.resize((90, 90)), (300, 1500))
    assert distance(page, SEVEN) < 0.02


@pytest.mark.parametrize(
    ("picture", "message"),
    [
        (Image.new("L", (200, 200), "white"), "no digit found"),
        (Image.new("L", (200, 200), "black"), "no digit found"),
        (Image.new("RGBA", (200, 200), (0, 0, 0, 0)), "no digit found"),
        (gray((230 + 4 * torch.randn(200, 200, generator=torch.Generator().manual_seed(0))).byte()), "no digit found"),
        (gray(torch.rand(50, 50).index_fill(0, torch.tensor(3), torch.nan)), "NaN"),
        (torch.full((28, 28), torch.inf), "NaN or infinite"),
        (torch.rand(3, 28, 28), r"shape \(3, 28, 28\) instead of"),
        ("https://example.org/seven.png", "is a web address: download"),
        (ImageOps.expand(Image.new("L", (84, 84)), 8, "white"), "no digit found"),
        (Image.new("L", (7, 200)), "7×200 pixels are too small"),
    ],
)
def test_pictures_without_a_digit_are_refused(picture, message):
    with pytest.raises(DigitError, match=message):
        prepare_digit(picture)


def png(side):
    """File of a picture that claims to be larger, or smaller, than its pixels."""
    SEVEN.save(file := io.BytesIO(), "PNG")
    start, header, rest = file.getvalue()[:12], file.getvalue()[12:29], file.getvalue()[33:]
    header = header[:4] + struct.pack(">II", side, side) + header[12:]
    return start + header + struct.pack(">I", zlib.crc32(header)) + rest


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "cannot identify"),
        (b"P5 2x 2 255 ", "invalid"),  # Pillow raises a ValueError
        (png(280)[:-200], "truncated"),
        (png(9_000), "too large"),  # before the pixels are read
        (png(100_000), "decompression bomb"),
    ],
    ids=["empty", "bad header", "truncated", "large", "enormous"],
)
def test_files_that_cannot_be_read_are_refused_by_name(tmp_path, monkeypatch, content, message):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    (tmp_path / "mine.png").write_bytes(content)
    with pytest.raises(DigitError, match=rf"mine\.png cannot be read .*{message}.*PNG or JPEG"):
        prepare_digit("~/mine.png")


def test_files_that_cannot_be_opened_are_named_with_their_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("nowhere.png", "."):  # a folder is a PermissionError on Windows
        with pytest.raises(OSError, match=re.escape(str(tmp_path / name))):
            prepare_digit(name)
