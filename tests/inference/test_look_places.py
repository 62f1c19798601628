"""Tests of where the looks look: at the place of the digit, a part of a long scan, a small line alone."""

from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from batch.config import MAX_PIXELS
from batch.inference import explain, look
from batch.inference.look import NONE, SEVERAL, Looks, cut
from batch.inference.look_networks import Networks, Pictures
from batch.preprocessing.look import look_input
from batch.preprocessing.number_line import written_part
from batch.records import Grey, Reason, ScanRef, Status
from fake_looks import RULES, UNSURE, Saying, Shares, model_with
from formats import FORMATS, two


def test_only_an_unsure_look_looks_closer_and_at_the_place() -> None:
    scan = np.full((80, 80), 200, np.uint8)
    scan[35:45, 38:42] = 20
    sure, unsure = model_with({7: 0.99}, {}), model_with(UNSURE, {})
    assert sure.looks is not None and unsure.looks is not None
    (sight,) = sure.looks.see([scan])
    assert (sight.place, len(sight.glances)) == (None, 1)
    (sight,) = unsure.looks.see([scan])
    assert sight.place is not None and len(sight.glances) == 3
    assert 38 >= sight.place.left > 20 and 42 <= sight.place.right < 60
    _, close, place = unsure.looks.networks
    assert isinstance(close, Saying) and isinstance(place, Saying)
    assert (place.pictures[0] > 200).mean() > 3 * (close.pictures[0] > 200).mean() > 0


@pytest.mark.parametrize("upright", [False, True])
def test_a_speck_in_a_long_scan_is_looked_at_alone(upright: bool) -> None:
    scan = np.full((40, 900), 200, np.uint8)
    scan[15:30, 700:703] = 20
    blank = np.full((40, 900), 200, np.uint8)
    looks = model_with({7: 0.99}, {}).looks
    assert looks is not None
    sights = looks.see([np.ascontiguousarray(grey.T) if upright else grey for grey in (scan, blank)])
    assert [(sight.decision.status, sight.decision.reason) for sight in sights] == [
        (Status.REVIEW, Reason.LOW_CONFIDENCE),  # more may be there
        (Status.REFUSED, Reason.BLANK),
    ]
    assert sights[0].decision.prediction is not None and sights[0].decision.prediction.label == 7
    assert sights[0].place is not None
    start, end = (sights[0].place[1], sights[0].place[3]) if upright else sights[0].place[::2]
    assert 640 < start < 700 and 703 < end < 760


LONG = (40, 900)


def test_the_place_in_a_part_is_one_of_the_whole_scan() -> None:
    scan = np.full(LONG, 200, np.uint8)
    scan[15:30, 700:703] = 20
    looks = model_with({7: 0.3, NONE: 0.6}, {NONE: 0.99}).looks
    assert looks is not None
    (sight,) = looks.see([scan])
    assert len(sight.glances) == 3 and sight.place is not None and sight.part is not None
    assert sight.part.left <= sight.place.left < sight.place.right <= sight.part.right
    assert 640 < sight.part.left < 700 and 703 < sight.part.right < 760


