"""Numbers in results: leading zeros through CSV, pandas, Parquet, export and corrections."""

import csv
import dataclasses
import hashlib
import io
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest

from batch.api.frames import read_results
from batch.errors import ConfigError, InputError
from batch.locations import LABELLED
from batch.outbox.corrections import correct_outcome, load
from batch.outbox.export import PublishedRows, RowFilter, export_rows
from batch.outbox.ledger import open_ledger
from batch.records import Outcome, Reason, ScanRef, Status
from batch.report import apply as applying
from batch.report import page, rows
from batch.report.answers import copy_labelled, is_confirmed
from batch.report.apply import WrongLinesError
from batch.report.live import LiveRows
from batch.report.pictures import Models
from batch.report.rows import Entry, ResultsFolder
from batch.results import reader, schema
from batch.results.writers import CsvWriter, ParquetWriter
from published import NOON
from published import publish as publish_outcomes

NUMBERS = ("0042", "7", "000", "123456789012")


def publish(outbox: Path, *, format_name: str = "csv", with_numbers: bool = True) -> Path:
    """Publish a row for each number, and a refused one; return the file."""
    outcomes = [
        Outcome(
            ScanRef(f"/in/{place}.png", f"{place}.png", source="/in"),
            Status.OK,
            None,
            f"{place}" * 64,
            number if with_numbers else place,
            0.99,
            digit_confidences=(0.995,) * len(number) if with_numbers else (),
        )
        for place, number in enumerate(NUMBERS)
    ]
    outcomes.append(Outcome(ScanRef("/in/r.png", "r.png"), Status.REFUSED, Reason.WRONG_LENGTH, "9" * 64))
    return publish_outcomes(outbox, outcomes, format_name=format_name, with_numbers=with_numbers)


def test_the_column_of_numbers_is_last_and_only_if_asked(tmp_path: Path) -> None:
    path = publish(tmp_path / "numbers")
    assert reader.columns(path) == [*schema.COLUMNS, "page", "source", "digit_confidences"]
    lines = path.read_text(encoding="utf-8").splitlines()
    assert lines[1].startswith("0.png,0042,0.990000,ok,,")
    assert lines[1].endswith(',"0.995000;0.995000;0.995000;0.995000"')
    assert lines[-1].startswith("r.png,,,refused,wrong_length,")
    assert reader.columns(publish(tmp_path / "digits", with_numbers=False)) == [
        *schema.COLUMNS,
        "page",
        "source",
    ]


def test_pandas_and_parquet_keep_leading_zeros(tmp_path: Path) -> None:
    expected = [*NUMBERS, None]
    table = pd.read_csv(publish(tmp_path / "csv"), dtype={"prediction": str})
    assert [None if pd.isna(cell) else cell for cell in table["prediction"]] == expected
    path = publish(tmp_path / "parquet", format_name="parquet")
    assert pq.read_table(path).column("prediction").to_pylist() == expected
    digits = pq.read_table(publish(tmp_path / "digits", format_name="parquet", with_numbers=False))
    assert str(digits.schema.field("prediction").type) == "int8"


@pytest.mark.parametrize("format_name", ["csv", "parquet"])
def test_rows_are_read_back_as_they_were(tmp_path: Path, format_name: str) -> None:
    found = list(reader.read(publish(tmp_path, format_name=format_name)))
    assert [row.prediction for row in found] == [*NUMBERS, None]
    assert found[0].digit_confidences == pytest.approx((0.995,) * 4)
    assert found[-1].digit_confidences == ()


@pytest.mark.parametrize("cell", ["4.2", "1e5", "-5", "\uff11\uff12", "1234567890123", "x"])
def test_a_cell_that_is_no_number_names_its_line(tmp_path: Path, cell: str) -> None:
    path = publish(tmp_path)
    path.write_text(path.read_text(encoding="utf-8").replace("0042", cell), encoding="utf-8")
    with pytest.raises(InputError, match=r"line 2: .* is no number"):
        list(reader.read(path))


