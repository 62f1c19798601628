import hashlib
import os
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from batch.errors import OutboxError
from batch.locations import STATE
from batch.outbox import prune as prune_module
from batch.outbox import settled
from batch.outbox.ledger import Ledger, open_ledger
from batch.outbox.prune import Limits, prune_outbox
from batch.records import After, Outcome, ScanRef, Status
from batch.storage import dispatch
from command import Digitbox
from formats import FORMATS, two
from published import open_outbox

TWO = FORMATS["png-8"](two())
LATER = datetime(2999, 1, 1, tzinfo=UTC)  # everything is old then


@pytest.fixture
def outbox(tmp_path: Path) -> Path:
    return tmp_path / "outbox"


def fill(folder: Path, *names: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / name).write_bytes(b"text" if "bad" in name else TWO)


def files(folder: Path) -> int:
    return sum(path.is_file() for path in folder.rglob("*") if STATE not in path.parts)


def counts(outbox: Path) -> list[int]:
    """Return the numbers of scans and batches in the ledger."""
    with open_ledger(outbox, read_only=True) as ledger:
        return [len(list(settled.settled_scans(ledger))), len(list(settled.published_batches(ledger)))]


def test_moved_scans_go_and_results_stay(digitbox: Digitbox, inbox: Path, outbox: Path) -> None:
    fill(inbox, "a.png", "b.png", "bad.png")
    digitbox("run", "--after", "move", "--settle", "0")
    results = {path: path.read_bytes() for path in outbox.glob("*.csv")}
    pruned = prune_outbox(outbox, Limits(LATER, LATER))
    assert (pruned.files, pruned.scans, pruned.batches, pruned.problems) == (4, 3, 0, [])
    assert pruned.size_bytes > 2 * len(TWO)
    assert files(outbox / "done") == files(outbox / "failed") == 0
    assert list((outbox / "done").iterdir()) == []
    assert {path: path.read_bytes() for path in outbox.glob("*.csv")} == results
    assert counts(outbox) == [0, 1]


@pytest.mark.parametrize("kind", ["done", "failed"])
def test_failed_scans_have_a_limit_of_their_own(
    kind: str, digitbox: Digitbox, inbox: Path, outbox: Path
) -> None:
    fill(inbox, "a.png", "b.png", "bad.png")
    digitbox("run", "--after", "move", "--settle", "0")
    pruned = prune_outbox(outbox, Limits(**{kind: LATER}))
    assert (pruned.scans, counts(outbox)[0]) == ((2, 1) if kind == "done" else (1, 2))
    left = "failed" if kind == "done" else "done"
    assert [files(outbox / kind), files(outbox / left)] == [0, 2]


def test_scans_of_an_unfinished_batch_stay(digitbox: Digitbox, inbox: Path, outbox: Path) -> None:
    fill(inbox, "a.png", "bad.png")
    digitbox("run", "--after", "move", "--settle", "0")
    for state, removed in [("published", 0), ("retired", 3)]:
        with open_ledger(outbox) as ledger:
            ledger.execute("UPDATE batches SET state = ?", (state,))
        assert prune_outbox(outbox, Limits(LATER, LATER)).files == removed


def test_a_dry_run_counts_the_same_and_removes_nothing(digitbox: Digitbox, inbox: Path, outbox: Path) -> None:
    fill(inbox, "a.png", "bad.png")
    digitbox("run")
    digitbox("run", "--after", "move", "--settle", "0")
    before = (files(outbox), counts(outbox))
    dry = prune_outbox(outbox, Limits(LATER, LATER), dry_run=True)
    assert (files(outbox), counts(outbox)) == before
    wet = prune_outbox(outbox, Limits(LATER, LATER))
    assert (dry.files, dry.size_bytes, dry.scans, dry.superseded) == (
        wet.files,
        wet.size_bytes,
        wet.scans,
        wet.superseded,
    )
    assert dry.superseded == 2


def test_scans_in_their_place_are_not_read_again(digitbox: Digitbox, inbox: Path, outbox: Path) -> None:
    fill(inbox, "a.png", "b.png", "c.png")
    digitbox("run")
    (inbox / "b.png").unlink()
    fill(inbox, "c.png")
    os.utime(inbox / "c.png", ns=(1, 1))  # another scan of its name
    assert prune_outbox(outbox, Limits(LATER, LATER)).scans == 2
    assert [row["file"] for row in digitbox("run", "--only-new").rows] == ["c.png"]


