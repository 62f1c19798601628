"""Tests of the reader of numbers: lengths, refusals, confidences, and what single digits have to say."""

import dataclasses
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from batch.config import MAX_PIXELS
from batch.errors import ConfigError, ModelError
from batch.inference import model_store, models, number_steps, numbers, steps
from batch.inference.classifier import DigitReader
from batch.inference.decision import Decision, Thresholds
from batch.inference.explain import explain_scan
from batch.inference.models import Model
from batch.inference.number_decision import NumberDecision, NumberThresholds, Spelled, decide
from batch.inference.number_steps import decide_numbers, read_lines
from batch.inference.numbers import NumberReader
from batch.inference.reader import Reader, read_pages, read_scans
from batch.inference.steps import Examined
from batch.lengths import ANY, ONE, Lengths
from batch.preprocessing.number_line import WIDTHS_PX, strip_of
from batch.records import Grey, Prediction, Reason, ScanRef, Status
from batch.training import model_writer
from fake_numbers import PLAIN, STRIP, Spelling
from fakes import MANIFEST, FakeClassifier
from formats import FORMATS, SEVERAL_PAGES, two

FOUR = Lengths(4, 4)


def read(
    shares: dict[str, float], lengths: Lengths = ANY, strip: Grey = STRIP, **changes: float
) -> NumberDecision:
    thresholds = dataclasses.replace(PLAIN, **changes)
    (line,) = NumberReader(Spelling(shares), thresholds, lengths).spell([strip])
    return decide(line, thresholds)


@pytest.mark.parametrize("text", ["1", "7", "42", "0042", "000", "1111111", "90210"])
def test_a_number_keeps_its_leading_zeros_and_repeated_digits(text: str) -> None:
    decision = read({text: 1.0})
    assert (decision.status, decision.number) == (Status.OK, text)
    assert len(decision.digit_confidences) == len(text)
    assert min(decision.digit_confidences) >= decision.confidence > 0.99


@pytest.mark.parametrize("text", ["+5", "12+5", "4+", "+", "2+1+2"])
def test_what_is_no_digit_is_refused_and_never_left_out(text: str) -> None:
    for lengths in (ANY, Lengths(1, 4), Lengths(2, 2)):
        assert read({text: 1.0}, lengths) == NumberDecision(Status.REFUSED, Reason.NOT_A_NUMBER)


@pytest.mark.parametrize(("text", "lengths"), [("123", FOUR), ("12345", FOUR), ("7", Lengths(2, 5))])
def test_another_length_is_refused(text: str, lengths: Lengths) -> None:
    assert read({text: 1.0}, lengths) == NumberDecision(Status.REFUSED, Reason.WRONG_LENGTH)


@pytest.mark.parametrize("lengths", [ANY, FOUR, Lengths(2, 6), Lengths(12, 12)], ids=str)
@pytest.mark.parametrize("length", [13, 14, 20])
def test_more_digits_than_digitbox_reads_are_a_wrong_length(length: int, lengths: Lengths) -> None:
    text, strip = ("90210" * 4)[:length], np.full((40, WIDTHS_PX[-1]), 48, np.uint8)
    decision = read({text: 1.0}, lengths, strip)
    assert decision == NumberDecision(Status.REFUSED, Reason.WRONG_LENGTH)
    assert read({f"{text}+": 1.0}, lengths, strip).reason is Reason.NOT_A_NUMBER


def test_nothing_written_is_blank() -> None:
    assert read({"": 1.0}) == NumberDecision(Status.REFUSED, Reason.BLANK)


def test_a_number_of_another_length_is_named_so() -> None:
    line = Spelled("123", 0.0, np.zeros((3, 11)), (), 0.0001, 0.985, 0.0, 0.0149)
    decision = decide(line, NumberThresholds(1.0, 0.0, 0.5, 0.01))
    assert decision == NumberDecision(Status.REFUSED, Reason.WRONG_LENGTH)
    line = line._replace(other=0.4, sign=0.5999)
    decision = decide(line, NumberThresholds(1.0, 0.0, 0.5, 0.01))
    assert decision == NumberDecision(Status.REFUSED, Reason.NOT_A_NUMBER)
    decision = decide(line._replace(longer=0.2), NumberThresholds(1.0, 0.0, 0.5, 0.01))
    assert decision == NumberDecision(Status.REFUSED, Reason.WRONG_LENGTH)


