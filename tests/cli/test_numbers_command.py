"""Numbers from the command to the rows, with the model that ships."""

import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import pytest

import digitbox as package
from batch.cli import main
from batch.errors import ConfigError
from batch.inference import model_store
from command import Digitbox, Result

Mnist = tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]
Writing = Callable[[str], npt.NDArray[np.uint8]]


@pytest.fixture
def shipped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Iterator[Digitbox]:
    """Runs the command in this process, in an empty folder, with the model that ships."""
    monkeypatch.chdir(tmp_path)
    threads = cv2.getNumThreads()

    def call(*arguments: str) -> Result:
        monkeypatch.setattr(sys, "argv", ["digitbox", *arguments])
        code = 0
        try:
            main.main()
        except SystemExit as error:
            code = int(error.code or 0)
        out, err = capfd.readouterr()
        return Result(code, out, err)

    yield call
    cv2.setNumThreads(threads)


@pytest.fixture
def writing(mnist_test: Mnist) -> Writing:
    """Writes a number with digits of MNIST's test images (Yann LeCun and others, CC BY-SA 3.0)."""
    images, labels = mnist_test

    def write(number: str) -> npt.NDArray[np.uint8]:
        cells = [
            images[np.flatnonzero(labels == int(digit))[place + 2]] for place, digit in enumerate(number)
        ]
        row = np.hstack([cell[:, 4:24] for cell in cells])
        return np.asarray(255 - cv2.resize(np.pad(row, 6), None, fx=2, fy=2, interpolation=cv2.INTER_CUBIC))

    return write


def test_a_run_reads_numbers_only_if_asked(shipped: Digitbox, writing: Writing, inbox: Path) -> None:
    cv2.imwrite(str(inbox / "a.png"), writing("0271"))
    cv2.imwrite(str(inbox / "blank.png"), np.full((40, 90), 240, np.uint8))
    (default,) = [row for row in shipped("run").rows if row["file"] == "a.png"]
    assert (default["prediction"], default["reason"]) == ("", "several_digits")
    assert "digit_confidences" not in default
    number, blank = shipped("run", "--digits", "4", "--review-below", "0", "--probabilities").rows
    assert (number["prediction"], number["status"]) == ("0271", "ok")
    assert len(number["digit_confidences"].split(";")) == 4
    assert (number["p0"], number["p9"]) == ("", "")
    assert (blank["prediction"], blank["status"], blank["reason"]) == ("", "refused", "blank")
    manifest = model_store.load_manifest(model_store.find(None))
    assert {number["model"], default["model"]} == {manifest.numbers_version, manifest.version}


@pytest.mark.parametrize("digits", ["3", "5-12"])
def test_another_length_is_refused(shipped: Digitbox, writing: Writing, inbox: Path, digits: str) -> None:
    cv2.imwrite(str(inbox / "a.png"), writing("0271"))
    (row,) = shipped("run", "--digits", digits).rows
    assert (row["prediction"], row["status"], row["reason"]) == ("", "refused", "wrong_length")


def test_the_environment_and_the_file_of_options_count(
    shipped: Digitbox, inbox: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "digitbox.toml").write_text("digits = 5\n", encoding="utf-8")
    assert re.search(r"^digits +5 ", shipped("config").out, re.MULTILINE)
    (tmp_path / "digitbox.toml").write_text('digits = "2-6"\n', encoding="utf-8")
    assert re.search(r"^digits +2-6 ", shipped("config").out, re.MULTILINE)
    monkeypatch.setenv("DIGITBOX_DIGITS", "any")
    assert re.search(r"^digits +any ", shipped("config").out, re.MULTILINE)


def test_other_values_say_what_to_give(shipped: Digitbox) -> None:
    result = shipped("run", "--digits", "many")
    assert result.code == 2
    assert result.err == (
        "digitbox: Invalid value for '--digits' (env var: 'DIGITBOX_DIGITS'): 'many' is no number of digits: "
        "give one as 5, a range as 2-6 (at most 12), or any; see digitbox run --help\n"
    )


def test_python_programs_read_numbers(writing: Writing, tmp_path: Path) -> None:
    scan = writing("0271")
    result = package.read(scan, digits=4)
    assert (result.prediction, len(result.digit_confidences)) == ("0271", 4)
    assert package.read(scan).prediction is None
    reader = package.Reader(digits="2-3")
    assert [found.reason for found in reader([scan])] == ["wrong_length"]
    for digits in ("many", 0, 13):
        with pytest.raises(ConfigError, match=r"digits: .* is no number of digits"):
            package.read(scan, digits=digits)
    (tmp_path / "in").mkdir()
    cv2.imwrite(str(tmp_path / "in" / "a.png"), scan)
    summary = package.run([tmp_path / "in"], tmp_path / "out", digits="any", workers=1)
    assert sum(summary.counts.values()) == 1


@pytest.mark.parametrize("number", ["5", "38", "0271", "904"])
def test_an_image_and_its_inverse_give_the_same_row(writing: Writing, number: str) -> None:
    scan = writing(number)
    assert package.read(scan, digits="any") == package.read(255 - scan, digits="any")