@pytest.mark.parametrize(
    "inputs", [["inbox"], ["inbox", "other"], ["inbox/*.png"], ["inbox/a.png", "inbox/b.png"]]
)
@pytest.mark.parametrize("is_gone", [False, True])
def test_the_ledger_keeps_scans_of_an_unmounted_input(
    digitbox: Digitbox, inbox: Path, outbox: Path, is_gone: bool, inputs: list[str]
) -> None:
    fill(inbox, "a.png", "b.png")
    fill(inbox.parent / "other", "c.png")
    digitbox("run", *inputs)
    inbox.rename(inbox.parent / "away")
    if not is_gone:
        inbox.mkdir()
    pruned = prune_outbox(outbox, Limits(LATER, LATER))
    assert (pruned.scans, pruned.kept) == (0, 2)
    if not is_gone:
        inbox.rmdir()
    (inbox.parent / "away").rename(inbox)
    assert digitbox("run", "--only-new", *inputs).rows == []


def test_the_folder_of_a_linked_scan_is_where_the_scan_lies(
    digitbox: Digitbox, inbox: Path, outbox: Path, tmp_path: Path
) -> None:
    fill(inbox, "a.png")
    (tmp_path / "links").mkdir()
    (tmp_path / "links" / "link.png").symlink_to(inbox / "a.png")
    digitbox("run", "links/link.png")
    (inbox / "a.png").unlink()
    assert prune_outbox(outbox, Limits(LATER, LATER)).kept == 1
    fill(inbox, "b.png")
    assert prune_outbox(outbox, Limits(LATER, LATER)).scans == 1


def test_superseded_rows_go_though_the_scan_stays(digitbox: Digitbox, inbox: Path, outbox: Path) -> None:
    fill(inbox, "a.png")
    for _ in range(3):
        digitbox("run")
    assert prune_outbox(outbox, Limits(LATER, LATER)).superseded == 2
    assert prune_outbox(outbox, Limits(LATER, LATER)).superseded == 0
    assert digitbox("run", "--only-new").rows == []


def test_batches_go_when_their_results_are_gone(digitbox: Digitbox, inbox: Path, outbox: Path) -> None:
    for _ in range(2):
        fill(inbox, "a.png")
        digitbox("run", "--after", "move", "--settle", "0")
    next(outbox.glob("*.csv")).unlink()
    assert prune_outbox(outbox, Limits(LATER, LATER)).batches == 1
    assert counts(outbox) == [0, 1]


def test_young_scans_stay(digitbox: Digitbox, inbox: Path, outbox: Path) -> None:
    fill(inbox, "a.png", "bad.png")
    digitbox("run", "--after", "move", "--settle", "0")
    (outbox / "done" / "2020-01-01" / "0a").mkdir(parents=True)
    (outbox / "done" / "2020-01-01" / "0a" / "old.png").touch()
    before = files(outbox)
    result = digitbox("prune", "--older-than", "1d")
    assert (result.code, result.out) == (0, "")
    assert "1 file of done/ and failed/ (0.0 MB) removed; 0 scans" in result.err
    assert files(outbox) == before - 1
    assert counts(outbox) == [2, 1]
    day = max(path.name for path in (outbox / "done").iterdir())  # the clock may have gone past midnight
    today = datetime.fromisoformat(day).replace(tzinfo=UTC)
    for days, removed in [(0, (0, 0)), (1, (3, 2))]:
        pruned = prune_outbox(outbox, Limits(*2 * [today + timedelta(days=days)]))
        assert (pruned.files, pruned.scans) == removed


def test_links_and_other_peoples_files_stay(
    digitbox: Digitbox, inbox: Path, outbox: Path, tmp_path: Path
) -> None:
    fill(inbox, "a.png", "bad.png")
    digitbox("run", "--after", "move", "--settle", "0")
    fill(tmp_path / "mine" / "2020-01-01", "mine.png")
    (batch,) = (outbox / "done").glob("*/*")
    (outbox / "done" / "2020-02-02").symlink_to(tmp_path / "mine")
    (batch / "link").symlink_to(tmp_path / "mine")
    for name in ("notes", "2020-02-02-mine"):
        fill(outbox / "done" / name, "mine.png")
    (outbox / "done" / "2020-03-03").touch()
    (outbox / "failed").rename(tmp_path / "elsewhere")
    (outbox / "failed").symlink_to(tmp_path / "elsewhere")
    pruned = prune_outbox(outbox, Limits(LATER, LATER))
    left = ["2020-02-02", "2020-02-02-mine", "2020-03-03", "notes"]
    assert sorted(path.name for path in (outbox / "done").iterdir()) == left
    assert (tmp_path / "mine" / "2020-01-01" / "mine.png").exists()
    assert (len(pruned.notes), pruned.problems) == (1, [])
    assert files(tmp_path / "elsewhere") == 2


