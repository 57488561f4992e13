"""The drawing of a graph has a box per node and an arrow per edge, and all arrows lead to the left."""

import pytest

from helpers import plots

DIAMOND = {"sum": ["product", "w"], "product": ["w", "b"], "w": [], "b": []}
LABELS = {node: f"a {node}" for node in DIAMOND}


def boxes(figure):
    """The place of each label."""
    return {text.get_text(): text.get_position() for text in figure.axes[0].texts if text.get_text()}


def arrows(figure):
    """Where each arrow starts and ends."""
    return [(text.xyann, text.xy) for text in figure.axes[0].texts if getattr(text, "arrow_patch", None)]


def test_has_a_box_per_node_and_an_arrow_per_edge():
    figure = plots.graph(DIAMOND, LABELS)
    places = boxes(figure)
    assert set(places) == set(LABELS.values())
    assert len(set(places.values())) == len(DIAMOND)
    edges = [(places[LABELS[node]], places[LABELS[end]]) for node, ends in DIAMOND.items() for end in ends]
    assert sorted(arrows(figure)) == sorted(edges)


def test_the_longest_way_decides_the_column():
    places = boxes(plots.graph(DIAMOND, LABELS))
    assert {label: column for label, (column, _) in places.items()} == {
        "a sum": 0,
        "a product": -1,
        "a w": -2,
        "a b": -2,
    }


@pytest.mark.parametrize("order", [list(DIAMOND), list(reversed(DIAMOND))])
def test_every_arrow_leads_to_the_left_whatever_the_order(order):
    figure = plots.graph({node: DIAMOND[node] for node in order}, LABELS)
    assert all(tip[0] < start[0] for start, tip in arrows(figure))


def test_a_single_node_is_a_graph():
    figure = plots.graph({"w": []}, {"w": "w"})
    figure.canvas.draw()
    assert boxes(figure) == {"w": (0, 0)}


@pytest.mark.parametrize(
    ("successors", "labels", "message"),
    [
        ({}, {}, "without nodes"),
        ({"a": ["b"]}, {"a": "a"}, "no node of the graph"),
        ({"a": []}, {}, "without a label"),
        ({"a": ["b"], "b": ["a"]}, {"a": "a", "b": "b"}, "circle"),
        ({"a": ["a"]}, {"a": "a"}, "circle"),
    ],
)
def test_says_what_is_wrong(successors, labels, message):
    with pytest.raises(ValueError, match=message):
        plots.graph(successors, labels)
