"""Tests of tables: levels in CSV, and images in Parquet."""

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from batch.errors import InputError
from batch.training.data import datasets
from batch.training.data.datasets import NOT_A_DIGIT
from data_sets import COUNT, IMAGES, kaggle, png


@pytest.mark.parametrize("digit", [0, 1, 9])
@pytest.mark.parametrize("is_last", [True, False])
def test_a_table_of_levels_may_have_one_digit(digit: int, is_last: bool, tmp_path: Path) -> None:
    """The corner of the images is 0 everywhere, so both outer columns could have the labels."""
    rows = [[digit, *image.ravel()] for image in np.pad(IMAGES[:, 1:-1, 1:-1], ((0, 0), (1, 1), (1, 1)))]
    lines = [",".join(map(str, row[1:] + row[:1] if is_last else row)) for row in rows]
    (tmp_path / "a.csv").write_text("\n".join(lines))
    assert set(datasets.load(str(tmp_path / "a.csv"), print).train.labels.tolist()) == {digit}


def of_classes(folder: Path, names: list[str], labels: list[int]) -> Path:
    """Write Parquet as Hugging Face's `datasets` does for a folder of images in folders by label."""
    features = {"image": {"_type": "Image"}, "label": {"names": names, "_type": "ClassLabel"}}
    images = [{"bytes": png(image), "path": "0.png"} for image in IMAGES[: len(labels)]]
    table = pa.table({"image": images, "label": labels})
    metadata = {"huggingface": json.dumps({"info": {"features": features}})}
    pq.write_table(table.replace_schema_metadata(metadata), folder / "a.parquet")
    return folder / "a.parquet"


@pytest.mark.parametrize(
    ("names", "digits"),
    [
        ([*"123456789", "none"], [1, 9, NOT_A_DIGIT]),  # in the order of folders, which lack 0
        ([*map("digit {}".format, range(10))], [0, 8, 9]),
        ([*"0123456789"], [0, 8, 9]),
    ],
)
def test_labels_are_places_among_names(names: list[str], digits: list[int], tmp_path: Path) -> None:
    path = of_classes(tmp_path, names, [0, 8, 9])
    assert datasets.load(str(path), print).train.labels.tolist() == digits


def test_a_class_that_is_no_digit_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"labels must be whole numbers: .*'stamp'"):
        datasets.load(str(of_classes(tmp_path, [*"12", "stamp"], [0, 2])), print)


def test_classes_named_as_numbers_are_no_digits(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"they are 12 to 34; numbers are for a labels\.csv, or folders"):
        datasets.load(str(of_classes(tmp_path, ["12", "34"], [0, 1])), print)


def test_missing_labels_are_counted(tmp_path: Path) -> None:
    table = {"image": [{"bytes": png(image)} for image in IMAGES[:3]], "label": [3, None, None]}
    pq.write_table(pa.table(table), tmp_path / "a.parquet")
    with pytest.raises(InputError, match=r"2 of 3 labels are missing"):
        datasets.load(str(tmp_path / "a.parquet"), print)


def test_parquet_of_paths_says_what_to_do(tmp_path: Path) -> None:
    table = {"image": [{"bytes": None, "path": "scans/3/0.png"}], "label": [3]}
    pq.write_table(pa.table(table), tmp_path / "a.parquet")
    with pytest.raises(InputError, match=r"has the paths of images, .* 'scans/3/0.png'.*: give their folder"):
        datasets.load(str(tmp_path / "a.parquet"), print)


@pytest.mark.parametrize("line", ["3,1,2", f"3,{'1,' * 783}"])
@pytest.mark.parametrize("with_names", [False, True])
def test_a_short_line_of_levels_is_named(with_names: bool, line: str, tmp_path: Path) -> None:
    path = kaggle(tmp_path, with_names)
    path.write_text(f"{path.read_text()}\n{line}\n")
    numbers = len([cell for cell in line.split(",") if cell])
    message = f"line {COUNT + with_names + 2}: {numbers} numbers, and 785 in another line: complete it"
    with pytest.raises(InputError, match=f"train.csv, {message}"):
        datasets.load(str(path), print)
