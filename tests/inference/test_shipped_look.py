"""Tests of the looks that ship: their files, and that rows depend on nothing but the scan."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from batch.config import MAX_PIXELS
from batch.errors import ModelError
from batch.inference import explain, look_networks, model_store, models, number_decision
from batch.inference.decision import DIGITS
from batch.inference.models import Model
from batch.inference.reader import Reader, read_scans
from batch.lengths import ANY
from batch.preprocessing.number_line import strip_of
from batch.records import Reason, ScanRef, Status
from drawn import boxes
from formats import FORMATS, two

Mnist = tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]


@pytest.mark.slow
def test_the_shipped_model_reads_small_digits_in_cells(shipped: Model, mnist_test: Mnist) -> None:
    looks = shipped.looks
    assert looks is not None
    rng = np.random.default_rng(5)
    cells = []
    for digit in mnist_test[0][:20]:
        cell = np.clip(rng.normal(235, 3, (200, 300)), 0, 255)
        cell[5:8] = cell[-8:-5] = cell[:, 5:8] = cell[:, -8:-5] = 110
        cell[80:108, 130:158] -= 0.8 * digit
        cells.append(np.clip(cell, 0, 255).astype(np.uint8))
    sights = looks.see(cells)
    ok = [sight.decision for sight in sights if sight.decision.status is Status.OK]
    assert len(ok) > 15
    labels = [sight.decision.prediction and sight.decision.prediction.label for sight in sights]
    assert labels == mnist_test[1][:20].tolist()


@pytest.mark.slow
def test_the_shipped_model_takes_no_empty_box_for_a_zero(default_model: Path) -> None:
    single, row = boxes(), boxes(count=3)
    looks = models.load(default_model).looks
    assert looks is not None
    (sight,) = looks.see([single])
    assert sight.decision.reason is Reason.BLANK
    reader = models.load(default_model, digits=ANY).numbers
    assert reader is not None
    (line,) = reader.spell([strip_of(row).picture])
    assert number_decision.decide(line, reader.thresholds).status is not Status.OK


def test_a_model_of_digits_has_no_looks() -> None:
    folder = model_store.find("mlp")
    assert models.load(folder).looks is None


@pytest.mark.slow
@pytest.mark.parametrize("name", look_networks.names("litert"))
def test_a_damaged_look_is_an_error(name: str, default_model: Path) -> None:
    manifest = model_store.load_manifest(default_model)
    files = models.read(default_model, manifest, "litert")
    with pytest.raises(ModelError, match=f"{name} of the model cnn cannot be loaded"):
        look_networks.build({**files, name: b"no network"}, manifest, "litert")
    wrong = (default_model.parent / "mlp" / model_store.TFLITE_FILE).read_bytes()
    with pytest.raises(ModelError, match=f"{name} of the model cnn does not"):
        look_networks.build({**files, name: wrong}, manifest, "litert")
    damaged = dataclasses.replace(manifest, files={**manifest.files, name: "0" * 64})
    with pytest.raises(ModelError, match="SHA-256"):
        models.read(default_model, damaged, "litert")


@pytest.fixture(scope="module")
def shipped() -> Model:
    return Reader(model_store.find(None), "litert", None, MAX_PIXELS).load()


@pytest.mark.slow
def test_a_sight_does_not_depend_on_the_batch(shipped: Model, mnist_test: Mnist) -> None:
    looks = shipped.looks
    assert looks is not None
    noise = np.random.default_rng(1).integers(0, 110, (40, 28, 28)).astype(np.uint8)
    scans = [np.maximum(scan, dots) for scan, dots in zip(mnist_test[0][:40], noise, strict=True)]
    together = [repr(sight) for sight in looks.see(scans)]
    assert sum("place=Place" in sight for sight in together) > 2
    assert [repr(looks.see([scan])[0]) for scan in scans] == together
    assert [repr(sight) for sight in looks.see(scans[3:20])] == together[3:20]


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
    scans = [*mnist_test[0][:60], *mnist_test[0][2120:2140]]  # some of them the first look does not settle
    scans[7] = np.maximum(scans[7], scans[8])
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
def test_explain_shows_each_look(shipped: Model, tmp_path: Path) -> None:
    digits = np.hstack([two(), two()])
    faint = cv2.GaussianBlur(np.pad(two(), 60, constant_values=int(two()[0, 0])), (0, 0), 9)
    sentences, sheets = {}, {}
    for name, scan in (("one.png", two()), ("several.png", digits), ("faint.png", faint)):
        (tmp_path / name).write_bytes(FORMATS["png-8"](scan))
        sentences[name], sheets[name] = explain.explain_scan(
            ScanRef(str(tmp_path / name), name), shipped, MAX_PIXELS
        )
        assert sheets[name].shape[1] > 1000
    assert "by the look, ok" in sentences["one.png"] and "look 2 1.000" in sentences["one.png"]
    assert "refused by the look, several_digits" in sentences["several.png"]
    assert "; closer " in sentences["faint.png"] and "; closer " not in sentences["one.png"]


@pytest.mark.slow
def test_the_probabilities_of_a_look_are_those_of_its_classes(shipped: Model) -> None:
    assert shipped.looks is not None
    (glance,) = shipped.looks.glance([np.full((64, 64), 48, np.uint8)])
    assert glance.none > 0.5
    assert glance.several + glance.none + glance.confidence <= 1
    assert len(glance.probabilities) == DIGITS
