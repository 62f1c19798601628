"""Tests of the labels of Label Studio."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from batch.config import MAX_PIXELS
from batch.images import decode
from batch.training.data import labelled_scans
from labelled_sheets import SCAN, box, load, task, write_tasks
from sheets import write


def test_labels_of_whole_scans(tmp_path: Path) -> None:
    write(tmp_path / "data" / "sub" / "b.png", SCAN)
    tasks = [
        task({"choices": ["7"]}),
        task({"choices": ["none"]}, image="/data/local-files/?d=sub%2Fb.png"),
        {"image": "s3://bucket/deep/b.png", "choice": "4", "id": 3},
        task({"choices": ["1"]}, image="gone.png"),
        task({"choices": ["1", "2"]}),
        task({"choices": ["unclear"]}),
        task({"choices": ["1"]}, was_cancelled=True),
        {"data": {}},
        {"image": "a.png", "choice": "", "id": 9},
    ]
    folder = write_tasks(tmp_path / "data", *tasks)
    scans, said = load(folder)
    found = [(scan.ref.path, scan.ref.name, scan.label) for scan in scans]
    b = str(folder / "sub" / "b.png")
    assert found == [(str(folder / "a.png"), "a.png", 7), (b, "sub/b.png", None), (b, "sub/b.png", 4)]
    assert said[0] == f"{folder}: 3 labelled scans, Label Studio's JSON export"
    assert set(said[1:]) == {
        "left out: 1 of an image that is not there (e.g. 'gone.png')",
        "left out: 1 with several labels",
        "left out: 1 with the label 'unclear'",
        "left out: 1 without a label",
        "left out: 1 of a task without an image or an annotation",
    }


@pytest.mark.parametrize("is_short", [False, True])
def test_the_last_annotation_of_a_task_counts(is_short: bool, tmp_path: Path) -> None:
    """The short form of Label Studio 1.x and 2.x has a task of the same number for each annotation."""
    tasks: list[dict[str, Any]]
    if is_short:
        tasks = [
            {"id": 2, "image": "a.png", "label": [box(label)], "annotation_id": number}
            for number, label in enumerate("95")
        ]
    else:
        tasks = [{"id": 2} | task(box("9"))]
        tasks[0]["annotations"] += task(box("5"))["annotations"]
    scans, said = load(
        write_tasks(tmp_path / "data", {"id": 1, "image": "a.png", "label": [box("7")]}, *tasks)
    )
    assert [scan.label for scan in scans] == [7, 5] and said[1:] == []


def test_boxes_end_with_their_sheet(tmp_path: Path) -> None:
    boxes = [
        box("1", left=-40, width=60),
        box("2", left=80, width=60),
        box("3", left=100),
        box("4", top=-60),
        box("5", width=1),
        box("6", width=-20),
        box("7", rotation=30),
        box("8", width=float("nan")),
        box("9", width=10**400),
        {"rectanglelabels": ["9"]},
        box("stamp"),
        box("31723"),
        box("0042"),
    ]
    scans, said = load(write_tasks(tmp_path / "data", task(*boxes)))
    pictures = [decode.read(scan.ref, MAX_PIXELS).grey.shape for scan in scans]
    assert [(scan.label, scan.ref.name) for scan in scans] == [(1, "a.png box 1"), (2, "a.png box 2")]
    assert pictures == [(20, 6), (20, 6)]
    assert set(said[1:]) == {
        "left out: 4 outside the sheet, or too small",
        "left out: 1 in a turned box",
        "left out: 3 in a box without four numbers",
        "left out: 1 with the label 'stamp'",
        f"left out: 2 with a number as label; {labelled_scans.FOR_NUMBERS}",
    }


@pytest.mark.parametrize("turn", [0, 90, 180, 270, -90, 90.0])
def test_a_sheet_that_was_turned_to_label_it(turn: float, tmp_path: Path) -> None:
    """Label Studio keeps the boxes as they lie in the file, and says by how much the sheet was turned."""
    upright = np.full((80, 40), 200, np.uint8)
    upright[:20, :10] = 50
    data = tmp_path / "data"
    write(data / "sheet.png", np.ascontiguousarray(np.rot90(upright, int(turn // 90))))
    labelled = task(box("3") | {"width": 100, "height": 100}, image="sheet.png")
    labelled["annotations"][0]["result"][0]["image_rotation"] = turn
    (data / "export.json").write_text(json.dumps([labelled]))
    scans, _ = load(data)
    assert np.array_equal(decode.read(scans[0].ref, MAX_PIXELS).grey, upright)


@pytest.mark.parametrize("turn", [45, 12.5, float("inf")])
def test_a_sheet_that_was_turned_askew_is_left_out(turn: float, tmp_path: Path) -> None:
    sheet = task(box("3"))
    sheet["annotations"][0]["result"][0]["image_rotation"] = turn
    scans, said = load(write_tasks(tmp_path / "data", sheet, task(box("4"))))
    assert [scan.label for scan in scans] == [4] and said[1:] == ["left out: 1 in a turned box"]
