"""Tests of scans that retry brings back under another name, and of their rows and answers."""

import csv
import io
import json
import os
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from batch.outbox.corrections import CorrectionStore
from batch.outbox.prune import Limits, prune_outbox
from batch.records import Status
from batch.report import answers
from batch.report.answers import Answer
from batch.report.rows import collect, find_sources
from command import Digitbox
from formats import FORMATS, SEVERAL_PAGES, two
from scan_folders import fill, names

TWO = FORMATS["png-8"](two())


def test_a_scan_with_a_new_name_is_still_the_same(digitbox: Digitbox, inbox: Path, tmp_path: Path) -> None:
    """A scanner calls its scan the same every day. Its rows and a person's answer follow the new name."""
    for content in (TWO[:60], TWO[:70]):
        fill(inbox / "box", scan=content)
        digitbox("run", "--after", "move", "--settle", "0")
    rows = list(csv.DictReader(io.StringIO(digitbox("export", "--latest").out)))
    keys = ["file", "sha256", "batch", "prediction", "page", "source"]
    with (tmp_path / "corrections.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, [*keys, "corrected", "reviewed_at"])
        writer.writeheader()
        for row, answer in zip(rows, ("3", "4"), strict=True):
            writer.writerow({**{key: row[key] for key in keys}, "corrected": answer, "reviewed_at": ""})
    assert digitbox("apply").code == 0
    for _ in range(2):  # the new name stays
        assert digitbox("retry", "--status", "ok").code == 0
        assert names(inbox) == ["box/scan-2.png", "box/scan.png"]
        digitbox("run", "--after", "move", "--settle", "0")
        latest = list(csv.DictReader(io.StringIO(digitbox("export", "--latest").out)))
        assert {row["sha256"]: (row["status"], row["prediction"]) for row in latest} == {
            rows[0]["sha256"]: ("ok", "3"),
            rows[1]["sha256"]: ("ok", "4"),
        }
        assert sorted(row["file"] for row in latest) == ["box/scan-2.png", "box/scan.png"]
        counts = collect(find_sources([tmp_path / "outbox"])).counts
        assert counts == {Status.OK: 2}
        assert json.loads(digitbox("status", "--json").out)["counts"]["ok"] == 2


def test_after_prune_rows_still_follow_a_new_name(digitbox: Digitbox, inbox: Path) -> None:
    fill(inbox, scan=TWO[:60])
    digitbox("run", "--after", "move", "--settle", "0")
    fill(inbox, scan=TWO)
    assert digitbox("retry").code == 0
    digitbox("run", "--after", "move", "--settle", "0")
    everything = datetime(2999, 1, 1, tzinfo=UTC)
    assert prune_outbox(Path("outbox"), Limits(everything, everything)).scans == 2
    latest = csv.DictReader(io.StringIO(digitbox("export", "--latest").out))
    assert sorted(row["file"] for row in latest) == ["scan-2.png", "scan.png"]


@pytest.mark.parametrize("new_names", [["scan-2.png"], ["scan-2.png", "scan-2-2.png"]])
def test_an_answer_to_a_former_name_counts_after_retry(
    digitbox: Digitbox, inbox: Path, tmp_path: Path, new_names: list[str]
) -> None:
    """A person answers on a page that does not have the new row yet."""
    fill(inbox, scan=TWO[:60])
    digitbox("run", "--after", "move", "--settle", "0")
    (entry,) = collect(find_sources([tmp_path / "outbox"])).entries
    taken = "scan.png"
    for new_name in new_names:
        digitbox("run", "--after", "move", "--settle", "0", "--only-new")
        (inbox / taken).write_bytes(TWO)
        assert digitbox("retry").err.startswith("1 scan is new, back")
        taken = new_name
    with closing(CorrectionStore(tmp_path / "outbox")) as store:
        assert len(answers.save(store, [Answer(entry, "3", "")], "Anna")) == 1
    digitbox("run")
    latest = csv.DictReader(io.StringIO(digitbox("export", "--latest").out))
    found = {row["sha256"]: (row["file"], row["prediction"]) for row in latest}
    assert found[entry.row.sha256] == (new_names[-1], "3")


def test_a_scan_is_found_under_its_new_name(digitbox: Digitbox, inbox: Path, tmp_path: Path) -> None:
    fill(inbox, scan=TWO)
    digitbox("run", "--after", "move", "--settle", "0")
    fill(inbox, scan=TWO[:60])
    assert digitbox("retry", "--status", "ok").err.startswith("1 scan is new, back")
    (entry,) = collect(find_sources([tmp_path / "outbox"])).entries
    assert answers.copy_labelled([(entry, "2")], tmp_path / "outbox").copied == 1


def test_pages_replace_the_failed_row_of_a_former_name(
    digitbox: Digitbox, inbox: Path, tmp_path: Path
) -> None:
    fill(inbox, scan=SEVERAL_PAGES["gif"](two()))
    digitbox("run", "--after", "move", "--settle", "0", "--max-pixels", "100")
    fill(inbox, scan=TWO)
    assert digitbox("retry").code == 0
    digitbox("run")
    latest = list(csv.DictReader(io.StringIO(digitbox("export", "--latest").out)))
    assert sorted((row["file"], row["page"], row["status"]) for row in latest) == [
        ("scan-2.png", "1", "ok"),
        ("scan-2.png", "2", "ok"),
        ("scan.png", "", "ok"),
    ]
    assert collect(find_sources([tmp_path / "outbox"])).counts == {Status.OK: 3}


@pytest.mark.parametrize("last", ["scan.png", "scan-2.png"])
def test_a_scan_that_was_dropped_twice_stays_one(
    digitbox: Digitbox, inbox: Path, tmp_path: Path, last: str
) -> None:
    read = "run", "--review-below", "1", "--after", "move", "--settle", "0"

    def latest() -> list[tuple[str, str]]:
        rows = csv.DictReader(io.StringIO(digitbox("export", "--latest").out))
        return [(row["file"], row["status"]) for row in rows]

    for _ in range(2):
        fill(inbox, scan=TWO)
        digitbox(*read)
    assert latest() == [("scan.png", "review")]
    assert digitbox("retry", "--status", "review").err.startswith("2 scans are new, 2 of them back")
    assert names(inbox) == ["scan-2.png", "scan.png"]
    for name in names(inbox):
        os.utime(inbox / name, ns=2 * (10**18 + (name == last),))
    for _ in range(2):
        digitbox(*read, "--max-files", "1")
    assert latest() == [(last, "review")]
    (entry,) = collect(find_sources([tmp_path / "outbox"])).entries
    assert (entry.row.file, json.loads(digitbox("status", "--json").out)["counts"]["review"]) == (last, 2)
    with closing(CorrectionStore(tmp_path / "outbox")) as store:
        answers.save(store, [Answer(entry, "2", "")], "Anna")
    assert json.loads(digitbox("status", "--json").out)["counts"] == {
        "ok": 2,
        "review": 0,
        "refused": 0,
        "failed": 0,
    }
    assert digitbox("retry", "--status", "review").err.startswith("nothing to retry")
