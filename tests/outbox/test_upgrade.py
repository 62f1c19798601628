"""An outbox that an older version has made is upgraded in place: nothing is lost or read twice."""

import csv
import io
import json
import os
import shutil
import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from batch.locations import LEDGER_FILE
from batch.outbox import ledger as ledgers
from batch.outbox.prune import Limits, prune_outbox
from command import ROOT, Digitbox
from formats import numbered_scan

OLD = ROOT / "tests" / "data" / "outbox-d14432e"
PLACE = "/srv/scans"  # where that version read the scans, says its ledger
LEDGER = Path("outbox", ".digitbox", LEDGER_FILE)
LATER = datetime(2999, 1, 1, tzinfo=UTC)  # everything is old then


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """Lay out the outbox and its scans as they were when that version had ended."""
    shutil.copytree(OLD, tmp_path, dirs_exist_ok=True)
    (tmp_path / "watched").mkdir()
    (tmp_path / LEDGER).parent.mkdir()
    dump = (tmp_path / "ledger.sql").read_text(encoding="utf-8")
    place = str(tmp_path)
    for before, after in ((PLACE, place), (_hex(PLACE), _hex(place))):
        dump = dump.replace(before, after)
    with closing(sqlite3.connect(tmp_path / LEDGER)) as ledger:
        ledger.executescript(dump)
        times = ledger.execute("SELECT path, mtime_ns FROM members").fetchall()
    for path, mtime_ns in times:
        for file in (
            Path(os.fsdecode(path)),
            *(tmp_path / "outbox").glob(f"*/*/*/**/{Path(os.fsdecode(path)).name}"),
        ):
            if file.exists():
                os.utime(file, ns=(mtime_ns, mtime_ns))
    return tmp_path


def _hex(text: str) -> str:
    return os.fsencode(text).hex().upper()


def books(digitbox: Digitbox) -> dict[str, object]:
    found: dict[str, object] = json.loads(digitbox("status", "--deep", "--json").out)["books"]
    return found


def test_an_outbox_of_an_older_version_is_upgraded_in_place(digitbox: Digitbox, old: Path) -> None:
    before = (old / LEDGER).read_bytes()
    whole = {"files": 3, "taken": 0, "scans": 3, "removed": 0, "problems": []}
    assert (digitbox("status", "--deep").code, books(digitbox)) == (0, whole)
    assert (old / LEDGER).read_bytes() == before  # who only looks changes nothing

    assert digitbox("run", "--only-new", "in").rows == []  # all have their row
    with closing(sqlite3.connect(old / LEDGER)) as ledger:
        assert ledger.execute("PRAGMA user_version").fetchone() == (len(ledgers.LEDGER.steps),)
    (old / "in" / "new.png").write_bytes(numbered_scan(1))
    assert [row["file"] for row in digitbox("run", "--only-new", "in").rows] == ["new.png"]

    rows = {row["file"]: row for row in csv.DictReader(io.StringIO(digitbox("export").out))}
    assert sorted(rows) == sorted(
        ["a.png", "broken.png", "c.png", "form/b.png", "box/e.png", "d.png", "f.png", "new.png"]
    )
    assert (rows["c.png"]["prediction"], rows["c.png"]["corrected"]) == ("4", "1")  # what a person said
    assert books(digitbox) == whole | {"files": 4}


def test_scans_of_an_older_version_are_read_again_and_pruned(digitbox: Digitbox, old: Path) -> None:
    assert "2 scans are new, 1 of them back" in digitbox("retry").err
    assert [path.name for path in (old / "watched").iterdir()] == ["f.png"]
    assert [row["file"] for row in digitbox("run", "--only-new", "in").rows] == ["broken.png"]
    assert [row["file"] for row in digitbox("run", "--only-new", "watched").rows] == ["f.png"]

    pruned = prune_outbox(old / "outbox", Limits(LATER, LATER), now=lambda: LATER)
    assert (pruned.files, pruned.scans, pruned.problems) == (2, 2, [])  # those of done/
    assert digitbox("run", "--only-new", "in").rows == []  # the ledger still knows those in their place
    assert books(digitbox) == {"files": 5, "taken": 0, "scans": 0, "removed": 0, "problems": []}
