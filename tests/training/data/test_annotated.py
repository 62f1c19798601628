"""Tests of annotated sheets: their parts, the pictures of their boxes, and what is wrong with them."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from batch.config import MAX_PIXELS
from batch.errors import InputError
from batch.images import decode
from batch.training.data import datasets
from batch.training.data.annotations import read_text
from batch.training.data.arrays import TEST, TRAIN
from labelled_sheets import COCO, IMAGES, LABELS, SCAN, SHEETS, box, coco, load, task, write_tasks
from sheets import Sheets, write

EXTRAS: list[dict[str, Any]] = [{}, {"bbox": [1, 2]}, {"category_id": 99}]


@pytest.mark.parametrize("layout", ["coco", "yolo"])
def test_divided_sheets(layout: str, tmp_path: Path) -> None:
    data = tmp_path / "data"
    getattr(SHEETS, layout)(data, "_val" if layout == "coco" else "val")
    getattr(Sheets(IMAGES[:5], LABELS[:5]), layout)(data, "_train2017" if layout == "coco" else "train")
    assert [len(load(data)[0]), len(load(data, part=TRAIN)[0])] == [12, 5]


def test_a_part_is_a_folder_with_its_own_boxes(tmp_path: Path) -> None:
    """Roboflow writes COCO so; sheets of several parts may have the same name."""
    for part, count in (("train", 5), ("valid", 12)):
        written = Sheets(IMAGES[:count], LABELS[:count]).coco(tmp_path / "written" / part)
        (written / "images").rename(tmp_path / part)
        (written / "annotations" / "instances.json").rename(tmp_path / part / "_annotations.coco.json")
    assert [len(load(tmp_path)[0]), len(load(tmp_path, part=TRAIN)[0])] == [12, 5]
    assert [len(load(tmp_path / part)[0]) for part in ("train", "valid")] == [5, 12]


def test_what_is_left_out_is_of_the_part_that_is_read(tmp_path: Path) -> None:
    for part in ("train", "val"):
        for name in "ab":
            write(tmp_path / part / f"{name}.png", SCAN)
    wrong = [box("3"), box("7", rotation=30), box("8", left=100)]
    tasks = [task(*wrong[: 2 + (part == "val")], image=f"{part}/a.png") for part in ("train", "val")]
    (tmp_path / "export.json").write_text(json.dumps([*tasks, {"data": {}}]))
    assert set(load(tmp_path)[1][1:]) == {
        "left out: 1 in a turned box",
        "left out: 1 outside the sheet, or too small",
        "left out: 1 of a task without an image or an annotation",
    }
    (tmp_path / "export.json").unlink()
    names = ("train/b.png", "val/b.png", "train/gone.png", "val/gone.png")
    sheets = [{**COCO["images"][0], "id": number, "file_name": name} for number, name in enumerate(names)]
    boxes = [{**COCO["annotations"][0], "image_id": number, **extra} for number in (0, 1) for extra in EXTRAS]
    boxes += [{**COCO["annotations"][0], "image_id": number} for number in (2, 3)]
    (tmp_path / "all.json").write_text(coco(images=sheets, annotations=boxes))
    for name, part in (("val", TEST), ("train", TRAIN)):
        assert sorted(load(tmp_path, part=part)[1][1:]) == [
            "left out: 1 in a box without four numbers",
            f"left out: 1 of an image that is not there (e.g. '{name}/gone.png')",
            "left out: 1 of an unknown category",
        ]
    (tmp_path / "all.json").unlink()
    for part in ("train", "val"):
        (tmp_path / part / "a.txt").write_text("3 .5 .5 .5 .5\n3 nan .5 .1 .1\n3 .1 .1 .2 .2 .3 .3 .4 .4\n")
    for part in (TEST, TRAIN):
        assert sorted(load(tmp_path, part=part)[1][1:]) == [
            "left out: 1 in a box without four numbers",
            "left out: 1 with an outline that is no box",
        ]


def test_a_sheet_that_cannot_be_read_is_left_out(tmp_path: Path) -> None:
    data = SHEETS.coco(tmp_path / "data")
    (data / "images" / "0.png").write_bytes(b"something")
    scans, said = load(data)
    assert [scan.ref.name for scan in scans] == [f"images/1.png box {number}" for number in range(1, 5)]
    assert said[1:] == ["left out: 8 on a sheet that cannot be read (images/0.png, not_an_image)"]


def test_a_large_photo_is_cut_at_full_size(tmp_path: Path) -> None:
    sheet = np.full((1600, 1200), 255, np.uint8)
    sheet[800:840, 600:640] = 0
    write(tmp_path / "data" / "a.jpg", sheet)
    corner = {"x": 50, "y": 50, "width": 100 / 30, "height": 2.5, "rectanglelabels": ["1"]}
    (scan,), _ = load(write_tasks(tmp_path / "data", task(corner, image="a.jpg")))
    grey = decode.read(scan.ref, MAX_PIXELS).grey
    assert grey.shape == (40, 40) and grey.max() < 30


def test_a_turned_box_that_two_files_have_counts_once(tmp_path: Path) -> None:
    whole = COCO["annotations"][0]
    turned = [{**whole, "bbox": [place, 1, 9, 9], "attributes": {"rotation": 30}} for place in range(3)]
    write(tmp_path / "coco" / "a.png", SCAN)
    for name in ("instances", "stuff"):
        (tmp_path / "coco" / f"{name}.json").write_text(coco(annotations=[whole, *turned]))
    boxes = [box("3"), *(box("7", place, rotation=30) for place in range(3))]
    folder = write_tasks(tmp_path / "studio", task(*boxes))
    (folder / "again.json").write_text((folder / "export.json").read_text())
    for data in (tmp_path / "coco", folder):
        scans, said = load(data)
        assert [scan.label for scan in scans] == [3]
        assert said[1:] == ["left out: 3 in a turned box"]


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.json", coco("../a.png"), "leaves .*: write paths relative to that folder"),
        ("a.json", coco("x\\..\\..\\a.png"), "leaves "),
        ("a.json", coco("/etc/a.png"), "leaves "),
        ("a.json", coco("C:/a.png"), "leaves "),
        ("a.json", json.dumps([task(box(), image="/data/local-files/?d=../a.png")]), "leaves "),
        ("a.json", json.dumps([task(box(), image="http://[x/b.png")]), "no labelled scans"),
        ("a.json", coco("b\0.png"), "no labelled scans"),
        ("a.json", coco("b" * 5000), "no labelled scans"),
        ("a.json", coco(images=[{"id": 1, "file_name": "a.png"}]), "lacks 'width'"),
        ("a.json", coco(images=[5]), "not as COCO's are"),
        ("a.json", coco(annotations=[{**COCO["annotations"][0], "image_id": [1]}]), "not as COCO's are"),
        ("a.json", coco(annotations=[{**COCO["annotations"][0], "category_id": {}}]), "not as COCO's are"),
        ("a.json", coco(categories=[]), "no labelled scans"),
        ("a.json", coco(images=[{**COCO["images"][0], "width": 0}]), "no labelled scans"),
        ("a.json", "[" * 100_000, "is no JSON"),
        ("a.json", coco()[:-5], "is no JSON"),
        ("a.json", '"text"', "no labelled scans"),
        ("a.json", json.dumps([{"text": ["a"] * 100}]), "no labelled scans"),
        ("a.txt", "3.0 .5 .5 .1 .1\n3 .5 .5 .1 .1\n", "line 1: '3.0 .5 .5 .1 .1' is no box: export it again"),
        ("a.txt", "3 words or four, not boxes\n" * 3, "no labelled scans"),
        ("a.txt", "0 .5 .5 .1 .1\n" * 20 + "x .5 .5 .1 .1\n", "line 21: .* is no box: export it again"),
        ("a.txt", "0 .5 .5 .1 1e\n", "no labelled scans"),
    ],
)
def test_wrong_annotations_say_what_is_wrong(name: str, text: str, message: str, tmp_path: Path) -> None:
    write(tmp_path / "data" / "a.png", SCAN)
    (tmp_path / "data" / name).write_text(text)
    with pytest.raises(InputError, match=message):
        load(tmp_path / "data")
    if name.endswith(".json"):
        with pytest.raises(InputError, match=message):
            load(tmp_path / "data" / name)


def test_annotations_that_are_too_large_are_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("batch.training.data.annotations.MAX_FILES", 1)
    write(tmp_path / "data" / "sub" / "b.png", SCAN)
    with pytest.raises(InputError, match="has more than 1 files"):
        load(write_tasks(tmp_path / "data", task(box(), image="b.png")))
    with pytest.raises(InputError, match="divide it"):
        read_text(tmp_path / "data" / "export.json", max_bytes=10)


def test_sheets_are_for_extra(tmp_path: Path) -> None:
    for path in (SHEETS.coco(tmp_path), tmp_path / "annotations" / "instances.json"):
        with pytest.raises(InputError, match="for scans and sheets, give --extra"):
            datasets.load(str(path), print)
