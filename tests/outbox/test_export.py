import csv
import io
import itertools
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from batch.locations import STATE
from batch.outbox.export import PublishedRows, RowFilter, export_rows
from batch.records import Outcome, Reason, ScanRef, Status
from batch.results import reader
from batch.results.schema import Record
from command import ROOT, Digitbox
from published import make_old, open_outbox

START = datetime(2026, 11, 1, tzinfo=UTC)


def read(
    name: str,
    sha256: str = "aa",
    status: Status = Status.OK,
    confidence: float = 0.987654,
    source: str = "/in",
) -> Outcome:
    ref = ScanRef(f"{source}/{name}", name, source=source)
    if status is Status.FAILED:
        return Outcome(ref, status, Reason.UNREADABLE, sha256)
    probabilities = (confidence, *[(1 - confidence) / 9] * 9)
    return Outcome(ref, status, None, sha256, 0, confidence, probabilities)


Publish = Callable[..., Path]


@pytest.fixture
def publish(tmp_path: Path) -> Publish:
    """Return a call that publishes a batch; its hour counts from 1 November, and each row takes a minute."""

    def published(hours: float, *outcomes: Outcome, **options: Any) -> Path:
        times = (START + timedelta(hours=hours, minutes=number) for number in range(10**6))
        options = {"now": lambda: next(times), **options}
        with open_outbox(tmp_path / "outbox", model="m", **options) as outbox:
            for outcome in outcomes:
                outbox.add([outcome])
            path = outbox.publish()
        assert path is not None
        return Path(path)

    return published


