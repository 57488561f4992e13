"""A reader's own picture of a digit, whatever it looks like."""

import io
import os
import struct
import zlib
from pathlib import Path

import pytest
import torch
from PIL import Image
from scipy import ndimage
from torchvision.datasets import MNIST

from helpers import DigitError, draw_strokes, ensure_mnist, prepare_digit
from helpers.data import DATA_ROOT

SAMPLES = sorted((DATA_ROOT / "digits").glob("*_*.*"))
SEVEN = [[(70, 60), (210, 60), (130, 240)]]
SIDEWAYS = [[(60, 200), (60, 80), (220, 80)]]


@pytest.fixture(scope="module")
def mnist_images():
    ensure_mnist()
    return MNIST(DATA_ROOT, train=False).data[:200]  # (200, 28, 28), 0 paper to 255 ink


def seven(**look):
    return draw_strokes(SEVEN, **look)


def distance(first, second):
    return (first - second).abs().mean().item()


def test_a_sample_of_every_digit_is_there():
    assert [path.name[0] for path in SAMPLES] == list("0123456789")


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.stem)
@pytest.mark.filterwarnings("error")
def test_samples_come_out_as_mnists_images_are(path):
    steps = prepare_digit(path)
    with Image.open(path) as picture:
        assert steps.grey.shape == steps.ink.shape == picture.size[::-1]
    assert max(steps.boxed.shape) == 20
    assert steps.centred.shape == (28, 28) and steps.centred.dtype == torch.float32
    assert steps.centred.min() == 0 and steps.centred.max() == 1
    torch.testing.assert_close(steps.centred.sum(), steps.boxed.sum())
    assert torch.tensor(ndimage.center_of_mass(steps.centred.numpy())).sub(14).abs().max() <= 0.5
    paper = torch.cat([steps.ink[0], steps.ink[-1], steps.ink[:, 0], steps.ink[:, -1]])
    assert not paper.any()


def test_mnists_own_images_come_out_as_they_were(mnist_images):
    differences = [
        distance(prepare_digit(Image.fromarray(image.numpy())).centred, image / 255) for image in mnist_images
    ]
    assert torch.tensor(differences).mean() < 0.02


@pytest.mark.parametrize("scale", [3, 20])
def test_the_pictures_size_does_not_matter(mnist_images, scale):
    distances = []
    for image in mnist_images[:20]:
        small = Image.fromarray(255 - image.numpy())
        large = small.resize((28 * scale, 28 * scale), Image.Resampling.BICUBIC)
        distances.append(distance(prepare_digit(large).centred, prepare_digit(small).centred))
    assert torch.tensor(distances).mean() < 0.04  # moved by one pixel, they would differ by 0.06


def test_light_on_dark_is_as_good_as_dark_on_light():
    picture = seven()
    inverted = picture.point(lambda value: 255 - value)
    torch.testing.assert_close(prepare_digit(inverted).centred, prepare_digit(picture).centred)


def test_neither_place_nor_frame_matters():
    picture = seven()
    wide = Image.new("L", (600, 400), "white")
    wide.paste(picture, (300, 100))
    assert distance(prepare_digit(wide).centred, prepare_digit(picture).centred) < 0.005


@pytest.mark.parametrize(("mode", "paper"), [("RGB", "yellow"), ("CMYK", "white"), ("1", "white"), ("P", "white")])
def test_colours_and_palettes(mode, paper):
    coloured = Image.new("RGB", (280, 280), paper)
    coloured.paste("darkblue", mask=seven().point(lambda value: 255 - value))
    assert distance(prepare_digit(coloured.convert(mode)).centred, prepare_digit(seven()).centred) < 0.02


@pytest.mark.parametrize("ink", ["black", "white", "darkblue"])
def test_on_a_transparent_background(ink):
    picture = Image.new("RGBA", (280, 280), (0, 0, 0, 0))
    picture.paste(ink, mask=seven().point(lambda value: 255 - value))
    assert distance(prepare_digit(picture).centred, prepare_digit(seven()).centred) < 0.005


def test_sixteen_bits_of_grey():
    picture = Image.frombytes("I;16", (280, 280), seven().convert("I;16").tobytes())
    deep = picture.point(lambda value: value * 200)
    assert distance(prepare_digit(deep).centred, prepare_digit(seven()).centred) < 0.005


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "RGBA", "I;16", "I;16B", "I", "F"])
def test_large_in_any_mode(mode):
    large = seven().resize((1700, 1700))
    picture = Image.frombytes(mode, large.size, large.convert(mode).tobytes()) if ";" in mode else large.convert(mode)
    steps = prepare_digit(picture)
    assert max(steps.grey.shape) <= 850
    assert distance(steps.centred, prepare_digit(seven()).centred) < 0.02


