import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from batch.config import MAX_PIXELS
from batch.errors import InputError
from batch.images import decode
from batch.training.data import datasets, labelled_scans
from batch.training.data.annotations import read_text
from batch.training.data.arrays import TEST, TRAIN
from batch.training.data.labelled_scans import LabelledScan
from sheets import Sheets, write

SCAN = np.full((40, 30), 200, np.uint8)
IMAGES = np.stack([SCAN - level for level in range(12)])
LABELS = np.arange(12) % 10
SHEETS = Sheets(IMAGES, LABELS)
EXTRAS: list[dict[str, Any]] = [{}, {"bbox": [1, 2]}, {"category_id": 99}]


def load(path: Path, **options: Any) -> tuple[list[LabelledScan], list[str]]:
    said: list[str] = []
    scratch = path.parent / "scratch"
    scratch.mkdir(exist_ok=True)
    return labelled_scans.load(str(path), scratch, said.append, **options), said


def task(*values: dict[str, Any], image: str = "a.png", **extra: Any) -> dict[str, Any]:
    results = [{"value": value} for value in values]
    return {"data": {"image": image}, "annotations": [{"result": results, **extra}]}


def box(label: str = "3", left: float = 0, top: float = 0, width: float = 50, **extra: Any) -> dict[str, Any]:
    return {"x": left, "y": top, "width": width, "height": 50, "rectanglelabels": [label], **extra}


def write_tasks(folder: Path, *tasks: Any) -> Path:
    write(folder / "a.png", SCAN)
    (folder / "export.json").write_text(json.dumps(tasks))
    return folder


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


def test_yolo_without_names_of_classes(tmp_path: Path) -> None:
    data = SHEETS.yolo(tmp_path / "data")
    (data / "data.yaml").unlink()
    assert [scan.label for scan in load(data)[0]] == [9 - label for label in LABELS]
    for name, text in (("classes.txt", "\n".join("abcdefgh34")), ("data.yaml", "names: {8: 3, 9: '4'}")):
        (data / name).write_text(text)
        (data / "labels" / "1.txt").write_text("8 .5 .5 .1 .1\n9 .1 .1 .1 .1 .9\n8 .1 .1 .2 .2 .3 .3 .4 .4\n")
        (data / "labels" / "0.txt").write_text("")
        scans, said = load(data / name)
        assert [scan.label for scan in scans] == [3, 4]
        assert said[1:] == ["left out: 1 with an outline that is no box"]
        (data / name).unlink()


@pytest.mark.parametrize("key", ["{}", "'{}'"])
def test_names_of_classes_by_number(key: str, tmp_path: Path) -> None:
    """The keys of JSON are texts, so a YAML that is made of it has them in quotes."""
    data = SHEETS.yolo(tmp_path / "data")
    lines = [f"  {key.format(number)}: {9 - number}" for number in range(10)]
    (data / "data.yaml").write_text("\n".join(["names:", *lines]))
    assert sorted(scan.label or 0 for scan in load(data)[0]) == sorted(LABELS)


@pytest.mark.parametrize("number", ["abc", "nan", "1e", "-", "1e999"])
def test_a_wrong_number_costs_only_its_box(number: str, tmp_path: Path) -> None:
    data = SHEETS.yolo(tmp_path / "data")
    file = data / "labels" / "0.txt"
    count = len(load(data)[0])
    file.write_text(f"1 {number} .5 .1 .1\n{file.read_text()}")
    scans, said = load(data)
    assert len(scans) == count
    assert said[1:] == ["left out: 1 in a box without four numbers"]


@pytest.mark.parametrize("line", ["1 .5 .5 .1", "1", "some words"])
def test_a_line_without_four_numbers_costs_only_its_box(line: str, tmp_path: Path) -> None:
    data = SHEETS.yolo(tmp_path / "data")
    with (data / "labels" / "0.txt").open("a") as file:
        file.write(f"{line}\n")
    scans, said = load(data)
    assert len(scans) == len(LABELS)
    assert said[1:] == ["left out: 1 in a box without four numbers"]


def test_a_box_of_an_image_that_the_file_does_not_list(tmp_path: Path) -> None:
    write(tmp_path / "data" / "a.png", SCAN)
    boxes = [*COCO["annotations"], {**COCO["annotations"][0], "image_id": 99}]
    (tmp_path / "data" / "a.json").write_text(coco(annotations=boxes))
    scans, said = load(tmp_path / "data")
    assert [scan.label for scan in scans] == [3]
    assert said[1:] == ["left out: 1 of an image that the file does not list"]


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


COCO: dict[str, Any] = {
    "images": [{"id": 1, "file_name": "a.png", "width": 30, "height": 40}],
    "annotations": [{"image_id": 1, "category_id": 1, "bbox": [0, 0, 10, 10]}],
    "categories": [{"id": 1, "name": "3"}],
}


def coco(name: str = "a.png", **parts: Any) -> str:
    return json.dumps({**COCO, "images": [{**COCO["images"][0], "file_name": name}], **parts})


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


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("names: [a, b", "is no YAML"),
        ("names: " + "[" * 5_000, "is no YAML"),
        ("names: !!python/object/apply:os.system [exit]", "is no YAML"),
        ("date: 2026-13-45", "is no YAML"),
        ("names: !!int x", "is no YAML"),
        ("names: !!bool x", "is no YAML"),
        ("names: !!timestamp x", "is no YAML"),
        ("a: &a [x, x]\nb: &b [*a, *a]\nnames: [*b, *b]", "labelled scans"),
        (" " * (2 << 20), "has more than 1 MiB"),
        ("names: [3]", "class 9 has no name: .* if the boxes are converted from COCO, give that instead"),
    ],
)
def test_wrong_names_of_classes_say_what_is_wrong(text: str, message: str, tmp_path: Path) -> None:
    data = SHEETS.yolo(tmp_path / "data")
    (data / "data.yaml").write_text(text)
    if message == "labelled scans":  # it has no names, so class 3 is the digit 3
        assert len(load(data)[0]) == 12
        return
    with pytest.raises(InputError, match=message):
        load(data)


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