def rows_of(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def names_of(text: str) -> list[str]:
    return [row["file"] for row in rows_of(text)]


def test_batches_become_one_table_cell_for_cell(digitbox: Digitbox, publish: Publish) -> None:
    first = publish(0, read("a.png"), read("=b\n.png"), read("c.png", "", Status.FAILED))
    second = publish(24, read("d.png", confidence=0.5))
    published = [
        *first.read_text(encoding="utf-8").splitlines(),
        *second.read_text(encoding="utf-8").splitlines()[1:],
    ]
    assert digitbox("export", "--published").out.splitlines() == published
    result = digitbox("export")
    assert result.out.splitlines() == [
        f"{published[0]},corrected,comment",
        *(f"{line},," for line in published[1:]),
    ]
    assert (result.code, result.err) == (0, "4 rows of 2 files of results\n")


def test_a_column_that_a_batch_lacks_is_empty(digitbox: Digitbox, publish: Publish) -> None:
    publish(0, read("a.png"))
    publish(1, read("b.png"), with_probabilities=True)
    first, second = rows_of(digitbox("export").out)
    assert list(first) == list(second)
    probabilities = [f"p{digit}" for digit in range(10)]
    assert list(second)[-15:] == ["processed_at", *probabilities, "page", "source", "corrected", "comment"]
    assert (first["p0"], second["p0"]) == ("", "0.987654")


@pytest.mark.parametrize("source", ["csv", "parquet"])
@pytest.mark.parametrize("target", ["csv", "parquet"])
def test_formats_may_be_mixed(
    digitbox: Digitbox, publish: Publish, tmp_path: Path, source: str, target: str
) -> None:
    outcomes = [read("a.png", confidence=0.123456789), read("\xe9.png", "", Status.FAILED)]
    publish(0, *outcomes, format_name=source, with_probabilities=True)
    result = digitbox("export", "--format", target, "--output", "all")
    assert (result.code, result.out) == (0, "")
    if target == "csv":
        first, second = rows_of((tmp_path / "all").read_text(encoding="utf-8"))
        assert (first["confidence"], second["confidence"], second["sha256"]) == ("0.123457", "", "")
        assert (first["p1"], second["p1"], first["processed_at"]) == ("0.097394", "", "2026-11-01T00:01:00Z")
        return
    table = pq.read_table(tmp_path / "all").to_pylist()
    assert table[0]["confidence"] == (0.123456789 if source == "parquet" else 0.123457)
    assert (table[0]["prediction"], table[1]["prediction"], table[1]["p0"]) == (0, None, None)
    assert (table[1]["file"], table[1]["processed_at"]) == ("\xe9.png", START + timedelta(minutes=2))


def test_rows_of_a_time_and_a_status(digitbox: Digitbox, publish: Publish) -> None:
    publish(0, read("a.png"), read("b.png", status=Status.REVIEW))
    publish(23.98, *(read(f"{minute}.png") for minute in range(4)))  # it goes on after midnight
    publish(30, read("z.png"))
    assert names_of(digitbox("export", "--since", "2026-11-02").out) == ["1.png", "2.png", "3.png", "z.png"]
    assert names_of(digitbox("export", "--until", "2026-11-01").out) == ["a.png", "b.png", "0.png"]
    both = ["--since", "2026-11-02T00:01", "--until", "2026-11-02T01:03+01:00"]
    assert names_of(digitbox("export", *both).out) == ["2.png", "3.png"]
    assert names_of(digitbox("export", "--status", "review", "--status", "failed").out) == ["b.png"]
    assert digitbox("export", "--since", "2027-01-01").out.count("\n") == 1


def test_rows_of_a_time_after_the_clock_was_set_back(digitbox: Digitbox, publish: Publish) -> None:
    publish(1, *(read(f"{minute}.png") for minute in range(90)))
    publish(0, read("back.png"))
    publish(4, read("z.png"))
    since = ["--since", "2026-11-01T02:29"]
    assert names_of(digitbox("export", *since).out) == ["88.png", "89.png", "z.png"]
    until = ["--until", "2026-11-01T00:30"]
    assert names_of(digitbox("export", *until).out) == ["back.png"]
    assert names_of(digitbox("export", "--until", "2026-11-01T00:01").out) == []


def test_rows_of_a_batch_in_which_the_clock_was_set_back(digitbox: Digitbox, publish: Publish) -> None:
    times = iter([START + timedelta(hours=hours) for hours in (5, 5, 3)])
    publish(0, read("a.png"), read("back.png"), now=lambda: next(times))
    publish(4, read("z.png"))
    assert names_of(digitbox("export", "--until", "2026-11-01T04:00").out) == ["back.png"]


def test_the_latest_row_of_each_scan(digitbox: Digitbox, publish: Publish) -> None:
    publish(0, read("a.png", "aa", Status.REVIEW), read("b.png", "", Status.FAILED), read("c.png", "cc"))
    publish(
        1, read("a.png", "aa"), read("b.png", "bb"), read("c.png", "dd"), read("d.png", "", Status.FAILED)
    )
    rows = rows_of(digitbox("export", "--latest").out)
    assert [(row["file"], row["sha256"], row["status"]) for row in rows] == [
        ("c.png", "cc", "ok"),
        ("a.png", "aa", "ok"),
        ("b.png", "bb", "ok"),
        ("c.png", "dd", "ok"),  # another content: another scan
        ("d.png", "", "failed"),
    ]
    assert names_of(digitbox("export", "--latest", "--status", "review").out) == []
    until = ["--until", "2026-11-01T00:30"]
    assert names_of(digitbox("export", "--latest", "--status", "review", *until).out) == ["a.png"]


def test_the_latest_rows_of_scans_of_the_same_name(digitbox: Digitbox, publish: Publish) -> None:
    publish(0, read("a.png", source="/one"), read("a.png", source="/two"), read("b.png", "", Status.FAILED))
    publish(1, read("a.png", source="/two"), read("b.png", source="/two"))
    rows = rows_of(digitbox("export", "--latest").out)
    assert [(row["source"], row["file"], row["processed_at"][11:16]) for row in rows] == [
        ("/one", "a.png", "00:01"),
        ("/in", "b.png", "00:03"),
        ("/two", "a.png", "01:01"),
        ("/two", "b.png", "01:02"),
    ]


def test_a_scan_by_another_name_is_another_one(digitbox: Digitbox, publish: Publish) -> None:
    publish(0, read("a.png", source="/in"))
    publish(1, read("in/a.png", source="/in"))
    assert names_of(digitbox("export", "--latest").out) == ["a.png", "in/a.png"]
    assert "A scan that you named in another way" in " ".join(digitbox("export", "--help").out.split())


@pytest.mark.parametrize("format_name", ["csv", "parquet"])
def test_the_latest_rows_with_results_of_older_versions(
    digitbox: Digitbox, publish: Publish, format_name: str
) -> None:
    """A row without a source gives way to a later row of its name and content, wherever that was found."""
    first = publish(0, read("a.png"), read("b.png"), read("c.png"), format_name=format_name)
    old_id = make_old(first).stem.split("-")[-1]
    assert [(row["page"], row["source"]) for row in rows_of(digitbox("export").out)] == [("", "")] * 3
    publish(1, read("a.png"), read("b.png", "bb"), format_name=format_name)
    publish(2, read("a.png", source="/two"), format_name=format_name)
    rows = rows_of(digitbox("export", "--latest").out)
    assert [(row["source"], row["file"], row["sha256"]) for row in rows] == [
        ("", "b.png", "aa"),
        ("", "c.png", "aa"),
        ("/in", "a.png", "aa"),
        ("/in", "b.png", "bb"),
        ("/two", "a.png", "aa"),
    ]
    assert [row["batch"] == old_id for row in rows] == [True, True, False, False, False]


VALUES: dict[str, list[Any]] = {
    "file": ["a", "b"],
    "source": [None, "/x", "/y"],
    "page": [None, 1, 2],
    "sha256": [None, "s", "t"],
}
ROWS = st.fixed_dictionaries({name: st.sampled_from(values) for name, values in VALUES.items()})


@given(st.lists(st.lists(ROWS, max_size=4)), st.booleans())
def test_the_latest_rows_by_a_simple_rule(batches: list[list[Record]], has_old: bool) -> None:
    rows: list[tuple[int, Record]] = []
    for number, batch in enumerate(batches):
        for place, cells in enumerate(batch):
            source = cells["source"] if has_old else cells["source"] or "/x"
            row = {**cells, "source": source, "status": "ok", "number": len(rows)}
            rows.append((number << 32 | place, row))

    def gives_way(row: Record, later: Record) -> bool:
        """Return whether a later row is the same in what a row has."""
        return row["file"] == later["file"] and all(row[name] in (None, later[name]) for name in VALUES)

    expected = [
        row["number"]
        for number, (_, row) in enumerate(rows)
        if not any(gives_way(row, later) for _, later in rows[number + 1 :])
    ]

    class Rows(PublishedRows):
        def check_files(self) -> list[str]:
            self.has_old_files = has_old
            return ["number"]

        def rows(self) -> Any:
            yield from rows

    class Numbers:
        def __init__(self) -> None:
            self.numbers: list[int] = []

        def add(self, row: Sequence[Any]) -> None:
            self.numbers.append(row[0])

        def close(self) -> None:
            pass

    writer, source = Numbers(), Rows(None, Path(), RowFilter(latest=True))
    assert export_rows(source, None, lambda _: writer) == len(expected)
    assert writer.numbers == expected


@pytest.mark.parametrize("damage", ["taken", "changed"])
def test_missing_results_are_an_error(
    digitbox: Digitbox, publish: Publish, tmp_path: Path, damage: str
) -> None:
    first = publish(0, read("a.png"))
    publish(1, read("b.png"))
    if damage == "taken":
        first.unlink()
    else:
        first.write_text(first.read_text().replace("ok", "review"))
    result = digitbox("export", "--output", "all.csv")
    assert (result.code, first.name in result.err) == (4, True)
    assert names_of((tmp_path / "all.csv").read_text()) == ["b.png"]
    assert digitbox("export", "--since", "2026-11-01T01:01").code == 0


@pytest.mark.parametrize("at", ["check", "rows"])
@pytest.mark.parametrize("format_name", ["csv", "parquet"])
def test_results_may_be_taken_while_it_works(
    digitbox: Digitbox,
    publish: Publish,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    format_name: str,
    at: str,
) -> None:
    publish(0, read("a.png"), format_name=format_name)
    taken = publish(1, read("b.png"), format_name=format_name)
    publish(2, read("c.png"), format_name=format_name)
    name, count = ("columns", 2) if at == "check" else ("records", 1)
    real = getattr(reader, name)
    calls = itertools.count(1)

    def taking(path: Path) -> Any:
        if next(calls) == count:
            taken.unlink()
        return real(path)

    monkeypatch.setattr(reader, name, taking)
    result = digitbox("export", "--output", "all.csv")
    assert (result.code, taken.name in result.err) == (4, True), result.err
    assert "2 rows of 2 files of results in all.csv" in result.err
    assert names_of((tmp_path / "all.csv").read_text()) == ["a.png", "c.png"]


def test_unpublished_rows_are_left_out(digitbox: Digitbox, publish: Publish, tmp_path: Path) -> None:
    path = publish(0, read("a.png"))
    (tmp_path / "outbox" / "predictions-20261101T000000Z-0000.csv").write_bytes(path.read_bytes())
    with closing(sqlite3.connect(tmp_path / "outbox" / STATE / "ledger.sqlite3")) as ledger, ledger:
        ledger.execute("UPDATE batches SET state = 'prepared'")
    result = digitbox("export")
    assert result.out.count("\n") == 1
    assert "left out of outbox: 1 file that digitbox did not publish there" in result.err


def test_export_overwrites_nothing_and_leaves_nothing_half(
    digitbox: Digitbox, publish: Publish, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(0, read("a.png"))
    (tmp_path / "there").symlink_to("nowhere")
    result = digitbox("export", "--output", "there")
    assert (result.code, "give another --output" in result.err) == (2, True)
    assert digitbox("export", "--output", "gone/all.csv").code == 6
    if os.path.exists("/dev/full"):
        monkeypatch.setattr(
            "batch.results.writers.CsvWriter.add", lambda *_: os.write(os.open("/dev/full", 1), b"x")
        )
        result = digitbox("export", "--output", "all.csv")
        assert (result.code, "No space left" in result.err) == (6, True)
    assert sorted(os.listdir(tmp_path)) == ["outbox", "there"]


@pytest.mark.parametrize("name", ["all.xlsx", "all.PARQUET"])
def test_a_suffix_of_another_format_is_refused(digitbox: Digitbox, tmp_path: Path, name: str) -> None:
    (tmp_path / "outbox").mkdir()
    result = digitbox("export", "--output", name)
    wanted = f"add --format {name.lower().removeprefix('all.')}, or name another file\n"
    assert (result.code, result.err.endswith(wanted)) == (2, True)
    assert digitbox("export", "--output", "all.csv").code == 0
    assert sorted(os.listdir(tmp_path)) == ["all.csv", "outbox"]


def test_no_outbox_and_no_ledger_yet(digitbox: Digitbox, tmp_path: Path) -> None:
    assert digitbox("export").code == 4
    (tmp_path / "outbox").mkdir()
    result = digitbox("export")
    assert (result.code, result.out.count("\n"), result.err) == (0, 1, "0 rows of 0 files of results\n")
    assert list((tmp_path / "outbox").iterdir()) == []
    assert digitbox("export", "--format", "parquet").code == 2
    assert digitbox("export", "--since", "yesterday").code == 2


@pytest.mark.parametrize("format_name", ["csv", "parquet"])
def test_files_of_results_without_their_ledger(
    digitbox: Digitbox, publish: Publish, tmp_path: Path, format_name: str
) -> None:
    publish(0, read("a.png"), format_name=format_name)
    shutil.rmtree(tmp_path / "outbox" / STATE)  # as in a copy of an outbox in object storage
    result = digitbox("export")
    assert (result.code, result.out, len(result.err.splitlines())) == (4, "", 1)
    assert "has files of results and no ledger: join the files, each begins with the columns" in result.err
    assert digitbox("export", "--output", "all.csv").code == 4
    assert not (tmp_path / "all.csv").exists()


def test_while_another_digitbox_writes(digitbox: Digitbox, publish: Publish, tmp_path: Path) -> None:
    publish(0, read("a.png"))
    with open_outbox(tmp_path / "outbox", model="m") as outbox:
        outbox.add([read("b.png")])
        assert names_of(digitbox("export").out) == ["a.png"]


def test_a_reader_may_close_stdout_early(publish: Publish, tmp_path: Path) -> None:
    publish(0, *(read(f"{number}.png") for number in range(900)), with_probabilities=True)
    export = [sys.executable, "-m", "batch", "export", "--outbox", str(tmp_path / "outbox")]
    with subprocess.Popen(export, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=ROOT) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.read(4) == b"file"
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait() == 0


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="Linux has a disk that is always full")
def test_a_full_disk_behind_stdout(publish: Publish, tmp_path: Path) -> None:
    publish(0, read("a.png"))
    export = [sys.executable, "-m", "batch", "export", "--outbox", str(tmp_path / "outbox")]
    with open("/dev/full", "w") as full:
        result = subprocess.run(export, stdout=full, stderr=subprocess.PIPE, check=False, cwd=ROOT)
    assert (result.returncode, len(result.stderr.splitlines())) == (6, 1)
    assert b"cannot write to stdout" in result.stderr