@pytest.mark.parametrize("cell", ["42", "0", "42.0", "1,23457E+11"])
@pytest.mark.parametrize("read", [reader.read, reader.records])
def test_a_cell_that_lost_its_zeros_names_its_line(
    read: Callable[[Path], Iterator[object]], cell: str, tmp_path: Path
) -> None:
    """A spreadsheet or pandas has made a number of it; its digits have a confidence each."""
    path = publish(tmp_path)
    path.write_text(path.read_text(encoding="utf-8").replace(",0042,", f',"{cell}",'), encoding="utf-8")
    with pytest.raises(InputError, match=r"line 2: .* is no number of 4 digits: .* text for numbers"):
        list(read(path))


@pytest.mark.parametrize("format_name", ["csv", "parquet"])
def test_export_joins_digits_and_numbers(tmp_path: Path, format_name: str) -> None:
    publish(tmp_path, format_name=format_name, with_numbers=False)
    publish(tmp_path, format_name=format_name)
    target = tmp_path / "all.csv"
    with open_ledger(tmp_path, read_only=True) as ledger, target.open("w", encoding="utf-8") as file:
        source = PublishedRows(ledger, tmp_path, RowFilter(latest=False))
        assert export_rows(source, None, lambda names: CsvWriter(file, names)) == 10
    with target.open(encoding="utf-8", newline="") as file:
        table = list(csv.DictReader(file))
    assert sorted(row["prediction"] for row in table) == sorted(["0", "1", "2", "3", "", *NUMBERS, ""])
    assert list(table[0])[-1] == "digit_confidences"


def corrections(outbox: Path, path: Path, answers: Sequence[tuple[int, str]]) -> Path:
    published = list(reader.read(path))
    lines = [
        f"{published[place].file},{published[place].sha256},{published[place].batch},{label}\n"
        for place, label in answers
    ]
    file = outbox / "corrections.csv"
    file.write_text("file,sha256,batch,corrected\n" + "".join(lines), encoding="utf-8")
    return file


def test_a_person_corrects_numbers_with_numbers(tmp_path: Path) -> None:
    path = publish(tmp_path)
    file = corrections(tmp_path, path, [(0, "0043"), (1, "7"), (2, "none"), (4, "12345")])
    result = applying.apply(file, tmp_path, by="me")
    assert [is_confirmed(correction) for correction in result.added] == [False, True, False, False]
    found = list(map(load(tmp_path).apply, reader.records(path)))
    assert [row["prediction"] for row in found] == ["0043", "7", None, "123456789012", "12345"]
    assert [row["reason"] for row in found] == [None, None, "not_a_number", None, None]
    assert [row["digit_confidences"] is None for row in found] == [True, True, True, False, True]
    assert [row["corrected"] for row in found] == ["0042", "7", "000", None, "wrong_length"]
    frame = read_results(tmp_path)
    assert frame["prediction"][[0, 1, 4]].tolist() == ["0043", "7", "12345"]
    effective = [entry.status for entry in ResultsFolder(tmp_path).read(path, {})]
    assert effective == [Status.OK, Status.OK, Status.REFUSED, Status.OK, Status.OK]


