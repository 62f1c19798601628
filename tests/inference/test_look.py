"""Tests of the looks: their rules, what they settle, and that rows depend on nothing else."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from batch.config import MAX_PIXELS
from batch.errors import ModelError
from batch.inference import decision, explain, look, look_networks, model_store, models
from batch.inference.decision import DIGITS
from batch.inference.look import NONE, SEVERAL, LookRules, Looks, cut
from batch.inference.look_networks import CLASSES, Networks, Pictures
from batch.inference.models import Model
from batch.inference.reader import Reader, read_scans
from batch.preprocessing.look import look_input
from batch.preprocessing.number_line import small_line_of, written_part
from batch.records import Grey, Outcome, Reason, ScanRef, Status
from fakes import MANIFEST
from formats import FORMATS, two

Mnist = tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]
Shares = dict[int, float]

RULES = LookRules(
    weights=((0.5,), (0.0, 1.0), (0.0, 0.5, 0.5)),
    above=(0.98, 0.98, 0.95),
    several_prior=1.0,
    none_prior=1.0,
    several_above=0.9,
    none_above=0.8,
)
UNSURE: Shares = {7: 0.5}


class Saying:
    """A network whose probabilities are these for every picture, under the rules; the digit has that side."""

    def __init__(self, shares: Shares, scale: float, side: float = 0.2) -> None:
        rest = (1 - sum(shares.values())) / (CLASSES - len(shares))
        self._row = scale * np.log(np.array([shares.get(place, rest) for place in range(CLASSES)]))
        self._place = np.array([0.5, 0.5, side, side])
        self.pictures: list[Pictures] = []

    def outputs(self, pictures: Pictures) -> list[npt.NDArray[np.float32]]:
        self.pictures.append(pictures)
        count = len(pictures)
        middle = np.tile(self._place, (count, 1))
        return [np.tile(self._row, (count, 1)).astype(np.float32), middle.astype(np.float32)]


def model_with(look: Shares, close: Shares, rules: LookRules = RULES) -> Model:
    networks = Networks(Saying(look, 2.0), Saying(close, 1.0))
    return Model(MANIFEST, Looks(networks, rules))


def outcome(
    folder: Path,
    look: Shares,
    close: Shares | None = None,
    review_below: float | None = None,
    scan: npt.NDArray[np.uint8] | None = None,
) -> Outcome:
    """Read a scan with looks that say this."""
    path = folder / "a.png"
    path.write_bytes(FORMATS["png-8"](two() if scan is None else scan))
    rules = dataclasses.replace(RULES, review_below=review_below)
    model = model_with(look, close or {}, rules)
    return read_scans([ScanRef(str(path), "a.png")], model, MAX_PIXELS)[0]


def test_a_sure_look_answers_alone(tmp_path: Path) -> None:
    seven = outcome(tmp_path, {7: 0.99, NONE: 0.004, SEVERAL: 0.003})
    assert (seven.status, seven.reason, seven.label) == ("ok", None, 7)
    assert seven.confidence == pytest.approx(0.99, abs=1e-5)
    assert seven.not_a_digit == pytest.approx(0.007, abs=1e-5)
    assert sum(seven.probabilities) == pytest.approx(1)
    assert seven.probabilities[7] > 0.99
    closer = outcome(tmp_path, UNSURE, {4: 0.96})
    assert (closer.status, closer.label) == ("ok", 4)
    assert closer.confidence == pytest.approx(0.96, abs=1e-5)


@pytest.mark.parametrize(("look", "close"), [({SEVERAL: 0.95}, {}), (UNSURE, {SEVERAL: 0.95})])
def test_a_refused_row_says_what_the_looks_saw(look: Shares, close: Shares, tmp_path: Path) -> None:
    several = outcome(tmp_path, look, close)
    assert (several.status, several.reason, several.label) == ("refused", "several_digits", None)
    assert several.confidence is None and several.sha256
    assert sum(several.probabilities) == pytest.approx(1)


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
    close = unsure.looks.networks.close
    assert isinstance(close, Saying)
    whole, near = close.pictures[:2]
    assert (near > 200).mean() > 3 * (whole > 200).mean() > 0


@pytest.mark.parametrize("upright", [False, True])
def test_a_speck_in_a_long_scan_is_looked_at_alone(upright: bool) -> None:
    scan = np.full((40, 900), 200, np.uint8)
    scan[15:30, 700:703] = 20
    blank = np.full((40, 900), 200, np.uint8)
    looks = model_with({7: 0.99}, {}).looks
    assert looks is not None
    sights = looks.see([np.ascontiguousarray(grey.T) if upright else grey for grey in (scan, blank)])
    assert [(sight.decision.status, sight.decision.reason) for sight in sights] == [
        (Status.REVIEW, Reason.LOW_CONFIDENCE),
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
        (20, {7: 0.99}, "7 with 0.990 by the look, review", ["look: 7 0.990"]),
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
    part = small_line_of(scan) or written_part(scan)
    assert part is not None
    np.testing.assert_array_equal(shown[2][1], look_input(cut(scan, part)))


def test_a_sure_second_look_is_the_last() -> None:
    scan = np.full((80, 80), 200, np.uint8)
    scan[35:45, 38:42] = 20
    looks = model_with(UNSURE, {4: 0.99}).looks
    assert looks is not None
    sights = looks.see([scan, np.full((9, 9), 90, np.uint8)])
    assert [(sight.place, len(sight.glances)) for sight in sights] == [(None, 2), (None, 0)]
    assert sights[0].decision.status == "ok" and sights[0].glances[-1].label == 4


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
    networks = Networks(SayingBySize(whole, part, 2.0), SayingBySize(whole, part, 1.0))
    (sight,) = Looks(networks, RULES).see([scan])
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
    Looks(Networks(Saying(UNSURE, 2.0), Saying(UNSURE, 1.0, side)), RULES).see([two()])
    assert len(asked) == count


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


def test_what_is_rare_in_practice_is_less_likely(tmp_path: Path) -> None:
    rules = dataclasses.replace(RULES, several_prior=0.5, none_prior=0.2)
    logits = np.log(np.array([[0.07] * 10 + [0.2, 0.1]]))
    (likely,) = decision.probabilities(rules.weigh([2 * logits]), "softmax", 1.0)
    np.testing.assert_allclose(likely, np.array([0.07] * 10 + [0.1, 0.02]) / 0.82)
    assert outcome(tmp_path, {7: 0.97, SEVERAL: 0.02}, {7: 0.9}).status == "review"
    path = str(tmp_path / "a.png")
    model = model_with({7: 0.97, SEVERAL: 0.02}, {7: 0.9}, rules)
    assert read_scans([ScanRef(path, "a.png")], model, MAX_PIXELS)[0].status == "ok"


@pytest.mark.parametrize(
    ("close", "status", "label"),
    [
        ({0: 0.96}, "ok", 0),
        ({7: 0.94}, "review", 7),
        ({0: 0.3, 7: 0.31}, "review", 7),
        ({0: 0.45, SEVERAL: 0.45}, "review", 0),
        ({SEVERAL: 0.82, NONE: 0.02}, "refused", None),
        ({NONE: 0.97}, "refused", None),
        ({NONE: 0.7}, "review", 0),
    ],
)
def test_looking_closer_answers_or_refuses(
    close: Shares, status: str, label: int | None, tmp_path: Path
) -> None:
    read = outcome(tmp_path, UNSURE, close)
    assert (read.status, read.label) == (status, label)
    reasons = {"ok": None, "review": "low_confidence"}
    assert read.reason == reasons.get(status, "several_digits" if SEVERAL in close else "not_a_digit")
    if status == "review":
        assert (read.confidence or 0) < RULES.above[-1]


@pytest.mark.parametrize(
    ("look", "close"), [({7: 0.985}, {}), (UNSURE, {7: 0.96}), (UNSURE, {7: 0.4}), (UNSURE, {7: 0.2})]
)
def test_the_users_threshold_holds_for_every_answer(look: Shares, close: Shares, tmp_path: Path) -> None:
    reads = [outcome(tmp_path, look, close, review_below=below) for below in (0.0, 1.0)]
    assert [(read.status, read.reason) for read in reads] == [("ok", None), ("review", "low_confidence")]
    assert reads[0].confidence == reads[1].confidence


@pytest.mark.parametrize("level", [0, 20, 128, 255])
@pytest.mark.parametrize("shape", [(4, 4), (60, 60), (30, 900)])
def test_paper_without_ink_is_blank_whatever_the_looks_say(
    level: int, shape: tuple[int, int], tmp_path: Path
) -> None:
    paper = np.full(shape, level, np.uint8)
    paper[::3, ::2] += 3 if level < 200 else 0
    blank = outcome(tmp_path, {7: 0.99}, scan=paper)
    assert (blank.status, blank.reason, blank.probabilities) == ("refused", "blank", ())


def test_grain_that_is_no_digit_is_blank(tmp_path: Path) -> None:
    grain = np.random.default_rng(4).normal(190, 7, (90, 80)).astype(np.uint8)
    assert outcome(tmp_path, UNSURE, {NONE: 0.97}, scan=grain).reason == "blank"
    assert outcome(tmp_path, UNSURE, {NONE: 0.97}).reason == "not_a_digit"
    assert outcome(tmp_path, UNSURE, {7: 0.97}, scan=grain).status == "ok"


def test_a_model_of_digits_has_no_looks() -> None:
    folder = model_store.find("mlp")
    assert models.load(folder, model_store.load_manifest(folder)).looks is None


@pytest.mark.slow
@pytest.mark.parametrize("name", look_networks.names("litert"))
def test_a_damaged_look_is_an_error(name: str, default_model: Path) -> None:
    manifest = model_store.load_manifest(default_model)
    files = models.read(default_model, manifest, "litert")
    with pytest.raises(ModelError, match=f"{name} of the model cnn cannot be loaded"):
        look_networks.build({**files, name: b"no network"}, manifest)
    wrong = (default_model.parent / "mlp" / model_store.TFLITE_FILE).read_bytes()
    with pytest.raises(ModelError, match=f"{name} of the model cnn does not"):
        look_networks.build({**files, name: wrong}, manifest)
    with pytest.raises(ModelError, match="SHA-256"):
        models.load(default_model, dataclasses.replace(manifest, files={**manifest.files, name: "0" * 64}))


@pytest.fixture(scope="module")
def shipped() -> Model:
    return Reader(model_store.find(None), "litert", None, MAX_PIXELS).load()


@pytest.mark.slow
def test_a_sight_does_not_depend_on_the_batch(shipped: Model, mnist_test: Mnist) -> None:
    looks = shipped.looks
    assert looks is not None
    noise = np.random.default_rng(1).integers(0, 60, (40, 28, 28)).astype(np.uint8)
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


@pytest.mark.parametrize(("look", "label", "closer"), [({7: 0.99}, 7, 0), (UNSURE, 4, 1)])
def test_an_unsure_glance_at_a_digit_gets_a_second_one(look: Shares, label: int, closer: int) -> None:
    looks = model_with(look, {4: 0.9}).looks
    assert looks is not None
    picture = np.full((64, 64), 48, np.uint8)
    assert [glance.label for glance in looks.glance_twice([picture] * 3)] == [label] * 3
    close = looks.networks.close
    assert isinstance(close, Saying) and len(close.pictures) == closer
    assert looks.glance_twice([]) == []
