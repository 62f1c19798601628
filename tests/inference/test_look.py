"""Tests of the look: its thresholds, what it settles and doubts, and that rows depend on nothing else."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from batch.config import MAX_PIXELS
from batch.errors import ModelError
from batch.inference import decision, look, model_store, models, steps
from batch.inference.decision import Thresholds
from batch.inference.explain import explain_scan
from batch.inference.look import CLASSES, NONE, SEVERAL, Look
from batch.inference.models import Model
from batch.inference.reader import Reader, read_scans
from batch.records import Outcome, ScanRef
from fakes import MANIFEST, FakeClassifier
from formats import FORMATS, two

Mnist = tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]

WITH_LOOK = dataclasses.replace(
    MANIFEST,
    look_temperature=2.0,
    look_above=0.98,
    look_several_above=0.9,
    look_several_doubt=0.5,
    look_none_doubt=0.9,
    look_other_doubt=0.5,
)


class Saying:
    """A network whose probabilities are these for every picture, once the temperature is applied."""

    def __init__(self, shares: dict[int, float]) -> None:
        rest = (1 - sum(shares.values())) / (CLASSES - len(shares))
        row = [shares.get(place, rest) for place in range(CLASSES)]
        self._row = np.log(np.array(row)) * WITH_LOOK.look_temperature

    def logits(self, pictures: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        return np.tile(self._row, (len(pictures), 1)).astype(np.float32)


def outcome(folder: Path, shares: dict[int, float], review_below: float | None = None) -> Outcome:
    """Read a ring, which the model reads as 0, with a look that says this."""
    path = folder / "a.png"
    path.write_bytes(FORMATS["png-8"](two()))
    thresholds = Thresholds.of(WITH_LOOK, review_below)
    model = Model(FakeClassifier(WITH_LOOK), thresholds, Look(Saying(shares), WITH_LOOK))
    return read_scans([ScanRef(str(path), "a.png")], model, MAX_PIXELS)[0]


def test_a_sure_look_answers_without_the_preprocessing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(steps, "prepare", lambda *_: pytest.fail("the look had settled it"))
    seven = outcome(tmp_path, {7: 0.99, NONE: 0.004})
    assert (seven.status, seven.reason, seven.label) == ("ok", None, 7)
    assert seven.confidence == pytest.approx(0.99, abs=1e-5)
    assert seven.not_a_digit == pytest.approx(0.004, abs=1e-5)
    assert sum(seven.probabilities) == pytest.approx(1)
    assert seven.probabilities[7] > 0.99
    several = outcome(tmp_path, {SEVERAL: 0.95})
    assert (several.status, several.reason, several.label) == ("refused", "several_digits", None)
    assert several.sha256 and several.probabilities == ()


def test_the_users_threshold_holds_for_the_look(tmp_path: Path) -> None:
    seven = outcome(tmp_path, {7: 0.985}, review_below=0.99)
    assert (seven.status, seven.reason, seven.label) == ("review", "low_confidence", 7)


@pytest.mark.parametrize(
    ("shares", "status"),
    [
        ({0: 0.9}, "ok"),
        ({7: 0.45}, "ok"),
        ({7: 0.55}, "review"),
        ({0: 0.45, SEVERAL: 0.45}, "ok"),
        ({0: 0.3, SEVERAL: 0.6}, "review"),
        ({NONE: 0.85}, "ok"),
        ({NONE: 0.999}, "review"),
    ],
)
def test_a_look_in_doubt_only_sends_to_review(shares: dict[int, float], status: str, tmp_path: Path) -> None:
    read = outcome(tmp_path, shares)
    assert (read.status, read.label) == (status, 0)
    assert read.reason == (None if status == "ok" else "low_confidence")


def test_a_model_without_a_look_has_none() -> None:
    folder = model_store.find("mlp")
    manifest = model_store.load_manifest(folder)
    assert look.read(folder, manifest, "litert") == {}
    assert look.build({}, manifest) is None


@pytest.mark.slow
def test_a_damaged_look_is_an_error(default_model: Path) -> None:
    manifest = model_store.load_manifest(default_model)
    with pytest.raises(ModelError, match="the look of the model cnn cannot be loaded"):
        look.build({model_store.LOOK_FILE: b"no network"}, manifest)
    wrong = {model_store.LOOK_FILE: (default_model / model_store.TFLITE_FILE).read_bytes()}
    with pytest.raises(ModelError, match="the look of the model cnn does not"):
        look.build(wrong, manifest)
    files = {**manifest.files, model_store.LOOK_FILE: "0" * 64}
    with pytest.raises(ModelError, match="SHA-256"):
        models.load(default_model, dataclasses.replace(manifest, files=files))


@pytest.fixture(scope="module")
def shipped() -> Model:
    return Reader(model_store.find(None), "litert", None, MAX_PIXELS).load()


@pytest.mark.slow
def test_a_glance_does_not_depend_on_the_batch(shipped: Model, mnist_test: Mnist) -> None:
    assert shipped.look is not None
    pictures = [cv2.resize(image, (64, 64)) for image in mnist_test[0][:40]]
    together = shipped.look.glance(pictures)
    assert [shipped.look.glance([picture])[0] for picture in pictures] == together
    assert shipped.look.glance(pictures[3:20]) == together[3:20]


def rows(refs: Sequence[ScanRef], model: Model) -> list[tuple[object, ...]]:
    return [
        (o.ref.name, o.status, o.reason, o.label, o.confidence, o.probabilities, o.not_a_digit)
        for o in read_scans(refs, model, MAX_PIXELS)
    ]


@pytest.mark.slow
def test_rows_are_the_same_in_any_batch_and_polarity(
    shipped: Model, mnist_test: Mnist, tmp_path: Path
) -> None:
    refs: dict[str, list[ScanRef]] = {"light": [], "dark": []}
    scans = [*mnist_test[0][:60], *mnist_test[0][2120:2140]]  # some of them the look does not settle
    for number, scan in enumerate(scans):
        for polarity, image in (("light", scan), ("dark", 255 - scan)):
            path = tmp_path / f"{polarity}-{number}.png"
            cv2.imwrite(str(path), image)
            refs[polarity].append(ScanRef(str(path), str(number)))
    together = rows(refs["light"], shipped)
    assert len({row[1] for row in together}) > 1
    assert rows(refs["dark"], shipped) == together
    assert [row for ref in refs["light"] for row in rows([ref], shipped)] == together
    assert [row for n in range(0, 80, 7) for row in rows(refs["light"][n : n + 7], shipped)] == together


@pytest.mark.slow
def test_explain_shows_the_look(shipped: Model, tmp_path: Path) -> None:
    digits = np.hstack([two(), two()])
    (tmp_path / "one.png").write_bytes(FORMATS["png-8"](two()))
    (tmp_path / "several.png").write_bytes(FORMATS["png-8"](digits))
    sentences = {}
    for name in ("one.png", "several.png"):
        sentences[name], sheet = explain_scan(ScanRef(str(tmp_path / name), name), shipped, MAX_PIXELS)
        assert sheet.shape[1] > 1000
    assert "by the look, ok" in sentences["one.png"] and "look 2 1.000" in sentences["one.png"]
    assert "refused by the look, several_digits" in sentences["several.png"]


@pytest.mark.slow
def test_the_probabilities_of_the_look_are_those_of_its_classes(shipped: Model) -> None:
    assert shipped.look is not None
    (glance,) = shipped.look.glance([np.full((64, 64), 48, np.uint8)])
    assert glance.none > 0.5
    assert glance.several + glance.none + glance.confidence <= 1
    assert len(glance.probabilities) == decision.DIGITS
