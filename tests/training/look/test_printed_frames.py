"""What is printed on a form: frames of every kind, boxes with round corners, and rows of boxes."""

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from batch.records import Grey
from batch.training.look.canvas import draw_box
from batch.training.look.frames import Printed
from batch.training.look.mixture import FRAMES
from batch.training.look.sources import Sources
from batch.training.look.studio import Studio
from look_sources import packed

HEIGHT, WIDTH = 80, 60


@pytest.fixture
def studio() -> Studio:
    return Studio(Sources(packed()), 5)


def rooms(canvas: Grey) -> list[npt.NDArray[np.bool_]]:
    """Return a mask of each piece of paper that print encloses."""
    tall, wide = canvas.shape
    _, labels, stats, _ = cv2.connectedComponentsWithStats((canvas == 0).view(np.uint8), connectivity=4)
    found = []
    for label, (left, top, across, down, _) in enumerate(stats.tolist()):
        if label and left > 0 < top and left + across < wide and top + down < tall:
            found.append(labels[top : top + down, left : left + across] == label)
    return found


@pytest.mark.parametrize("kind", FRAMES)
def test_each_frame_is_printed(kind: str, studio: Studio, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("batch.training.look.frames.FRAMES", {kind: 1.0})
    printed = [Printed(studio, HEIGHT, WIDTH) for _ in range(20)]
    for frame in printed:
        frame.print_frame()
        assert frame.depth >= 20
    assert sum(frame.canvas.any() for frame in printed) > 15


@pytest.mark.parametrize("radius", [0.0, 12.0, 20.0], ids=["square", "round", "circle"])
def test_corners_of_a_box_are_as_round_as_said(radius: float) -> None:
    canvas = np.zeros((2 * HEIGHT, 2 * WIDTH), np.uint8)
    draw_box(canvas, (10, 10, 50, 50), radius, 1)
    on_line = [(30, 10), (50, 30), (30, 50), (10, 30)]  # the middles of the sides
    inset = radius * (1 - 0.5**0.5)
    on_line += [(x, y) for x in (10 + inset, 50 - inset) for y in (10 + inset, 50 - inset)]
    for x, y in on_line:
        assert canvas[round(2 * y) - 2 : round(2 * y) + 3, round(2 * x) - 2 : round(2 * x) + 3].any()
    assert bool(canvas[18:23, 18:23].any()) == (radius < 12)


def test_no_frame_is_a_printed_zero(studio: Studio, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a tall scan, a box with straight sides takes the place of an oval."""
    monkeypatch.setattr("batch.training.look.frames.FRAMES", {"oval": 1.0})
    monkeypatch.setattr("batch.training.look.frames.DOUBLE_FRACTION", 0.0)
    seen = 0
    for _ in range(40):
        printed = Printed(studio, 2 * HEIGHT, WIDTH)
        printed.print_frame()
        for room in rooms(printed.canvas):
            widths = room.sum(axis=1)
            is_tall = room.shape[0] > 1.3 * room.shape[1]
            seen += is_tall
            assert not is_tall or (widths >= widths.max() - 1).mean() > 0.3
    assert seen > 10


@pytest.mark.parametrize("count", [2, 5])
def test_boxes_stand_in_a_row(count: int, studio: Studio) -> None:
    counts = []
    for _ in range(30):
        printed = Printed(studio, HEIGHT, count * WIDTH)
        printed.print_boxes(count)
        found = rooms(printed.canvas)
        counts.append(len(found))
        assert len({len(room) for room in found}) <= 3  # they are as tall as each other
    assert max(counts) == count