def test_an_error_names_what_cannot_be_removed(
    digitbox: Digitbox, inbox: Path, outbox: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(outbox / "done" / "2020-01-01" / "0a", "a.png")
    digitbox("run", "--only-new", str(inbox))

    def denied(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied", "done/2020-01-01/0a/a.png")

    with monkeypatch.context() as patched:
        patched.setattr("shutil.rmtree", denied)
        result = digitbox("prune", "--older-than", "1d")
    assert result.code == 6
    assert "0 files of done/" in result.err
    assert "cannot remove done/2020-01-01/0a/a.png: Permission denied" in result.err


@pytest.mark.parametrize("what", ["batch", "file"])
def test_somebody_may_delete_in_done_meanwhile(
    digitbox: Digitbox, inbox: Path, outbox: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    for batch in ("0a", "0b"):
        fill(outbox / "done" / "2020-01-01" / batch, "a.png")
    (outbox / "done" / "2020-01-01" / "0c.png").touch()
    digitbox("run", "--only-new", str(inbox))
    remove = prune_module._remove

    def remove_late(path: str, *arguments: Any, **settings: Any) -> None:
        if what == "batch":
            shutil.rmtree(outbox / "done" / "2020-01-01" / "0b", ignore_errors=True)
        else:
            (outbox / "done" / "2020-01-01" / "0c.png").unlink(missing_ok=True)
        remove(path, *arguments, **settings)

    monkeypatch.setattr(prune_module, "_remove", remove_late)
    pruned = prune_outbox(outbox, Limits(LATER, LATER))
    assert (pruned.files, pruned.problems) == (2, [])
    assert not list((outbox / "done").iterdir())


def test_a_file_that_goes_while_its_folder_is_removed(
    digitbox: Digitbox, inbox: Path, outbox: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is left of the folder goes the next time."""
    fill(outbox / "done" / "2020-01-01" / "0a", "a.png", "b.png")
    digitbox("run", "--only-new", str(inbox))

    def lose(path: str) -> None:
        os.unlink(os.path.join(path, "a.png"))
        os.unlink(os.path.join(path, "a.png"))

    with monkeypatch.context() as patched:
        patched.setattr("shutil.rmtree", lose)
        pruned = prune_outbox(outbox, Limits(LATER, LATER))
    assert (pruned.files, pruned.problems) == (1, [])
    assert prune_outbox(outbox, Limits(LATER, LATER)).files == 1


def test_a_folder_that_may_not_be_listed_is_a_problem(
    digitbox: Digitbox, inbox: Path, outbox: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for kind in ("done", "failed"):
        fill(outbox / kind / "2020-01-01" / "0a", "a.png")
    digitbox("run", "--only-new", str(inbox))
    iterdir = Path.iterdir

    def denied(folder: Path) -> Iterator[Path]:
        if folder.name == "done":
            raise PermissionError(13, "Permission denied", str(folder))
        return iterdir(folder)

    monkeypatch.setattr(Path, "iterdir", denied)
    result = digitbox("prune", "--older-than", "1d")
    assert (result.code, "cannot remove outbox/done: Permission denied" in result.err) == (6, True)
    assert not list(iterdir(outbox / "failed"))


def test_an_unfinished_batch_stays(
    digitbox: Digitbox, inbox: Path, outbox: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(inbox, "a.png", "b.png")
    with monkeypatch.context() as patch:
        patch.setattr("batch.outbox.publisher.dispose", lambda *_: [OSError(13, "Permission denied")])
        assert "could not be moved" in digitbox("run", "--after", "move", "--settle", "0").err
    for path in inbox.iterdir():
        path.unlink()
    assert prune_outbox(outbox, Limits(LATER, LATER)).scans == 0
    assert digitbox("retry", "--status", "ok").err == "nothing to retry: no such scans\n"
    fill(inbox, "c.png")
    digitbox("run", "--after", "move", "--settle", "0")
    assert prune_outbox(outbox, Limits(LATER, LATER)).scans == 3


def large_ledger(digitbox: Digitbox, inbox: Path, outbox: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a ledger of so many scans that it shrinks once they are pruned."""
    monkeypatch.setattr(settled, "MIN_FREE_PAGES", 2)
    for number in range(200):
        fill(inbox, f"{number:0200}.png")
    digitbox("run", "--after", "move", "--settle", "0")
    return outbox / STATE / "ledger.sqlite3"


def test_a_mostly_empty_ledger_shrinks(
    digitbox: Digitbox, inbox: Path, outbox: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger = large_ledger(digitbox, inbox, outbox, monkeypatch)
    before = ledger.stat().st_size
    assert prune_outbox(outbox, Limits(LATER, LATER)).scans == 200
    assert ledger.stat().st_size < before / 2


def test_a_ledger_that_has_no_room_to_shrink_keeps_its_size(
    digitbox: Digitbox, inbox: Path, outbox: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SQLite needs room for a copy; without it, all is removed that is old, and that is no failure."""
    ledger = large_ledger(digitbox, inbox, outbox, monkeypatch)
    before = ledger.stat().st_size
    execute = Ledger.execute

    def without_room(self: Ledger, sql: str, *values: Any) -> Any:
        if sql == "VACUUM":
            raise OutboxError("cannot write to the ledger: database or disk is full")
        return execute(self, sql, *values)

    monkeypatch.setattr(Ledger, "execute", without_room)
    pruned = prune_outbox(outbox, Limits(LATER, LATER))
    assert (pruned.scans, pruned.files, ledger.stat().st_size) == (200, 200, before)


def test_exit_codes_of_wrong_calls(digitbox: Digitbox, inbox: Path, outbox: Path) -> None:
    assert digitbox("prune").code == 2
    assert digitbox("prune", "--older-than", "thirty").code == 2
    assert digitbox("prune", "--older-than", "30d").code == 4
    outbox.mkdir()
    result = digitbox("prune", "--older-than", "30d")
    assert (result.code, list(outbox.iterdir())) == (0, [])
    digitbox("run", "--quiet")
    result = digitbox("prune", "--older-than", "9999999d")
    assert (result.code, len(result.err.splitlines())) == (2, 1)
    with open_outbox(outbox):
        assert digitbox("prune", "--older-than", "30d").code == 75
        assert digitbox("prune", "--older-than", "30d", "--dry-run").code == 0


def settle(inbox: Path, outbox: Path, day: str) -> Path:
    """Settle a scan on a day of the clock, and return the folder that it is moved to."""
    fill(inbox, "a.png")
    now = datetime.fromisoformat(f"{day}T12:00:00Z")
    with open_outbox(outbox, after=After.MOVE, now=lambda: now) as box:
        ref = dispatch.identify(ScanRef(str(inbox / "a.png"), "a.png"))
        box.add([Outcome(ref, Status.OK, None, hashlib.sha256(TWO).hexdigest(), 1, 0.9)])
    (folder,) = (outbox / "done" / day).iterdir()
    return folder


@pytest.mark.parametrize(
    ("days", "kept"),
    [
        (["2026-05-01", "2026-05-02", "2026-11-01"], ["2026-11-01"]),
        (["2026-11-01", "2026-05-02"], ["2026-11-01", "2026-05-02"]),  # the clock was set back
        (["2026-05-01", "2026-11-01", "2026-05-02"], ["2026-11-01", "2026-05-02"]),
        (["1970-01-01", "2026-11-01"], ["1970-01-01", "2026-11-01"]),  # a machine without a battery
        (["1970-01-01"], ["1970-01-01"]),
        (["2099-01-01", "2026-05-01"], ["2099-01-01"]),  # which says nothing of the second one
    ],
)
def test_scans_of_a_wrong_clock_stay(inbox: Path, outbox: Path, days: list[str], kept: list[str]) -> None:
    folders = {day: settle(inbox, outbox, day) for day in days}
    before, now = datetime(2026, 9, 1, tzinfo=UTC), datetime(2026, 12, 1, tzinfo=UTC)
    dry = prune_outbox(outbox, Limits(before, before), dry_run=True, now=lambda: now)
    assert all((folder / "a.png").exists() for folder in folders.values())
    pruned = prune_outbox(outbox, Limits(before, before), now=lambda: now)
    assert [day for day in days if (folders[day] / "a.png").exists()] == kept
    assert (pruned.files, pruned.scans, pruned.notes) == (dry.files, dry.scans, dry.notes)
    assert pruned.files == pruned.scans == len(days) - len(kept)
    assert {note.split(" stays: ")[0] for note in pruned.notes} == {
        str(outbox / "done" / day) for day in kept if day != "2026-11-01"
    }
