"""Tests of the figures of numbers."""

import json
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest

from batch.errors import InputError
from batch.records import Outcome, Reason, Status
from batch.training.data import labelled_scans
from batch.training.evaluation import numbers
from batch.training.evaluation.numbers import Answer, edit_distance, figures


@pytest.mark.parametrize(
    ("first", "second", "distance"),
    [("", "", 0), ("42", "42", 0), ("42", "", 2), ("123", "13", 1), ("123", "1243", 1), ("12", "21", 2)],
)
def test_edit_distance(first: str, second: str, distance: int) -> None:
    assert edit_distance(first, second) == edit_distance(second, first) == distance


def test_figures_count_numbers_digits_lengths_and_refusals() -> None:
    result = figures(
        [
            Answer("0042", "0042", 0.99, True),
            Answer("0042", "042", 0.98, True),
            Answer("77", "71", 0.4, False),
            Answer("123", None, 0.0, False),
            Answer(None, "5", 0.9, True),
            Answer(None, None, 0.0, False),
        ]
    )
    found = result["numbers"]
    assert (found["right_count"], found["right_n"]) == (1, 4)
    assert (found["digits_right_count"], found["digits_right_n"]) == (13 - 5, 13)
    assert found["mean_edit_distance"] == pytest.approx(5 / 4)
    assert (found["wrong_length_count"], found["wrong_length_n"]) == (1, 3)
    assert (found["ok_count"], found["ok_wrong_count"], found["refused_count"]) == (2, 1, 1)
    assert (result["no_number"]["ok_count"], result["no_number"]["answered_n"]) == (1, 2)
    assert set(figures([Answer("1", "1", 1.0, True)])) == {"numbers"}


def write(folder: Path, names: dict[str, str]) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(folder / name), np.full((20, 40), 255, np.uint8))


def test_labels_are_numbers_in_a_list_or_as_folders(tmp_path: Path) -> None:
    names = {"a.png": "0042", "b.png": "7", "c.png": "none"}
    write(tmp_path / "list", names)
    lines = "".join(f"{name},{label}\n" for name, label in names.items())
    (tmp_path / "list" / "labels.csv").write_text("file,label\n" + lines, encoding="utf-8")
    scans = labelled_scans.load(str(tmp_path / "list"), tmp_path, lambda _: None, numbers=True)
    assert [(scan.number, scan.label) for scan in scans] == [("0042", None), ("7", None), (None, None)]
    write(tmp_path / "folders", {"0042/a.png": "", "7/b.png": "", "none/c.png": "", "other/d.png": ""})
    scans = labelled_scans.load(str(tmp_path / "folders"), tmp_path, lambda _: None, numbers=True)
    assert [(scan.ref.name, scan.number) for scan in scans] == [
        ("0042/a.png", "0042"),
        ("7/b.png", "7"),
        ("none/c.png", None),
    ]
    with pytest.raises(InputError, match=r"'0042' is no label: 0 to 9, or none; .* with --digits"):
        labelled_scans.load(str(tmp_path / "list"), tmp_path, lambda _: None)
    for name in ("7", "none"):
        shutil.rmtree(tmp_path / "folders" / name)
    with pytest.raises(InputError, match=r"folders with numbers as names: .* with --digits"):
        labelled_scans.load(str(tmp_path / "folders"), tmp_path, lambda _: None)
    (tmp_path / "list" / "labels.csv").write_text("file,label\na.png,4.2\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"'4\.2' is no label: a number of at most 12 digits, or none"):
        labelled_scans.load(str(tmp_path / "list"), tmp_path, lambda _: None, numbers=True)


def test_the_report_has_every_figure(tmp_path: Path) -> None:
    names = {"a.png": "0042", "b.png": "7", "c.png": "none", "d.png": "none"}
    write(tmp_path, names)
    lines = "".join(f"{name},{label}\n" for name, label in names.items())
    (tmp_path / "labels.csv").write_text("file,label\n" + lines, encoding="utf-8")
    scans = labelled_scans.load(str(tmp_path), tmp_path, lambda _: None, numbers=True)
    outcomes = [
        Outcome(scans[0].ref, Status.OK, None, "", "0042", 0.99),
        Outcome(scans[1].ref, Status.REFUSED, Reason.NOT_A_NUMBER),
        Outcome(scans[2].ref, Status.REVIEW, Reason.LOW_CONFIDENCE, "", "1", 0.3),
        Outcome(scans[3].ref, Status.FAILED, Reason.TRUNCATED),
    ]
    result = numbers.write(tmp_path / "report", "mine", "fake-1", scans, outcomes)
    text = (tmp_path / "report" / "evaluation.md").read_text(encoding="utf-8")
    assert "| numbers read right | 50.00% | 2 | 9.45% to 90.55% |" in text
    assert "| no number, answered at all | 50.00% | 2 |" in text
    assert "| refused not_a_number | 1 |" in text
    record = json.loads((tmp_path / "report" / "evaluation.json").read_text(encoding="utf-8"))
    assert record["numbers"] == result["numbers"]
    misread = (tmp_path / "report" / "misread.csv").read_text(encoding="utf-8").splitlines()
    assert misread[1:] == [
        "b.png,7,,,refused,not_a_number",
        "c.png,none,1,0.300000,review,low_confidence",
        "d.png,none,,,failed,truncated",
    ]
    assert {path.name for path in (tmp_path / "report").glob("*.png")} == {
        "mistakes.png",
        "reliability.png",
        "risk-coverage.png",
    }