@pytest.mark.parametrize(
    ("sign", "longer", "status"),
    [(0.6, 0.0, Status.REVIEW), (0.7, 0.0, Status.REFUSED), (0.6, 0.6, Status.REFUSED)],
)
def test_a_sign_is_refused_if_twice_as_likely_as_a_number(sign: float, longer: float, status: Status) -> None:
    line = Spelled("12", 1 - sign, np.full((2, 11), 0.09), (), 1 - sign, 0.0, 0.0, sign, longer)
    assert decide(line, dataclasses.replace(PLAIN, review_below=0.9)).status is status


def test_a_known_length_decides_between_two_readings() -> None:
    shares = {"12": 0.55, "127": 0.45}
    assert read(shares, review_below=0.0).number == "12"
    assert read(shares, Lengths(3, 3)).number == "127"
    assert read(shares, Lengths(2, 2)).confidence > read(shares, review_below=0.0).confidence


def test_doubt_goes_to_review_and_says_which_digit() -> None:
    decision = read({"12": 0.55, "72": 0.45})
    assert decision[:3] == (Status.REVIEW, Reason.LOW_CONFIDENCE, "12")
    assert decision.digit_confidences[0] < 0.6 < 0.99 < decision.digit_confidences[1]
    assert read({"12": 0.55, "72": 0.45}, review_below=0.5).status is Status.OK


@pytest.mark.parametrize(("last", "status"), [(90.0, Status.OK), (140.0, Status.REVIEW)])
def test_digits_far_apart_may_be_two_numbers(last: float, status: Status) -> None:
    (line,) = NumberReader(Spelling({"427": 1.0}), PLAIN, ANY).spell([STRIP])
    decision = decide(line._replace(middles=(20.0, 50.0, last)), PLAIN)
    assert (decision.status, decision.number) == (status, "427")


def test_slope_and_offset_never_change_the_number() -> None:
    plain, doubting = read({"12": 0.9, "72": 0.1}), read({"12": 0.9, "72": 0.1}, slope=0.5, offset=-1.0)
    assert plain.number == doubting.number
    assert plain.confidence > doubting.confidence


def test_a_digit_that_the_looks_doubt_makes_the_number_less_sure() -> None:
    thresholds = dataclasses.replace(PLAIN, look_slope=0.5)
    (line,) = NumberReader(Spelling({"427": 1.0}), thresholds, ANY).spell([STRIP])
    sure, doubted, unasked = (
        decide(line._replace(seen=seen), thresholds) for seen in ((0.99, 0.99, 0.98), (0.99, 0.2, 0.98), ())
    )
    assert sure.confidence > unasked.confidence > doubted.confidence
    assert doubted.confidence < doubted.digit_confidences[1] < min(doubted.digit_confidences[::2])


def test_a_row_does_not_depend_on_the_others() -> None:
    class Width:
        """A network that spells the width of the strip."""

        def outputs(self, batch: npt.NDArray[np.uint8]) -> list[npt.NDArray[np.float32]]:
            return Spelling({str(batch.shape[2]): 0.9, "1": 0.1}).outputs(batch)

    reader = NumberReader(Width(), PLAIN, ANY)
    widths = [WIDTHS_PX[index % 3] for index in (2, 0, 1, 1, 0, 2, 2, 0)] * 30
    strips = [np.full((40, width), 48, np.uint8) for width in widths]
    together = [decide(line, PLAIN) for line in reader.spell(strips)]
    assert [decision.number for decision in together] == [str(width) for width in widths]
    assert together[:3] == [decide(reader.spell([strip])[0], PLAIN) for strip in strips[:3]]


def test_only_a_line_in_doubt_is_read_again_and_wider() -> None:
    class Counted(Spelling):
        def outputs(self, batch: npt.NDArray[np.uint8]) -> list[npt.NDArray[np.float32]]:
            widths.append(batch.shape[2])
            return super().outputs(batch)

    for shares, expected in [({"427": 1.0}, WIDTHS_PX[1:2]), ({"427": 0.9, "1": 0.1}, WIDTHS_PX[1:3])]:
        widths: list[int] = []
        NumberReader(Counted(shares), PLAIN, ANY).spell([STRIP])
        assert widths == [*expected]


def model_of(shares: dict[str, float], lengths: Lengths = ANY) -> Model:
    model = Model(MANIFEST, DigitReader(FakeClassifier(), Thresholds.of(MANIFEST)))
    return model._replace(numbers=NumberReader(Spelling(shares), PLAIN, lengths))