@pytest.mark.parametrize(
    ("ink", "look", "sentence", "panels"),
    [
        (200, {7: 0.99}, "refused before the look, blank", ["look: no ink"]),
        (20, {7: 0.99}, "7 with 0.990 by the look, review, low_confidence", ["look: 7 0.990"]),
        (20, UNSURE, "by looking closer", ["look: 7", "closer: ", "the place of the digit", "place: "]),
    ],
)
def test_explain_shows_the_part_of_a_long_scan(
    ink: int, look: Shares, sentence: str, panels: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown: list[tuple[str, npt.NDArray[np.uint8]]] = []
    monkeypatch.setattr(explain, "draw", lambda _, panels, __: shown.extend(panels))
    scan = np.full(LONG, 200, np.uint8)
    scan[15:30, 700:703] = ink
    (tmp_path / "a.png").write_bytes(FORMATS["png-8"](scan))
    ref, model = ScanRef(str(tmp_path / "a.png"), "a.png"), model_with(look, {})
    assert sentence in explain.explain_scan(ref, model, MAX_PIXELS)[0]
    names = ["scan", "what is written", *panels]
    assert [name.startswith(start) for (name, _), start in zip(shown, names, strict=True)] == [True] * len(
        names
    )
    part = written_part(scan)
    assert part is not None
    np.testing.assert_array_equal(shown[2][1], look_input(cut(scan, part)))


def test_of_a_long_scan_only_the_written_part_is_seen() -> None:
    scans = [np.full((height, 420), 200, np.uint8) for height in (70, 90)]
    for scan in scans:
        scan[20:50, 300:306] = 20
    looks = model_with({}, {7: 0.99}).looks
    assert looks is not None
    looks.see(scans)
    close = looks.networks.close
    assert isinstance(close, Saying)
    long, other = ((picture > 200).any(axis=1).sum() for picture in close.pictures[0])
    assert long > 2 * other > 0


def test_two_digits_far_apart_in_a_long_scan_are_not_blank() -> None:
    scan = np.full((45, 600), 220, np.uint8)
    for left in (20, 520):
        cv2.putText(scan, "5", (left, 34), cv2.FONT_HERSHEY_SIMPLEX, 1.0, 40, 2)
    looks = model_with({SEVERAL: 0.99}, {}).looks
    assert looks is not None
    assert [sight.decision.reason for sight in looks.see([scan])] == [Reason.SEVERAL_DIGITS]


class SayingBySize(Saying):
    """A network with other probabilities where the ink takes little of the picture."""

    def __init__(self, small: Shares, large: Shares, scale: float) -> None:
        self._small, self._large = Saying(small, scale), Saying(large, scale)

    def outputs(self, pictures: Pictures) -> list[npt.NDArray[np.float32]]:
        tall = (pictures > 200).any(axis=(2, 3)).mean(axis=1)
        small, large = self._small.outputs(pictures), self._large.outputs(pictures)
        return [np.where((tall < 0.25)[:, None], *both) for both in zip(small, large, strict=True)]


@pytest.mark.parametrize(
    ("whole", "part", "status", "label"),
    [
        ({7: 0.6}, {7: 0.99}, Status.OK, 7),
        ({7: 0.6}, {7: 0.5}, Status.REVIEW, 7),
        ({7: 0.25}, {4: 0.99}, Status.OK, 4),
        ({7: 0.6}, {4: 0.99}, Status.REVIEW, 4),
        ({7: 0.4, SEVERAL: 0.5}, {7: 0.99}, Status.REVIEW, 7),
        ({7: 0.4, NONE: 0.5}, {7: 0.99}, Status.REVIEW, 7),
        ({7: 0.6}, {SEVERAL: 0.99}, Status.REVIEW, 7),
        ({SEVERAL: 0.95}, {7: 0.99}, Status.REFUSED, None),
    ],
)
def test_a_small_digit_in_doubt_is_looked_at_alone(
    whole: Shares, part: Shares, status: Status, label: int | None
) -> None:
    scan = np.full((200, 300), 230, np.uint8)
    cv2.line(scan, (140, 90), (150, 112), 20, 4)
    close = SayingBySize(whole, part, 1.0)
    (sight,) = Looks(Networks(SayingBySize(whole, part, 2.0), close, close), RULES).see([scan])
    assert sight.decision.status is status
    seen = sight.decision.prediction
    assert (None if status is Status.REFUSED or seen is None else seen.label) == label
    assert (sight.part is None) == (label is None or part in ({7: 0.5}, {SEVERAL: 0.99}))


@pytest.mark.parametrize(("side", "count"), [(0.2, 1), (0.9, 0)])
def test_only_a_small_digit_is_looked_for_in_a_line(
    side: float, count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Grey] = []
    monkeypatch.setattr(look, "small_line_of", asked.append)
    close = Saying(UNSURE, 1.0, side)
    Looks(Networks(Saying(UNSURE, 2.0), close, close), RULES).see([two()])
    assert len(asked) == count