@pytest.mark.parametrize("format_name", ["csv", "parquet"])
@pytest.mark.parametrize("is_alone", [False, True])
def test_a_person_s_number_stays_if_read_as_a_digit(is_alone: bool, format_name: str, tmp_path: Path) -> None:
    """It is the result in every table, also in one that has no other numbers."""
    numbers = publish(tmp_path, format_name=format_name)
    applying.apply(corrections(tmp_path, numbers, [(0, "0043"), (1, "8")]), tmp_path, by="me")
    digits = publish(tmp_path, format_name=format_name, with_numbers=False)
    said = load(tmp_path)
    found = list(map(said.apply, reader.records(digits)))[:3]
    assert [row["prediction"] for row in found] == ["0043", 8, 2]
    assert {(row["status"], row["reason"]) for row in found} == {("ok", None)}
    entries = list(ResultsFolder(tmp_path).read(digits, {}))[:3]
    assert [(entry.status, entry.digit) for entry in entries] == [
        (Status.OK, None),
        (Status.OK, 8),
        (Status.OK, 2),
    ]
    if is_alone:
        numbers.unlink()
    target = tmp_path / "elsewhere" / f"all.{format_name}"
    target.parent.mkdir()
    with open_ledger(tmp_path, read_only=True) as ledger, target.open("wb") as file:
        text = io.TextIOWrapper(file, encoding="utf-8", newline="")
        rows_of = PublishedRows(ledger, tmp_path, RowFilter(latest=True))
        if format_name == "csv":
            export_rows(rows_of, said, partial(CsvWriter, text))
        else:
            export_rows(rows_of, said, partial(ParquetWriter, file))
        text.flush()
    exported, frame = read_results(target), read_results(digits)
    assert exported["prediction"].tolist() == ["0043", "8", "2", "3", pd.NA]
    assert exported.equals(frame) and str(frame["prediction"].dtype) == "string"
    if format_name == "parquet":
        assert str(pq.read_schema(target).field("prediction").type) == "string"


@pytest.mark.parametrize("is_alone", [False, True])
def test_numbers_apply_again_if_read_as_digits_since(is_alone: bool, tmp_path: Path) -> None:
    numbers = publish(tmp_path)
    file = corrections(tmp_path, numbers, [(0, "0043"), (1, "8"), (2, "none"), (4, "12345")])
    assert len(applying.apply(file, tmp_path, by="me").added) == 4
    publish(tmp_path, with_numbers=False)
    if is_alone:
        numbers.unlink()
    again = applying.apply(file, tmp_path, by="me")
    assert (again.added, again.known) == ([], 4)


def test_a_number_takes_a_comment_if_read_as_a_digit_since(tmp_path: Path) -> None:
    applying.apply(corrections(tmp_path, publish(tmp_path), [(0, "0043")]), tmp_path, by="me")
    publish(tmp_path, with_numbers=False)
    with closing(LiveRows(tmp_path, "me", Models())) as page_rows:
        columns = page_rows.changes(0, 0)["columns"]
        keys = dict(zip(columns["file"], columns["key"], strict=True))
        page_rows.save([{"key": keys["0.png"], "corrected": "0043", "comment": "sure"}])
        _, refused = page_rows.save([{"key": keys["1.png"], "corrected": "42"}])
        assert refused == [keys["1.png"]]
    assert [(said.corrected, said.comment) for said in load(tmp_path)] == [("0043", "sure")]


def test_a_number_comes_back_if_read_as_a_digit_since(tmp_path: Path) -> None:
    numbers = publish(tmp_path)
    applying.apply(corrections(tmp_path, numbers, [(0, "0043"), (2, "none")]), tmp_path, by="me")
    digits = publish(tmp_path, with_numbers=False)
    numbers.unlink()
    for labels in (["open", "3"], ["0043", "120"]):  # undone, or said in an older report
        file = corrections(tmp_path, digits, [*zip((0, 2), labels, strict=True)])
        assert [said.corrected for said in applying.apply(file, tmp_path, by="me").added] == labels
    with pytest.raises(WrongLinesError):
        applying.apply(corrections(tmp_path, digits, [(3, "12")]), tmp_path, by="me")


def test_retry_knows_what_a_person_said_of_a_number(tmp_path: Path) -> None:
    file = corrections(tmp_path, publish(tmp_path), [(0, "none"), (4, "12345")])
    applying.apply(file, tmp_path, by="me")
    said = load(tmp_path)
    first = Outcome(ScanRef("/in/0.png", "0.png"), Status.OK, None, "0" * 64)
    last = Outcome(ScanRef("/in/r.png", "r.png"), Status.REFUSED, Reason.WRONG_LENGTH, "9" * 64)
    assert correct_outcome(first, said).reason is Reason.NOT_A_NUMBER
    assert correct_outcome(last, said).status is Status.OK


