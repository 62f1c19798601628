"""Tests of the labels of COCO, as CVAT, Datumaro and Label Studio write them, too."""

from pathlib import Path
from typing import Any

import pytest

from batch.training.data.arrays import TEST, TRAIN
from labelled_sheets import COCO, SCAN, coco, load
from sheets import write


def test_a_box_of_an_image_that_the_file_does_not_list(tmp_path: Path) -> None:
    write(tmp_path / "data" / "a.png", SCAN)
    boxes = [*COCO["annotations"], {**COCO["annotations"][0], "image_id": 99}]
    (tmp_path / "data" / "a.json").write_text(coco(annotations=boxes))
    scans, said = load(tmp_path / "data")
    assert [scan.label for scan in scans] == [3]
    assert said[1:] == ["left out: 1 of an image that the file does not list"]


@pytest.mark.parametrize(("turn", "count"), [(0.0, 2), (360, 2), ("30", 2), (30.0, 1), (-0.5, 1)])
def test_turned_boxes_of_cvat_are_left_out(turn: Any, count: int, tmp_path: Path) -> None:
    """CVAT writes the turn beside the box that was turned."""
    whole = COCO["annotations"][0]
    other = {**whole, "bbox": [10, 10, 10, 10], "attributes": None}
    boxes = [{**whole, "attributes": {"occluded": False, "rotation": turn}}, other]
    write(tmp_path / "data" / "a.png", SCAN)
    (tmp_path / "data" / "a.json").write_text(coco(annotations=boxes))
    scans, said = load(tmp_path / "data")
    assert len(scans) == count
    assert said[1:] == ["left out: 1 in a turned box"] * (2 - count)


def test_a_box_that_two_files_have_counts_once(tmp_path: Path) -> None:
    """Datumaro writes the same boxes to `instances_val.json` and `stuff_val.json`."""
    write(tmp_path / "images" / "val" / "a.png", SCAN)
    (tmp_path / "annotations").mkdir()
    for name in ("instances", "stuff"):
        (tmp_path / "annotations" / f"{name}_val.json").write_text(coco())
    assert [scan.label for scan in load(tmp_path)[0]] == [3]


def test_sheets_of_one_name_in_several_folders(tmp_path: Path) -> None:
    """CVAT names a sheet by its folder in the task, which lies below images/PART."""
    names = ("b/a.png", "c/a.png")
    images = [{**COCO["images"][0], "id": number, "file_name": name} for number, name in enumerate(names)]
    boxes = [{**COCO["annotations"][0], "image_id": number} for number in range(2)]
    for part in ("train", "val"):
        for name in names:
            write(tmp_path / "images" / part / name, SCAN)
        (tmp_path / "annotations").mkdir(exist_ok=True)
        content = coco(images=images, annotations=boxes)
        (tmp_path / "annotations" / f"instances_{part}.json").write_text(content)
    for part, folder in ((TRAIN, "train"), (TEST, "val")):
        scans, said = load(tmp_path, part=part)
        assert [scan.ref.name for scan in scans] == [f"images/{folder}/{name} box 1" for name in names]
        assert said[1:] == []


def test_the_last_image_of_a_sheet_counts(tmp_path: Path) -> None:
    """Label Studio's COCO has an image for each person who has labelled the sheet."""
    images = [{**COCO["images"][0], "id": number} for number in (1, 2)]
    boxes = [{"image_id": 1, "category_id": 1, "bbox": [0, 0, 10, 10]}] * 2
    boxes.append({"image_id": 2, "category_id": 2, "bbox": [0, 0, 10, 10]})
    categories = [{"id": 1, "name": "3"}, {"id": 2, "name": "8"}]
    write(tmp_path / "data" / "a.png", SCAN)
    (tmp_path / "data" / "a.json").write_text(coco(images=images, annotations=boxes, categories=categories))
    scans, said = load(tmp_path / "data")
    assert [scan.label for scan in scans] == [8]
    assert said[1:] == ["left out: 2 of a sheet that a later image has, too"]