@pytest.mark.parametrize(
    ("text", "digit", "expected"),
    [
        ("7", (7, Status.OK), (Status.OK, "7")),
        ("7", (7, Status.REVIEW), (Status.REVIEW, "7")),
        ("7", (1, Status.OK), (Status.REVIEW, "1")),
        ("7", None, (Status.REVIEW, "7")),
        ("7", (7, Status.REFUSED), (Status.REVIEW, "7")),
        ("77", (7, Status.OK), (Status.REVIEW, "77")),
        ("77?", (7, Status.OK), (Status.REVIEW, "7")),
        ("+7", (7, Status.OK), (Status.REFUSED, "")),
        ("", (7, Status.REVIEW), (Status.REVIEW, "7")),
        ("", None, (Status.REFUSED, "")),
    ],
)
def test_readers_of_single_digits_have_their_say(
    text: str,
    digit: tuple[int, Status] | None,
    expected: tuple[Status, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    decision = Decision(None, Status.REFUSED, Reason.BLANK)
    if digit is not None:
        decision = Decision(Prediction(digit[0], 0.8, ()), digit[1], None)
    monkeypatch.setattr(steps, "examine_all", lambda greys, model: [Examined(decision)] * len(greys))
    monkeypatch.setattr(number_steps, "_answered", lambda greys, model: [len(text) > 1])
    model = model_of({"77": 0.8, "7": 0.2} if text == "77?" else {text: 1.0})
    assert model.numbers is not None
    model.numbers.thresholds = dataclasses.replace(PLAIN, review_below=0.9)
    ((_, _, found, _),) = decide_numbers([two()], model, model.numbers)
    assert (found.status, found.number) == expected


@pytest.mark.parametrize(("sign", "status"), [(0.6, Status.REVIEW), (0.3, Status.REVIEW), (0.1, Status.OK)])
def test_a_doubtful_sign_beside_a_digit_is_for_review(
    sign: float, status: Status, monkeypatch: pytest.MonkeyPatch
) -> None:
    decision = Decision(Prediction(7, 0.8, ()), Status.OK, None)
    monkeypatch.setattr(steps, "examine_all", lambda greys, model: [Examined(decision)] * len(greys))
    monkeypatch.setattr(number_steps, "_answered", lambda greys, model: [True] * len(greys))
    model = model_of({"+7": sign, "7": 1 - sign})
    assert model.numbers is not None
    ((_, _, found, _),) = decide_numbers([two()], model, model.numbers)
    assert (found.status, found.number) == (status, "7")
    assert found.reason is (Reason.LOW_CONFIDENCE if status is Status.REVIEW else None)


@pytest.mark.parametrize("has_minus", [False, True])
def test_a_digit_with_a_long_dash_is_for_review(has_minus: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    scan = np.full((80, 240), 235, np.uint8)
    cv2.ellipse(scan, (40, 40), (16, 30), 0, 0, 360, 40, 5)
    if has_minus:
        cv2.line(scan, (120, 40), (190, 40), 40, 5)
    decision = Decision(Prediction(0, 0.8, ()), Status.OK, None)
    monkeypatch.setattr(steps, "examine_all", lambda greys, model: [Examined(decision)] * len(greys))
    monkeypatch.setattr(number_steps, "_answered", lambda greys, model: [True] * len(greys))
    model = model_of({"0": 1.0})
    assert model.numbers is not None
    ((_, _, found, _),) = decide_numbers([scan], model, model.numbers)
    assert (found.status, found.number) == (Status.REVIEW if has_minus else Status.OK, "0")


@pytest.mark.parametrize("is_slash", [False, True])
def test_a_number_with_a_slash_is_for_review(is_slash: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(number_steps, "has_slash", lambda strip, number, middles: is_slash)
    model = model_of({"717": 1.0})
    assert model.numbers is not None
    ((_, _, found, _),) = decide_numbers([two()], model, model.numbers)
    assert (found.status, found.number) == (Status.REVIEW if is_slash else Status.OK, "717")


class SpellingBySize(Spelling):
    """A network that spells other texts where the ink takes little of the strip."""

    def __init__(self, small: dict[str, float], large: dict[str, float]) -> None:
        self._small, self._large = Spelling(small), Spelling(large)

    def outputs(self, batch: npt.NDArray[np.uint8]) -> list[npt.NDArray[np.float32]]:
        rows = (batch > 200).any(axis=(2, 3)).mean(axis=1)
        small, large = self._small.outputs(batch)[0], self._large.outputs(batch)[0]
        return [np.where((rows < 0.5)[:, None, None, None], small, large)]


@pytest.mark.parametrize("shape", [(40, 40), (40, 400), (60, 900)])
@pytest.mark.parametrize("level", [0, 120, 255])
def test_paper_without_ink_is_blank_whatever_the_network_says(shape: tuple[int, int], level: int) -> None:
    model = model_of({"1": 1.0})
    assert model.numbers is not None
    ((_, _, found, _),) = decide_numbers([np.full(shape, level, np.uint8)], model, model.numbers)
    assert found == NumberDecision(Status.REFUSED, Reason.BLANK)


def test_an_explanation_reads_the_line_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.png").write_bytes(FORMATS["png-8"](two()))
    read_strips: list[Grey] = []

    def noted(grey: Grey) -> object:
        read_strips.append(grey)
        return strip_of(grey)

    monkeypatch.setattr(number_steps, "strip_of", noted)
    sentence, _ = explain_scan(ScanRef(str(tmp_path / "a.png"), "a.png"), model_of({"0123": 1.0}), MAX_PIXELS)
    assert sentence.startswith("a.png: 0123 with ") and len(read_strips) == 1


def small_number() -> Grey:
    scan = np.full((120, 300), 240, np.uint8)
    cv2.putText(scan, "47", (100, 70), cv2.FONT_HERSHEY_SIMPLEX, 0.6, 20, 2)
    return scan


@pytest.mark.parametrize(
    ("whole", "closer", "status", "number"),
    [
        ({"4711": 1.0}, {"9": 1.0}, Status.OK, "4711"),
        ({"4711": 0.6, "+": 0.4}, {"4711": 1.0}, Status.OK, "4711"),
        ({"9": 0.6, "+": 0.4}, {"4711": 1.0}, Status.OK, "4711"),
        ({"9": 0.8, "+": 0.2}, {"4711": 1.0}, Status.REVIEW, "4711"),
        ({"9": 0.8, "+": 0.2}, {"8": 0.75, "+": 0.25}, Status.REVIEW, "9"),
        ({"+": 0.8, "9": 0.2}, {"4711": 1.0}, Status.REVIEW, "4711"),
        ({"+": 0.95, "9": 0.05}, {"4711": 1.0}, Status.REVIEW, "4711"),
        ({"+": 0.95, "9": 0.05}, {"4711": 0.5, "+": 0.5}, Status.REFUSED, ""),
        ({}, {"4711": 1.0}, Status.REVIEW, "4711"),
        ({}, {"+": 1.0}, Status.REFUSED, ""),
    ],
)
def test_a_small_number_in_doubt_is_read_again_closer(
    whole: dict[str, float], closer: dict[str, float], status: Status, number: str
) -> None:
    reader = NumberReader(SpellingBySize(whole, closer), PLAIN, Lengths(1, 12))
    line, large = read_lines([small_number(), two()], reader)
    assert (line.decision.status, line.decision.number) == (status, number)
    if closer == {"+": 1.0}:
        assert line.decision.reason is Reason.NOT_A_NUMBER
    assert large.decision == decide(reader.spell([strip_of(two()).picture])[0], PLAIN)


def test_a_number_in_a_very_tall_scan_is_not_blank() -> None:
    scan = np.full((2000, 160), 240, np.uint8)
    cv2.putText(scan, "47", (20, 900), cv2.FONT_HERSHEY_SIMPLEX, 3, 20, 8)
    reader = NumberReader(SpellingBySize({"": 1.0}, {"47": 1.0}), PLAIN, ANY)
    ((_, _, found, _),) = read_lines([scan], reader)
    assert (found.status, found.number) == (Status.REVIEW, "47")


@pytest.mark.slow
def test_the_shipped_model_reads_small_numbers_in_cells(
    mnist_test: tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]],
) -> None:
    rng = np.random.default_rng(5)
    model = Reader(model_store.find(None), "litert", None, MAX_PIXELS, ANY).load()
    assert model.numbers is not None
    cells, labels = [], []
    for first in range(0, 60, 3):
        cell = np.clip(rng.normal(235, 3, (120, 360)), 0, 255)
        cell[5:8] = cell[-8:-5] = cell[:, 5:8] = cell[:, -8:-5] = 110
        for place, digit in enumerate(mnist_test[0][first : first + 3]):
            cell[40:68, 120 + 22 * place : 148 + 22 * place] -= 0.8 * digit
        cells.append(np.clip(cell, 0, 255).astype(np.uint8))
        labels.append("".join(map(str, mnist_test[1][first : first + 3].tolist())))
    decisions = [line.decision for line in decide_numbers(cells, model, model.numbers)]
    ok = [decision.status is Status.OK for decision in decisions]
    right = [decision.number == label for decision, label in zip(decisions, labels, strict=True)]
    assert sum(ok) > 14
    assert all(is_right for is_right, is_ok in zip(right, ok, strict=True) if is_ok)


def test_rows_of_numbers_and_of_files_without_an_image(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(FORMATS["png-8"](two()))
    (tmp_path / "b.png").write_bytes(b"no image")
    refs = [ScanRef(str(tmp_path / name), name) for name in ("a.png", "b.png", "c.png", "a.png")]
    outcomes = read_scans(refs, model_of({"0123": 1.0}, FOUR), MAX_PIXELS)
    assert [outcome.label for outcome in outcomes] == ["0123", None, None, "0123"]
    assert [outcome.reason for outcome in outcomes[1:3]] == [Reason.NOT_AN_IMAGE, Reason.VANISHED]
    assert outcomes[0] == outcomes[3]
    assert len(outcomes[0].digit_confidences) == 4
    assert outcomes[0].probabilities == ()


def test_each_page_of_a_file_has_its_number(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    path.write_bytes(SEVERAL_PAGES["tiff"](two()))
    ref = ScanRef(str(path), "a.tif")
    model = model_of({"0123": 1.0}, FOUR)
    outcomes = read_scans([ref], model, MAX_PIXELS)
    assert [(outcome.page, outcome.pages, outcome.label) for outcome in outcomes] == [
        (1, 2, "0123"),
        (2, 2, "0123"),
    ]
    announced, *pages = [outcome for part in read_pages(ref, model, MAX_PIXELS) for outcome in part]
    assert (announced.reason, announced.page, announced.pages) == (Reason.SEVERAL_PAGES, 0, 2)
    assert pages == outcomes
    wrong = read_scans([ref], model_of({"012": 1.0}, FOUR), MAX_PIXELS)
    found = {(outcome.page, outcome.reason, outcome.label, outcome.confidence) for outcome in wrong}
    assert found == {(page, Reason.WRONG_LENGTH, None, None) for page in (1, 2)}


def test_explain_says_the_number_or_why_there_is_none(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    cv2.imwrite(str(path), two())
    sentence, _ = explain_scan(ScanRef(str(path), "a.png"), model_of({"0123": 1.0}, FOUR), MAX_PIXELS)
    assert sentence.startswith(
        "a.png: 0123 with 1.000, ok (by digit 1.000 1.000 1.000 1.000; number of 4 digits"
    )
    sentence, _ = explain_scan(ScanRef(str(path), "a.png"), model_of({"012": 1.0}, FOUR), MAX_PIXELS)
    assert sentence.startswith("a.png: refused, wrong_length (")
    cv2.imwrite(str(path), np.hstack([two()] * 15))
    sentence, _ = explain_scan(ScanRef(str(path), "a.png"), model_of({"01234" * 3: 1.0}, FOUR), MAX_PIXELS)
    assert sentence.startswith("a.png: refused, wrong_length (number of 4 digits 0.000, of others 1.000, ")


def test_a_model_or_runtime_without_numbers_says_what_to_do(tmp_path: Path) -> None:
    folder = model_writer.save(
        tmp_path, MANIFEST, {model_store.TFLITE_FILE: b"fake", model_store.KERAS_FILE: b"fake"}
    )
    with pytest.raises(ConfigError, match="the model fake reads single digits only: leave --digits out"):
        Reader(folder, "litert", None, MAX_PIXELS, FOUR).check()
    with pytest.raises(ConfigError, match="--runtime tensorflow reads single digits only"):
        Reader(folder, "tensorflow", None, MAX_PIXELS, FOUR).check()
    Reader(folder, "litert", None, MAX_PIXELS, ONE).check()


def test_a_damaged_network_says_what_to_do() -> None:
    with pytest.raises(ModelError, match="the reader of numbers of the model fake cannot be loaded"):
        numbers.build({model_store.NUMBERS_FILE: b"damaged"}, MANIFEST, ANY, None)


def test_the_shipped_model_reads_numbers_only_if_asked() -> None:
    folder = model_store.find(None)
    assert models.load(folder).numbers is None
    loaded = models.load(folder, digits=Lengths(2, 3), review_below=0.25).numbers
    assert loaded is not None
    assert (loaded.lengths, loaded.thresholds.review_below) == (Lengths(2, 3), 0.25)
