"""What Python programs import."""

import doctest
import io
import pickle
import threading
from pathlib import Path

import cv2
import numpy as np
import pytest

import batch.api
import digitbox
from batch.errors import ConfigError, ModelError
from batch.records import Reason, Status
from command import ROOT
from formats import FORMATS, two

SAMPLE = ROOT / "inbox" / "sample-01-pen.png"


@pytest.fixture(autouse=True)
def _checkout(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)


@pytest.mark.parametrize("module", [digitbox, batch.api], ids=["digitbox", "batch.api"])
def test_the_examples_in_the_docstrings_run(module: object) -> None:
    results = doctest.testmod(module, report=True)  # type: ignore[arg-type]
    assert results.attempted > 0 and results.failed == 0


def test_every_name_is_there() -> None:
    assert set(digitbox.__all__) <= set(dir(digitbox))
    assert digitbox.__version__ == batch.__version__


def test_all_forms_of_a_scan_give_the_same_result() -> None:
    content = SAMPLE.read_bytes()
    pixels = cv2.imread(str(SAMPLE), cv2.IMREAD_COLOR)
    assert pixels is not None
    grey = cv2.imread(str(SAMPLE), cv2.IMREAD_ANYDEPTH)
    assert grey is not None
    forms: list[digitbox.Source] = [SAMPLE, str(SAMPLE), content, io.BytesIO(content), grey]
    results = digitbox.read(forms)
    assert len({results[0], *results}) == 1
    assert results[0].prediction == 3 and results[0].status is Status.OK
    assert digitbox.read(pixels).prediction == 3
    assert digitbox.read(pixels[:, :, ::-1], channels="RGB") == digitbox.read(pixels)


def test_the_command_gives_the_same_rows(tmp_path: Path) -> None:
    import csv

    summary = digitbox.run(["inbox"], tmp_path / "out", workers=1, probabilities=True)
    (path,) = (tmp_path / "out").glob("*.csv")
    rows = list(csv.DictReader(path.read_text(encoding="utf-8").splitlines()))
    results = digitbox.read(ROOT / "inbox" / row["file"] for row in rows)
    assert summary.rows == len(rows) == len(results)
    for row, result in zip(rows, results, strict=True):
        assert row["prediction"] == ("" if result.prediction is None else str(result.prediction))
        assert row["confidence"] == ("" if result.confidence is None else f"{result.confidence:.6f}")
        assert (row["status"], row["reason"]) == (result.status, result.reason or "")


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        (b"no image", Reason.NOT_AN_IMAGE),
        (b"", Reason.EMPTY),
        (FORMATS["png-8"](two())[:90], Reason.TRUNCATED),
        ("gone.png", Reason.VANISHED),
        (np.zeros((3, 3), np.uint8), Reason.TOO_SMALL),
        (np.zeros((0, 9), np.uint8), Reason.EMPTY),
        (np.full((20, 20), np.nan, np.float32), Reason.DAMAGED),
    ],
)
def test_a_scan_that_cannot_be_read_is_a_result(source: digitbox.Source, reason: Reason) -> None:
    result = digitbox.read(source)
    assert (result.prediction, result.confidence, result.reason) == (None, None, reason)


@pytest.mark.parametrize(
    "kind", [np.uint8, np.uint16, np.float32, np.float64, np.bool_], ids=lambda kind: str(kind.__name__)
)
def test_arrays_of_many_types_are_read(kind: type[np.generic]) -> None:
    pixels = np.where(two(ink=0, paper=255) > 127, 1, 0)
    scaled = pixels * {np.uint8: 255, np.uint16: 65535}.get(kind, 1)
    assert digitbox.read(scaled.astype(kind)) == digitbox.read((pixels * 255).astype(np.uint8))


def test_what_is_no_image_is_an_error_that_says_so() -> None:
    with pytest.raises(ConfigError, match=r"shape \(3,\) is no image: give \(height, width\)"):
        digitbox.read(np.zeros(3, np.uint8))
    with pytest.raises(ModelError, match="no model 'gone'"):
        digitbox.read(SAMPLE, model="gone")
    with pytest.raises(ConfigError, match="no option only_now"):
        digitbox.run(["inbox"], "out", only_now=True)


def test_a_reader_can_be_pickled_and_shared_by_threads() -> None:
    reader = pickle.loads(pickle.dumps(digitbox.Reader()))
    expected = reader([SAMPLE])
    results: list[list[digitbox.Result]] = []
    threads = [threading.Thread(target=lambda: results.append(reader([SAMPLE]))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [expected] * 4
