"""Digits on the papers of the benchmark are found; doubtful pictures are named; a folder of pictures is read."""

import re

import pytest
import torch
from PIL import Image
from torchvision.datasets import MNIST

import handwriting
from helpers import DATA_ROOT, ConvNet, RandomPen, prepare_digit, seed_everything, unpack_mnist

OTHER_SHAPES = {"thin pen", "thick pen", "turned by up to 25°"}


@pytest.fixture(scope="module")
def digits():
    """Nine validation images (28, 28)."""
    unpack_mnist()
    return MNIST(DATA_ROOT, train=True).data[-9:].numpy()


@pytest.mark.parametrize("paper", handwriting.PAPERS)
def test_a_digit_is_found_on_every_paper(paper, digits):
    seed_everything(0)
    mask = handwriting.written(digits[0])
    alone = prepare_digit(handwriting.PAPERS["plain"](digits[0], mask)).centered
    steps = prepare_digit(handwriting.PAPERS[paper](digits[0], mask))
    assert not steps.doubts
    if paper == "thin pen":
        assert steps.centered.sum() > 0.8 * alone.sum()
    if paper not in OTHER_SHAPES:
        moved = [alone.roll((down, right), dims=(0, 1)) for down in (-1, 0, 1) for right in (-1, 0, 1)]
        assert min((steps.centered - other).abs().mean() for other in moved) < 0.04


@pytest.mark.parametrize("page", handwriting.PAGES)
def test_several_digits_and_cut_ones_are_doubtful(page, digits):
    seed_everything(0)
    assert prepare_digit(handwriting.PAGES[page](digits)).doubts


def test_an_interval_covers_shares_near_0_and_1():
    assert handwriting.interval(0, 100) == pytest.approx((0, 0.0370), abs=1e-4)
    assert handwriting.interval(333, 355) == pytest.approx((0.908, 0.959), abs=1e-3)


def test_a_folder_of_pictures_is_read_and_the_misread_ones_are_drawn(digits, tmp_path, monkeypatch, capsys):
    folder, network = tmp_path / "mine", ConvNet()
    folder.mkdir()
    for number, kind in enumerate(("png", "JPEG", "gif", "webp")):
        Image.fromarray(255 - digits[number]).resize((100 * 3**number, 80 * 3**number)).save(folder / f"3_me.{kind}")
    (folder / "4_notes.txt").write_text("not a picture")
    (folder / "notes.txt").write_text("not of a digit")
    network.fc2.bias.data[3] = 100  # reads 3, always
    torch.save(network.state_dict(), tmp_path / "net.pth")
    arguments = [
        "handwriting.py",
        str(folder),
        "--network",
        str(tmp_path / "net.pth"),
        "--misread",
        str(tmp_path / "out"),
    ]
    monkeypatch.setattr("sys.argv", arguments)
    handwriting.main()
    printed = capsys.readouterr().out
    assert "4_notes.txt: no digit found" in printed and re.search(r"^4 of 5 right \(.* 0 silently wrong", printed, re.M)
    assert not (tmp_path / "out").exists()
    (folder / "3_me.gif").rename(folder / "5_me.gif")
    handwriting.main()
    assert "5_me.gif: read as 3" in capsys.readouterr().out and (tmp_path / "out" / "5_me.png").exists()


def test_a_pen_moves_turns_and_thickens_in_training_only():
    seed_everything(0)
    images = torch.full((300, 1, 28, 28), -0.4)
    images[:, :, 10:18, 13:15] = 2.6
    pen = RandomPen(shift=3, turn=10, paper=-0.4)
    changed = pen.train()(images)
    assert changed.shape == images.shape and changed.min() >= -0.4 - 1e-6 and changed.max() <= 2.6 + 1e-6
    ink = ((changed + 0.4) / 3).sum(dim=(1, 2, 3))
    assert ink.min() < 16 < 24 < ink.max()  # of 16 pixels before
    centers = ((changed + 0.4).sum(dim=(1, 2)) * torch.arange(28)).sum(dim=1) / (changed + 0.4).sum(dim=(1, 2, 3))
    assert -3.5 < centers.min() - 13.5 < -2.5 and 2.5 < centers.max() - 13.5 < 3.5
    assert torch.equal(pen.eval()(images), images)
