"""Tests of the labels of YOLO, and of the names of its classes."""

from pathlib import Path

import pytest

from batch.errors import InputError
from labelled_sheets import LABELS, SHEETS, load


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
