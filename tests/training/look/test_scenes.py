"""Scenes of every kind, from made-up sources."""

import math
from functools import cache
from unittest.mock import Mock

import numpy as np
import pytest

from batch.preprocessing.look import SIDE_PX, look_input
from batch.records import Grey
from batch.training.look import mixture
from batch.training.look.digit_scenes import composed_scene, digit_scene
from batch.training.look.drawn_digits import draw_digit
from batch.training.look.mixture import NONE, SEVERAL, Scene
from batch.training.look.none_scenes import none_scene
from batch.training.look.records import RecordMaker, box_in_picture
from batch.training.look.scenes import Renderer
from batch.training.look.scribbles import cross_out
from batch.training.look.several_scenes import several_scene
from batch.training.look.sources import Sources
from batch.training.look.studio import Studio
from look_sources import packed

SCENES = 60


@cache
def studio() -> Studio:
    return Studio(Sources(packed()), 5)


def scenes(seed: int, held_out: bool = False) -> list[Scene]:
    renderer = Renderer(Sources(packed(), held_out), seed)
    return [renderer.scene() for _ in range(SCENES)]


@pytest.mark.parametrize("held_out", [False, True], ids=["training", "held-out"])
def test_scenes_are_the_same_for_a_seed(held_out: bool) -> None:
    for first, second in zip(scenes(3, held_out), scenes(3, held_out), strict=True):
        assert (first.label, first.box, first.kind) == (second.label, second.box, second.kind)
        np.testing.assert_array_equal(first.grey, second.grey)


def test_scenes_differ_between_seeds() -> None:
    digests = {scene.grey.tobytes() for seed in (1, 2) for scene in scenes(seed)}
    assert len(digests) > 2 * SCENES - 3  # two blank sheets may be alike


def check(scene: Scene) -> None:
    """Check what holds for every scene."""
    height, width = scene.grey.shape
    assert scene.grey.dtype == np.uint8
    assert min(height, width) >= 6
    assert max(height, width) <= 700
    assert 0 <= scene.label <= NONE
    assert (scene.box is not None) == (scene.label < SEVERAL)
    picture, box = look_input(scene.grey), box_in_picture(scene)
    assert picture.shape == (SIDE_PX, SIDE_PX)
    if scene.box is None:
        assert np.isnan(box).all()
    else:
        assert ((box > -0.2) & (box < 1.2)).all()
        assert (box[2:] > 0).all()


@pytest.mark.parametrize("kind", mixture.DIGIT_SCENES)
def test_digit_scenes(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("batch.training.look.digit_scenes.DIGIT_SCENES", {kind: 1.0})
    for _ in range(15):
        scene = digit_scene(studio())
        check(scene)
        assert scene.label < SEVERAL


@pytest.mark.parametrize("place", mixture.PLACES)
@pytest.mark.parametrize("hand", mixture.HANDS)
def test_composed_scenes(hand: str, place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("batch.training.look.digit_scenes.HANDS", {hand: 1.0})
    monkeypatch.setattr("batch.training.look.digit_scenes.PLACES", {place: 1.0})
    seen = {label: composed_scene(studio(), label) for label in range(10)}
    visible = {label: scene for label, scene in seen.items() if scene is not None}
    assert len(visible) >= 5  # a person can see most digits
    for label, scene in visible.items():
        check(scene)
        assert scene.label == label


@pytest.mark.parametrize("kind", mixture.SEVERAL_SCENES)
def test_several_scenes(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("batch.training.look.several_scenes.SEVERAL_SCENES", {kind: 1.0})
    for _ in range(15):
        scene = several_scene(studio())
        check(scene)
        assert (scene.label, scene.kind) == (SEVERAL, f"several-{kind}")


@pytest.mark.parametrize("module", ["digit_scenes", "several_scenes"])
def test_a_scene_is_drawn_anew_until_it_is_visible(module: str, monkeypatch: pytest.MonkeyPatch) -> None:
    are_visible = Mock(side_effect=[False, False, True])
    monkeypatch.setattr(f"batch.training.look.{module}.are_visible", are_visible)
    monkeypatch.setattr("batch.training.look.digit_scenes.DIGIT_SCENES", {"composed": 1.0})
    monkeypatch.setattr("batch.training.look.digit_scenes.pick_extras", lambda _: set())
    (digit_scene if module == "digit_scenes" else several_scene)(studio())
    assert are_visible.call_count == 3


def test_two_strokes_side_by_side_do_not_cross_out_a_zero(monkeypatch: pytest.MonkeyPatch) -> None:
    """They slash it."""
    turns: list[float] = []

    def draw(_canvas: Grey, x0: float, y0: float, x1: float, y1: float, _pen: float) -> None:
        turns.append(math.atan2(y1 - y0, x1 - x0))

    monkeypatch.setattr("batch.training.look.scribbles.pick_label", lambda _: 0)
    monkeypatch.setattr("batch.training.look.scribbles.draw_line", draw)
    for _ in range(100):
        turns.clear()
        cross_out(studio(), np.zeros((200, 200), np.uint8), 60.0, 3.0)
        assert len(turns) != 2 or abs(turns[0] - turns[1]) > 0.2


@pytest.mark.parametrize("kind", mixture.NONE_SCENES)
def test_none_scenes(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("batch.training.look.none_scenes.NONE_SCENES", {kind: 1.0})
    for _ in range(15):
        scene = none_scene(studio())
        check(scene)
        # Without Fashion-MNIST, a texture takes its place.
        assert (scene.label, scene.kind) == (NONE, "texture" if kind == "fashion" else kind)


def test_lone_signs_do_not_look_like_digits() -> None:
    assert not set(mixture.LONE_SIGNS) & set("',>-^/\\|()")


@pytest.mark.parametrize(
    "name", ["SCENES", "DIGIT_SCENES", "HANDS", "SEVERAL_HANDS", "PLACES", "NONE_SCENES", "FRAMES"]
)
def test_shares_sum_to_one(name: str) -> None:
    assert sum(getattr(mixture, name).values()) == pytest.approx(1.0)


def test_the_ink_lies_in_the_box() -> None:
    """Most of the ink is where the box says, for digits with nothing beside them."""
    inside, total = 0, 0
    for scene in scenes(11) + scenes(12):
        if scene.box is None or not scene.kind.startswith("raw"):
            continue
        x0, y0, x1, y1 = (round(edge) for edge in scene.box)
        ink = np.abs(scene.grey.astype(float) - np.median(scene.grey)) > 60
        inside += int(ink[max(0, y0 - 2) : y1 + 2, max(0, x0 - 2) : x1 + 2].sum())
        total += int(ink.sum())
    assert inside > 0.8 * total > 0


def test_pictures_of_scenes_have_sane_levels() -> None:
    """The ground is one level everywhere; nearly every picture with ink reaches high levels."""
    records, kinds = RecordMaker(Renderer(Sources(packed()), 21)).make(SCENES)
    assert len(kinds) == SCENES
    pictures = records["picture"].reshape(SCENES, -1)
    digits = records["label"] < SEVERAL
    medians = np.median(pictures[digits], axis=1)
    assert (np.abs(medians - 48) < 12).mean() > 0.9
    assert (pictures[digits].max(axis=1) > 200).mean() > 0.9
    assert np.isnan(records["box"][~digits]).all()


@pytest.mark.parametrize("label", range(10))
def test_drawn_digits_are_about_one_unit_high(label: int) -> None:
    random = studio().random
    for _ in range(40):
        points = np.concatenate(draw_digit(label, random))
        assert 0.8 < np.ptp(points[:, 1]) < 1.4
        assert np.ptp(points[:, 0]) < 1.8