def test_retry_knows_a_number_that_was_read_as_a_digit_since(tmp_path: Path) -> None:
    file = corrections(tmp_path, publish(tmp_path), [(0, "0043"), (1, "none")])
    applying.apply(file, tmp_path, by="me")
    said = load(tmp_path)
    for name, was, status, corrected in (
        ("0.png", Reason.SEVERAL_DIGITS, Status.OK, None),
        ("1.png", Reason.NOT_A_DIGIT, Status.REFUSED, Reason.NOT_A_DIGIT),
        ("1.png", Reason.WRONG_LENGTH, Status.REFUSED, Reason.NOT_A_NUMBER),
    ):
        outcome = Outcome(ScanRef(f"/in/{name}", name), Status.REFUSED, was, name[0] * 64)
        found = correct_outcome(outcome, said)
        assert (found.status, found.reason) == (status, corrected)


def test_a_labelled_scan_moves_to_the_folder_of_its_last_number(tmp_path: Path) -> None:
    scan = tmp_path / "a.png"
    scan.write_bytes(b"scan")
    digest = hashlib.sha256(b"scan").hexdigest()
    row = reader.Row("a.png", "0042", 0.9, Status.OK, "", digest, "b0", "m", "", digit_confidences=(0.9,) * 4)
    entry = Entry(row, (str(scan),))
    for label in ("0042", "0043", "none", "7"):
        assert copy_labelled([(entry, label)], tmp_path).copied == 1
        (copy,) = (tmp_path / LABELLED).glob("*/*.png")
        assert copy.parent.name == label
    copy_labelled([(entry, "open")], tmp_path)
    assert not list((tmp_path / LABELLED).glob("*/*.png"))


@pytest.mark.parametrize("label", ["4.2", "1234567890123", "", "twelve"])
def test_other_corrections_of_numbers_say_what_they_must_be(tmp_path: Path, label: str) -> None:
    file = corrections(tmp_path, publish(tmp_path), [(0, label)])
    with pytest.raises(ConfigError) as raised:
        applying.apply(file, tmp_path, by="me")
    assert isinstance(raised.value, applying.WrongLinesError)
    (problem,) = raised.value.problems
    assert problem.endswith("it must be a number of at most 12 digits, none or open")


def test_single_digits_take_no_number(tmp_path: Path) -> None:
    file = corrections(tmp_path, publish(tmp_path, with_numbers=False), [(0, "42")])
    with pytest.raises(applying.WrongLinesError) as raised:
        applying.apply(file, tmp_path, by="me")
    assert raised.value.problems == ["line 2: corrected is '42': it must be 0 to 9, none or open"]


def test_the_report_shows_numbers_as_text(tmp_path: Path) -> None:
    report_rows = rows.collect([publish(tmp_path)])
    assert sorted(str(entry.row.prediction) for entry in report_rows.entries) == sorted([*NUMBERS, "None"])
    text = page.html(report_rows, {}, NOON, str(tmp_path))
    assert '"0042"' in text and '"000"' in text
    assert all(reason.value in page.REASONS for reason in Reason)


def test_the_report_counts_numbers_of_one_digit_as_digits(tmp_path: Path) -> None:
    """A click on the bar of a digit shows them, too."""
    path = publish(tmp_path)
    assert rows.collect([path]).digits == {7: 1}
    applying.apply(corrections(tmp_path, path, [(0, "8"), (1, "07")]), tmp_path, by="me")
    assert rows.collect([path]).digits == {8: 1}


def test_outcomes_of_digits_have_no_confidences_of_digits() -> None:
    assert Outcome(ScanRef("a", "a"), Status.OK).digit_confidences == ()
    assert dataclasses.fields(reader.Row)[-1].name == "digit_confidences"