def test_light_from_one_side():
    light = torch.linspace(0.4, 1, 280)
    shaded = torch.tensor(list(seven().get_flattened_data())).view(280, 280) / 255 * light
    picture = Image.fromarray((255 * shaded).byte().numpy())
    assert distance(prepare_digit(picture).centred, prepare_digit(seven()).centred) < 0.02


def test_dust_is_left_out():
    dusty = draw_strokes(SEVEN)
    dusty.paste("black", (5, 250, 9, 254))
    assert distance(prepare_digit(dusty).centred, prepare_digit(seven()).centred) < 0.001


def test_a_photograph_is_turned_as_its_camera_was_held(tmp_path):
    path = tmp_path / "photo.jpg"
    turned = seven().transpose(Image.Transpose.ROTATE_90)
    exif = Image.Exif()
    exif[0x0112] = 6  # orientation: to be turned by 90° clockwise
    turned.save(path, exif=exif)
    assert distance(prepare_digit(path).centred, prepare_digit(seven()).centred) < 0.02


def test_several_digits_are_warned_of():
    two = Image.new("L", (560, 280), "white")
    two.paste(seven(), (0, 0))
    two.paste(seven(), (280, 0))
    with pytest.warns(UserWarning, match="several digits"):
        prepare_digit(two)


def test_more_ink_than_paper_is_warned_of():
    block = Image.new("L", (100, 100), "white")
    block.paste("black", (8, 8, 92, 92))
    with pytest.warns(UserWarning, match="more than half"):
        prepare_digit(block)


@pytest.mark.parametrize("colour", ["white", "black", (250, 250, 240)])
def test_a_blank_picture(colour):
    with pytest.raises(DigitError, match="no digit found: the picture is blank"):
        prepare_digit(Image.new("RGB", (200, 200), colour))


def test_grain_alone_is_blank():
    torch.manual_seed(0)
    grain = (230 + 4 * torch.randn(200, 200)).byte().numpy()
    with pytest.raises(DigitError, match="no digit found"):
        prepare_digit(Image.fromarray(grain))


def test_wholly_transparent_is_blank():
    with pytest.raises(DigitError, match="no digit found"):
        prepare_digit(Image.new("RGBA", (200, 200), (0, 0, 0, 0)))


@pytest.mark.parametrize("size", [(1, 1), (7, 200)])
def test_too_small(size):
    with pytest.raises(DigitError, match=f"too small: {size[0]}×{size[1]} pixels"):
        prepare_digit(Image.new("L", size))


def png_without_pixels(width, height):
    def chunk(name, content):
        checksum = zlib.crc32(name + content)
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", checksum)

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", b"") + chunk(b"IEND", b"")


@pytest.mark.parametrize("side", [10_001, 13_000, 100_000])
def test_enormous_is_refused_before_its_pixels_are_read(tmp_path, side):
    path = tmp_path / "enormous.png"
    path.write_bytes(png_without_pixels(side, side))
    with pytest.raises(DigitError, match="too large"):
        prepare_digit(path)


def whole_png():
    file = io.BytesIO()
    seven().save(file, "PNG")
    return file.getvalue()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "not an image"),
        (b"a seven", "not an image"),
        (whole_png()[:-200], "damaged"),
        (png_without_pixels(100, 100), "damaged"),
    ],
)
def test_a_file_that_cannot_be_read(tmp_path, content, message):
    path = tmp_path / "mine.png"
    path.write_bytes(content)
    with pytest.raises(DigitError, match=message) as caught:
        prepare_digit(path)
    assert "mine.png" in str(caught.value) and "PNG or JPEG" in str(caught.value)


def test_a_missing_file():
    with pytest.raises(FileNotFoundError, match=r"no file 'nowhere\.png' in .+misspelt"):
        prepare_digit(Path("nowhere.png"))


def test_a_folder_is_not_called_damaged(tmp_path):
    with pytest.raises(IsADirectoryError if os.name != "nt" else PermissionError):
        prepare_digit(tmp_path)


def test_the_picture_given_is_left_as_it_was():
    picture = seven()
    before = picture.tobytes()
    prepare_digit(picture)
    assert picture.tobytes() == before


def test_strokes_are_drawn_with_round_ends():
    picture = draw_strokes([[(50, 50)], [(100, 200), (200, 200)]], pen=20)
    assert picture.size == (280, 280)
    values = {place: picture.getpixel(place) for place in [(50, 50), (50, 65), (150, 200), (93, 200), (85, 200)]}
    assert values == {(50, 50): 0, (50, 65): 255, (150, 200): 0, (93, 200): 0, (85, 200): 255}
