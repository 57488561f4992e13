"""The drawings of a storage show what a tensor reads, for random dtypes, shapes, strides and offsets."""

import random

import pytest
import torch

from helpers import plots

DTYPES = [torch.float32, torch.bfloat16, torch.uint8, torch.int16, torch.int64, torch.bool, torch.complex64]


def random_tensor(rng):
    """Any view that fits: overlaps and gaps included."""
    size = rng.choices(range(1, 5), k=rng.randint(0, 3))
    stride, offset = rng.choices(range(3), k=len(size)), rng.randint(0, 3)
    reach = sum((n - 1) * step for n, step in zip(size, stride))
    numbers = [rng.randint(0, 99) for _ in range(offset + reach + 1 + rng.randint(0, 1))]
    return torch.tensor(numbers).to(rng.choice(DTYPES)).as_strided(size, stride, offset)


def written(value):
    return format(value, ".3g") if isinstance(value, float) else str(value)


def boxes(ax):
    """For the name of each box: its left and upper edge, and the text inside it."""
    texts = {text.get_position(): text.get_text() for text in ax.texts}
    named = {box.get_gid(): (box.get_x(), box.get_y()) for box in ax.patches if box.get_gid()}
    return {name: (x, y, texts[x + 0.5, y + 0.5]) for name, (x, y) in named.items()}


def assert_shows(ax, name, view):
    drawn = boxes(ax)
    stored = {x: text for box, (x, _, text) in drawn.items() if box.startswith("slot")}
    elements = {box: place for box, place in drawn.items() if box.startswith(name)}
    slots = plots.slots_of(view)
    assert list(elements) == [f"{name} {','.join(map(str, index))}" for index in slots]
    for (index, slot), (x, _, text) in zip(slots.items(), elements.values()):
        assert slot == view[index].storage_offset() == x
        assert text == written(view[index].item()) == stored[x]
    assert len({(x, y) for x, y, _ in elements.values()}) == len(elements)  # none hides another


def test_every_element_stands_below_the_slot_that_it_reads():
    rng = random.Random(0)
    for _ in range(60):
        view = random_tensor(rng)
        (ax,) = plots.storage_views({"view": view}).axes
        assert_shows(ax, "view", view)
        assert {f"size {tuple(view.shape)}\nstride {view.stride()}\noffset {view.storage_offset()}"} <= {
            text.get_text() for text in ax.texts
        }


def test_several_views_share_the_storage_above_and_a_copy_has_a_tinted_ground():
    points = torch.tensor([[1.0, 4.0], [2.0, 1.0], [3.0, 5.0]])
    views = {"points": points, "points.t()": points.t(), "points.flip(0)": points.flip(0)}
    (ax,) = plots.storage_views(views).axes
    assert_shows(ax, "points.t()", points.t())
    tinted = [box for box in ax.patches if box.get_facecolor()[:3] == pytest.approx((1, 0xF1 / 255, 0xCC / 255))]
    assert len(tinted) == 1 and "new storage" in {text.get_text() for text in ax.texts}


def test_arcs_are_labeled_with_the_strides():
    (ax,) = plots.storage_views({"view": torch.arange(20).as_strided((3, 2), (5, 2), 1)}).axes
    assert [text.get_text() for text in ax.texts if text.get_text().startswith("+")] == ["+2", "+5"]


def test_channels_stand_in_the_order_of_the_storage():
    image = torch.zeros(1, 3, 2, 2)
    images = {"first": image, "last": image.to(memory_format=torch.channels_last)}
    (ax,) = plots.channel_order(images).axes
    values = [text for text in ax.texts if text.get_text()[0] in "RGB" and len(text.get_text()) == 2]
    heights = sorted({text.get_position()[1] for text in values})
    rows = [[t for t in values if t.get_position()[1] == height] for height in heights[2:]]
    lines = ["".join(t.get_text() for t in sorted(row, key=lambda t: t.get_position()[0])) for row in rows]
    assert lines == ["R0R1R2R3G0G1G2G3B0B1B2B3", "R0G0B0R1G1B1R2G2B2R3G3B3"]


def test_bits_are_those_of_the_number():
    (ax,) = plots.float_bits(-1.5, [torch.float64, torch.float16, torch.float8_e5m2]).axes
    bits = [text.get_text() for text in ax.texts if text.get_text() in "01"]
    assert "".join(bits[:12]) == "1" + "01111111111" and "".join(bits[64:80]) == "1" + "01111" + "1000000000"
    assert "".join(bits[80:]) == "1" + "01111" + "10"
    assert [text.get_text() for text in ax.texts].count("-1.5") == 3
    fractions = [sum(box.get_x() > 0 and int(box.get_y()) == row for box in ax.patches) for row in range(3)]
    assert fractions == [52, 10, 2]


def test_every_number_of_eight_bits_is_marked_once():
    _, ax = plots.new_figure()
    plots.draw_representable(ax, [torch.float8_e5m2], 4)
    marks = [segment[0][0] for segment in ax.collections[0].get_segments()]
    assert marks[-9:] == [1, 1.25, 1.5, 1.75, 2, 2.5, 3, 3.5, 4] and marks[0] == 0 and marks == sorted(set(marks))


@pytest.mark.parametrize(
    ("views", "message"),
    [
        ({}, "nothing to draw"),
        ({"x": torch.zeros(25)}, "x cannot be drawn: .* 25 slots"),
        ({"x": torch.zeros(0)}, "0 elements"),
        ({"x": torch.zeros(2, device="meta")}, "x has no storage to draw"),
        ({"x": torch.zeros(2).to_sparse()}, "x has no storage to draw"),
        ({"x": (x := torch.zeros(2)), "x.view(torch.uint8)": x.view(torch.uint8)}, "reads the same bytes"),
        ({"z": (z := torch.ones(2) * 1j), "z.conj()": z.conj()}, "reads the same bytes"),
    ],
)
def test_what_cannot_be_drawn_is_refused(views, message):
    with pytest.raises(ValueError, match=message):
        plots.storage_views(views)
