"""Published results as a table of pandas."""

import csv
import io
import json
import re
from datetime import timedelta
from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner

import digitbox
from batch.cli.main import cli
from batch.records import Reason, ScanRef, Status
from command import ROOT
from published import NOON, make_old, outcome, publish, scan

TYPES = {
    "file": "string",
    "prediction": "Int8",
    "confidence": "float64",
    "status": "category",
    "reason": "category",
    "sha256": "string",
    "batch": "string",
    "model": "category",
    "processed_at": "datetime64[s, UTC]",
    "page": "Int32",
    "source": "string",
    "corrected": "string",
    "comment": "string",
}


def three(tmp_path: Path, **options: str) -> Path:
    """Publish three rows; return the file."""
    ok, doubtful, gone = (
        scan(tmp_path / "scans", f"{name}.png", px) for name, px in zip("abc", (3, 4, 5), strict=True)
    )
    Path(gone.path).unlink()
    rows = [
        outcome(ok, label=7, sure=0.25),
        outcome(doubtful, Status.REVIEW, 1, Reason.LOW_CONFIDENCE),
        outcome(gone, Status.FAILED, None, Reason.VANISHED),
    ]
    return publish(tmp_path / "out", rows, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("format_name", ["csv", "parquet"])
def test_columns_have_their_types(tmp_path: Path, format_name: str) -> None:
    frame = digitbox.read_results(three(tmp_path, format_name=format_name).parent)
    assert {name: str(kind) for name, kind in frame.dtypes.items()} == TYPES
    assert frame["prediction"].tolist() == [7, 1, pd.NA]
    assert frame["confidence"].fillna(-1).tolist() == [0.25, 0.9, -1]
    assert frame["status"].tolist() == ["ok", "review", "failed"]
    assert frame["status"].cat.categories.tolist() == [*Status]
    assert frame["reason"].astype(object).fillna("").tolist() == ["", "low_confidence", "vanished"]
    assert frame["sha256"].isna().tolist() == [False, False, True]
    assert (frame["processed_at"] == pd.Timestamp(NOON)).all()
    assert frame["source"].tolist() == [str(tmp_path / "scans")] * 3
    assert frame["page"].isna().all() and frame["corrected"].isna().all()


def test_rows_of_many_files_are_in_one_table(tmp_path: Path) -> None:
    first = three(tmp_path)
    second = publish(
        tmp_path / "out",
        [outcome(scan(tmp_path, "d.png"))],
        format_name="parquet",
        model="fake-2",
        now=NOON + timedelta(hours=1),
    )
    frame = digitbox.read_results(tmp_path / "out")
    assert frame["file"].tolist() == ["a.png", "b.png", "c.png", "d.png"]
    assert frame["model"].tolist() == ["fake-1"] * 3 + ["fake-2"]
    assert frame.index.tolist() == [0, 1, 2, 3]
    assert len(digitbox.read_results([str(second), first])) == 4
    assert digitbox.read_results(first)["file"].tolist() == ["a.png", "b.png", "c.png"]


def test_a_file_named_twice_counts_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = three(tmp_path)
    second = publish(tmp_path / "out", [outcome(scan(tmp_path, "d.png"))], now=NOON + timedelta(hours=1))
    (tmp_path / "link.csv").symlink_to(first)
    (tmp_path / "folder").symlink_to(first.parent)
    monkeypatch.chdir(tmp_path)
    outbox = digitbox.read_results("out")
    twice: list[list[str | Path]] = [["out"] * 2, ["out", first], [first, "folder"], ["out", "link.csv"]]
    for results in twice:
        pd.testing.assert_frame_equal(digitbox.read_results(results), outbox)
    assert digitbox.read_results([second, "out"])["file"].tolist() == ["d.png", "a.png", "b.png", "c.png"]


@pytest.mark.parametrize("format_name", ["csv", "parquet"])
def test_digits_are_text_in_one_table_with_numbers(tmp_path: Path, format_name: str) -> None:
    out = three(tmp_path, format_name=format_name).parent
    number = outcome(scan(tmp_path, "d.png"))._replace(label="007", digit_confidences=(0.9, 0.9, 0.9))
    publish(out, [number], format_name=format_name, with_numbers=True, now=NOON + timedelta(hours=1))
    frame = digitbox.read_results(out)
    assert frame["prediction"].tolist() == ["7", "1", pd.NA, "007"]
    assert {name: str(kind) for name, kind in frame.dtypes.items() if name in TYPES} == {
        **TYPES,
        "prediction": "string",
    }


def test_corrections_are_applied(tmp_path: Path) -> None:
    path = three(tmp_path)
    saved = tmp_path / "corrections.csv"
    rows = digitbox.read_results(path)
    lines = [
        f"{row.file},{row.sha256},{row.batch},{said}"
        for row, said in zip(rows[:2].itertuples(), ("none,=1+1", "4,"), strict=True)
    ]
    saved.write_text("\n".join(["file,sha256,batch,corrected,comment", *lines]) + "\n")
    applied = CliRunner().invoke(cli, ["apply", str(saved), "--outbox", str(path.parent), "--by", "Anna"])
    assert applied.exit_code == 0
    for results in (path, path.parent):
        frame = digitbox.read_results(results)
        assert frame["prediction"].tolist() == [pd.NA, 4, pd.NA]
        assert frame["status"].tolist() == ["refused", "ok", "failed"]
        assert frame["reason"].astype(object).fillna("").tolist() == ["not_a_digit", "", "vanished"]
        assert frame["confidence"].isna().all()
        assert frame["corrected"].fillna("").tolist() == ["7", "1", ""]
        assert frame["comment"].fillna("").tolist() == ["'=1+1", "", ""]
    arguments = ["export", "--outbox", str(path.parent), "--output", str(tmp_path / "all.csv")]
    assert CliRunner().invoke(cli, arguments).exit_code == 0
    assert digitbox.read_results(tmp_path / "all.csv").equals(digitbox.read_results(path))


@pytest.mark.parametrize("delimiter", [";", "\t"])
def test_what_a_spreadsheet_saved_is_read(tmp_path: Path, delimiter: str) -> None:
    path = three(tmp_path)
    lines = path.read_text(encoding="utf-8").splitlines()
    saved = tmp_path / "saved.csv"
    text = "\r\n".join(line.replace(",", delimiter).replace("0.25", "0,25") for line in lines)
    saved.write_text("\ufeff" + text + "\r\n", encoding="utf-8", newline="")
    pd.testing.assert_frame_equal(digitbox.read_results(saved), digitbox.read_results(path))


def test_a_time_without_a_zone_is_utc(tmp_path: Path) -> None:
    """A spreadsheet writes times in a form of its own."""
    path = three(tmp_path)
    saved = tmp_path / "saved.csv"
    with path.open(newline="", encoding="utf-8") as file:
        header, *rows = csv.reader(file)
    at = header.index("processed_at")
    for row in rows:
        row[at] = row[at].replace("T", " ").removesuffix("Z")
    with saved.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([header, *rows])
    pd.testing.assert_frame_equal(digitbox.read_results(saved), digitbox.read_results(path))


def test_results_of_older_versions_are_read(tmp_path: Path) -> None:
    old = make_old(three(tmp_path))
    frame = digitbox.read_results(old)
    assert {name: str(kind) for name, kind in frame.dtypes.items()} == TYPES
    assert frame["source"].isna().all()


def test_an_outbox_without_rows_gives_an_empty_table(tmp_path: Path) -> None:
    path = three(tmp_path)
    path.unlink()
    frame = digitbox.read_results(tmp_path / "out")
    assert len(frame) == 0
    assert {name: str(kind) for name, kind in frame.dtypes.items()} == TYPES


def test_the_documented_last_rows_are_those_of_the_export(tmp_path: Path) -> None:
    """A file with other content is another scan; one that was read twice is not."""
    documented = re.search(
        r"drop_duplicates\((\[.*?\])", (ROOT / "docs/python.md").read_text(encoding="utf-8")
    )
    assert documented is not None
    out = tmp_path / "out"
    for number, ink_px in enumerate((3, 5, 5)):
        publish(out, [outcome(scan(tmp_path, "a.png", ink_px))], now=NOON + timedelta(hours=number))
    last = digitbox.read_results(out).drop_duplicates(json.loads(documented[1]), keep="last")
    assert last.index.tolist() == [0, 2]
    exported = CliRunner().invoke(cli, ["export", "--latest", "--outbox", str(out)])
    assert len(exported.stdout.splitlines()) == 1 + len(last)


def test_the_documented_types_keep_the_zeros_of_an_export(tmp_path: Path) -> None:
    page = (ROOT / "docs/numbers.md").read_text(encoding="utf-8")
    documented = re.search(r"`dtype=\{(.*?)\}`", page)
    assert documented is not None
    names = re.findall(r'"(\w+)": str', documented[1])
    path = tmp_path / "export.csv"
    path.write_text("file,prediction,digit_confidences,corrected\na.png,00420,0.9;0.8,00921\n")
    row = pd.read_csv(path, dtype=dict.fromkeys(names, str)).iloc[0]
    assert (row["prediction"], row["corrected"]) == ("00420", "00921")


def test_a_name_of_missing_values_stays_a_name(tmp_path: Path) -> None:
    rows = [outcome(ScanRef("", name, source="/NA")) for name in ("NA", "null", "nan", "1e5", " a ")]
    frame = digitbox.read_results(publish(tmp_path / "out", rows))
    assert frame["file"].tolist() == ["NA", "null", "nan", "1e5", " a "]
    assert frame["source"].tolist() == ["/NA"] * 5


def test_what_is_no_result_is_an_error_that_says_so(tmp_path: Path) -> None:
    (tmp_path / "other.csv").write_text("a,b\n1,2\n")
    for results, message in (
        (tmp_path / "gone", "no such file: .*gone"),
        (tmp_path / "other.csv", "has no column file"),
        (tmp_path, "no results in .*: give the outbox of your runs"),
    ):
        with pytest.raises(digitbox.InputError, match=message):
            digitbox.read_results(results)
    with pytest.raises(digitbox.ConfigError, match="needs files on a disk, not s3://b/out"):
        digitbox.read_results("s3://b/out")
    for wrong in (None, 5, b"out", "", "a\0b", "\ud800", [None]):
        with pytest.raises(digitbox.ConfigError, match=r"results must be |no file can have the name"):
            digitbox.read_results(wrong)  # type: ignore[arg-type]
    with pytest.raises(digitbox.ConfigError, match="the path of a file, not the open file"):
        digitbox.read_results(io.StringIO("file,prediction\n"))


@pytest.mark.parametrize("cell", ["12", "420", "-1"])
def test_a_number_among_single_digits_names_its_line(tmp_path: Path, cell: str) -> None:
    file = three(tmp_path)
    file.write_text(file.read_text().replace(",7,", f",{cell},"))
    with pytest.raises(digitbox.InputError, match=f"line 2: '{cell}' is no digit"):
        digitbox.read_results(file)


@pytest.mark.parametrize("number", [12, 420, -1])
def test_a_number_among_digits_in_parquet_names_its_row(tmp_path: Path, number: int) -> None:
    file = three(tmp_path, format_name="parquet")
    pd.read_parquet(file).assign(prediction=number).to_parquet(file)
    with pytest.raises(digitbox.InputError, match=f"line 1: {number} is no digit"):
        digitbox.read_results(file)
