import sqlite3
from datetime import timedelta
from pathlib import Path

import pytest

from batch.errors import InputError
from batch.records import After, Status
from batch.report import rows
from batch.results import reader
from published import NOON, four, outcome, publish, scan


def names(report_rows: rows.ReportRows) -> list[str]:
    return [entry.row.file for entry in report_rows.entries]


def test_the_doubtful_come_first(tmp_path: Path) -> None:
    publish(tmp_path / "out", four(tmp_path / "scans"))
    report_rows = rows.collect(rows.find_sources([tmp_path / "out"]))
    assert names(report_rows) == ["unsure.png", "blank.png", "broken.png", "sure.png"]
    assert report_rows.counts == dict.fromkeys(Status, 1)
    assert (report_rows.digits, report_rows.confidences) == ({1: 1, 7: 1}, {18: 1, 8: 1})


@pytest.mark.parametrize("format_name", ["csv", "parquet"])
def test_results_are_read_as_digitbox_wrote_them(tmp_path: Path, format_name: str) -> None:
    outcomes = four(tmp_path / "scans")
    path = publish(tmp_path / "out", outcomes, format_name=format_name)
    results = list(reader.read(path))
    assert [(r.file, r.prediction, r.confidence, r.status, r.reason, r.sha256) for r in results] == [
        (o.ref.name, o.label, o.confidence, o.status, o.reason or "", o.sha256) for o in outcomes
    ]
    assert {(r.model, r.processed_at) for r in results} == {("fake-1", "2026-01-02T12:00:00Z")}


def test_moved_scans_are_found(tmp_path: Path) -> None:
    publish(tmp_path / "out", [outcome(scan(tmp_path / "scans", "a.png"))], after=After.MOVE)
    (entry,) = rows.collect(rows.find_sources([tmp_path / "out"])).entries
    assert [Path(path).exists() for path in entry.paths] == [False, True]


def test_last_row_counts_for_a_scan_read_again_in_place(tmp_path: Path) -> None:
    ref = scan(tmp_path / "scans", "a.png")
    for number in range(3):
        now = NOON + timedelta(seconds=number)
        publish(tmp_path / "out", [outcome(ref, label=number)], now=now)
    report_rows = rows.collect(rows.find_sources([tmp_path / "out"]))
    assert ([entry.row.prediction for entry in report_rows.entries], report_rows.read_again) == ([2], 2)
    for number in range(2):
        now = NOON + timedelta(seconds=number)
        publish(tmp_path / "moved", [outcome(scan(tmp_path / "scans", "a.png"))], after=After.MOVE, now=now)
    assert rows.collect(rows.find_sources([tmp_path / "moved"])).read_again == 1


def test_a_file_with_two_names_counts_once(tmp_path: Path) -> None:
    path = publish(tmp_path / "out", four(tmp_path / "scans"))
    (tmp_path / "link").symlink_to(tmp_path / "out")
    assert rows.find_sources([tmp_path / "out", tmp_path / "link", path]) == [path]


def test_surplus_ok_rows_are_only_counted(tmp_path: Path) -> None:
    path = publish(tmp_path / "out", [*four(tmp_path / "scans"), outcome(scan(tmp_path / "scans", "b.png"))])
    report_rows = rows.collect([path], max_ok_rows=1)
    assert (len(report_rows.left_out), report_rows.counts[Status.OK], len(report_rows.entries)) == (1, 2, 4)


def test_without_a_ledger_scans_lie_beside_the_results(tmp_path: Path) -> None:
    path = publish(tmp_path / "out", [outcome(scan(tmp_path / "scans", "a.png"))])
    moved = path.rename(tmp_path / "scans" / path.name)
    (entry,) = rows.collect([moved]).entries
    assert Path(entry.paths[0]) == tmp_path / "scans" / "a.png"


def test_wrong_results_are_an_error(tmp_path: Path) -> None:
    (tmp_path / "other.csv").write_text("a,b\n1,2\n")
    good = publish(tmp_path / "out", [outcome(scan(tmp_path / "scans", "a.png"))])
    lines = good.read_text().splitlines()
    wrong: dict[str, str | bytes] = {
        "short.csv": f"{lines[0]}\na.png,1\n",
        "digit.csv": "\n".join(lines).replace("a.png,1,", "a.png,12,"),
        "sure.csv": "\n".join(lines).replace("0.900000", "nan"),
        "percent.csv": "\n".join(lines).replace("0.900000", "90"),
        "status.csv": "\n".join(lines).replace(",ok,", ",fine,"),
        "latin.csv": b"\xff\xfe",
    }
    for name, content in wrong.items():
        (tmp_path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    for name, words in {
        "other.csv": "no column file",
        "short.csv": "line 2: 2 cells under 11 columns",
        "digit.csv": "line 2: '12' is no digit",
        "sure.csv": "line 2: 'nan' is no confidence",
        "percent.csv": "line 2: '90' is no confidence",
        "status.csv": "line 2: 'fine'",
        "latin.csv": "no CSV in UTF-8",
    }.items():
        with pytest.raises(InputError, match=words):
            rows.collect([tmp_path / name])
    for missing in (tmp_path / "none", tmp_path / "scans"):
        with pytest.raises(InputError, match=r"no such file|no results in"):
            rows.find_sources([missing])


def test_ledger_of_an_older_digitbox_stays_as_it_is(tmp_path: Path) -> None:
    publish(tmp_path / "out", four(tmp_path / "scans"))
    ledger = tmp_path / "out" / ".digitbox" / "ledger.sqlite3"
    with sqlite3.connect(ledger) as connection:
        connection.execute("DROP TABLE runs")
        connection.execute("PRAGMA user_version = 1")
    assert len(rows.collect(rows.find_sources([tmp_path / "out"])).entries) == 4
    with sqlite3.connect(ledger) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (1,)
