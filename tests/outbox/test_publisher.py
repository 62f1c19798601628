import errno
import fcntl
import hashlib
import os
import re
import secrets
import shutil
import signal
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from batch.errors import BusyError, OutboxError
from batch.outbox import batches
from batch.outbox.ledger import open_ledger
from batch.outbox.publisher import Outbox
from batch.records import After, Outcome, ScanRef, Status
from batch.storage import disk
from published import open_outbox

NOON = datetime(2026, 1, 2, 12, 0, 0, tzinfo=UTC)


def outbox(folder: Path, rows_per_file: int = 100, after: After = After.LEAVE) -> Outbox:
    return open_outbox(folder, rows_per_file=rows_per_file, model="m-1", after=after, now=lambda: NOON)


def outcome(number: int) -> Outcome:
    return Outcome(ScanRef(f"/{number}", f"{number}.png"), Status.OK, None, "", 1, 0.9)


def visible(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.name != ".digitbox")


def staged(folder: Path) -> list[Path]:
    return list((folder / ".digitbox" / "staging").iterdir())


def test_rows_are_published_whole_at_the_end(tmp_path: Path) -> None:
    folder = tmp_path / "not" / "there" / "yet"
    with outbox(folder) as box:
        box.add([outcome(1)])
        assert visible(folder) == []
    (path,) = visible(folder)
    assert box.published == [path]
    assert re.fullmatch(r"predictions-20260102T120000Z-b[0-9a-f]{8}\.csv", path.name)
    assert path.read_text().splitlines()[1].split(",")[6] == path.stem.split("-")[-1]
    assert staged(folder) == []


def test_a_full_file_is_published_at_once(tmp_path: Path) -> None:
    with outbox(tmp_path, rows_per_file=2) as box:
        for number in range(5):
            box.add([outcome(number)])
        assert len(visible(tmp_path)) == 2
    assert [len(Path(path).read_text().splitlines()) - 1 for path in box.published] == [2, 2, 1]
    assert len(set(box.published)) == 3


def test_a_staged_file_that_the_disk_lost_is_not_published(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a power cut, the ledger may know a batch whose file is cut off."""
    monkeypatch.setattr(disk.Disk, "publish", lambda *_: os.kill(os.getpid(), signal.SIGINT))
    with pytest.raises(KeyboardInterrupt), outbox(tmp_path) as box:
        box.add([outcome(1)])
        box.publish()
    monkeypatch.undo()
    (path,) = staged(tmp_path)
    path.write_bytes(path.read_bytes()[:50])
    with outbox(tmp_path) as box:
        pass
    assert (box.published, visible(tmp_path), staged(tmp_path)) == ([], [], [])
    with open_ledger(tmp_path, read_only=True) as ledger:
        assert batches.unsettled(ledger, [outcome(1).ref]) == [outcome(1).ref]


def test_a_file_in_the_way_of_results_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(secrets, "token_hex", lambda _: "0" * 8)
    path = tmp_path / "predictions-20260102T120000Z-b00000000.csv"
    path.write_text("mine")
    with pytest.raises(OutboxError, match=f"{path} is in the way: move it"), outbox(tmp_path) as box:
        box.add([outcome(1)])
    assert path.read_text() == "mine"
    path.unlink()
    with outbox(tmp_path) as box:
        assert box.published == visible(tmp_path) == [path]


def test_no_rows_no_file(tmp_path: Path) -> None:
    with outbox(tmp_path):
        pass
    assert visible(tmp_path) == []


def test_after_an_exception_only_published_rows_stay(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), outbox(tmp_path, rows_per_file=2) as box:
        for number in range(3):
            box.add([outcome(number)])
        raise KeyboardInterrupt
    assert len(visible(tmp_path)) == 1
    assert staged(tmp_path) == []


def test_only_one_writer(tmp_path: Path) -> None:
    with outbox(tmp_path), pytest.raises(BusyError, match="another digitbox"), outbox(tmp_path):
        pass
    with outbox(tmp_path):  # afterwards, the lock is free again
        pass


@pytest.mark.parametrize("is_staged", [False, True])
@pytest.mark.parametrize("replaced", ["", ".digitbox/lock", ".digitbox/ledger.sqlite3"])
def test_a_run_ends_if_somebody_replaces_its_outbox(tmp_path: Path, replaced: str, is_staged: bool) -> None:
    """Else its rows would be in a ledger that is elsewhere, or in none."""
    folder = tmp_path / "out"
    place = folder / replaced
    with (
        pytest.raises(OutboxError, match=r"somebody moved or replaced .*: a new start"),
        outbox(folder) as box,
    ):
        box.add([outcome(1)])
        box.publish()
        if is_staged:
            box.add([outcome(2)])
        (shutil.copy2 if replaced else shutil.copytree)(place, tmp_path / "copy")
        place.rename(tmp_path / "before")
        (tmp_path / "copy").rename(place)
        if not is_staged:
            box.add([outcome(2)])
        box.publish()
    assert len(visible(folder)) == 1
    assert staged(folder) == []


def test_staging_of_a_killed_run_is_cleared(tmp_path: Path) -> None:
    (tmp_path / ".digitbox" / "staging").mkdir(parents=True)
    (tmp_path / ".digitbox" / "staging" / "old.csv").write_text("half a li")
    with outbox(tmp_path):
        assert staged(tmp_path) == []


def test_a_file_in_the_way(tmp_path: Path) -> None:
    (tmp_path / "outbox").write_text("a file")
    with pytest.raises(OutboxError, match="--outbox"), outbox(tmp_path / "outbox"):
        pass


def test_a_read_only_outbox(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def denied(*_: Any, **__: Any) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(Path, "mkdir", denied)  # root may write where permissions forbid it
    with pytest.raises(OutboxError, match="Read-only"), outbox(tmp_path / "outbox"):
        pass


def test_a_full_disk_leaves_nothing_half(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(OutboxError, match="No space left"), outbox(tmp_path, rows_per_file=2) as box:
        box.add([outcome(1)])
        box.add([outcome(2)])
        monkeypatch.setattr(os, "fsync", full)
        box.add([outcome(3)])
        box.add([outcome(4)])
    assert len(visible(tmp_path)) == 1
    assert staged(tmp_path) == []


def test_nothing_is_overwritten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("secrets.token_hex", lambda _: "00000000")
    taken = tmp_path / "predictions-20260102T120000Z-b00000000.csv"
    taken.write_text("mine")
    with pytest.raises(OutboxError), outbox(tmp_path) as box:
        box.add([outcome(1)])
    assert taken.read_text() == "mine"


def test_the_lock_ends_with_the_outbox(tmp_path: Path) -> None:
    with outbox(tmp_path):
        descriptor = os.open(tmp_path / ".digitbox" / "lock", os.O_RDWR)
        with pytest.raises(BlockingIOError):
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    os.close(descriptor)


def test_a_folder_in_staging_stays_and_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    staging = tmp_path / ".digitbox" / "staging"
    for name in ("sub", "probe", "empty"):
        (staging / name).mkdir(parents=True)
    (staging / "sub" / "mine.txt").write_text("mine")
    (staging / "link").symlink_to("sub")
    (staging / "left.csv").write_text("left by a kill")
    with outbox(tmp_path) as box:
        box.add([outcome(1)])
    assert len(box.published) == 1
    assert sorted(path.name for path in staging.iterdir()) == ["empty", "probe", "sub"]
    assert (staging / "sub" / "mine.txt").read_text() == "mine"
    assert sorted(capsys.readouterr().err.splitlines()) == [
        f"digitbox: warning: {staging / name} is a folder, and not digitbox's: move it away"
        for name in ("empty", "probe", "sub")
    ]


def test_a_run_removes_what_a_killed_report_left(tmp_path: Path) -> None:
    (tmp_path / ".digitbox-01234567.part").write_text("<html>")
    with outbox(tmp_path):
        pass
    assert visible(tmp_path) == []


def pages(number: int, count: int) -> list[Outcome]:
    return [outcome(number)._replace(page=page, pages=count) for page in range(1, count + 1)]


@pytest.mark.parametrize(
    ("counts", "batches"),
    [
        ([1, 3, 1], [1, 3, 1]),
        ([1, 2, 1], [3, 1]),
        ([5, 1], [5, 1]),
        ([2, 2, 2], [2, 2, 2]),
        ([1, 1, 1, 1, 2, 1], [3, 3, 1]),
        ([1, 7, 7, 1], [1, 7, 7, 1]),
    ],
)
def test_all_pages_of_a_file_are_in_one_batch(tmp_path: Path, counts: list[int], batches: list[int]) -> None:
    outcomes = [
        page
        for number, count in enumerate(counts)
        for page in (pages(number, count) if count > 1 else [outcome(number)])
    ]
    with outbox(tmp_path, rows_per_file=3) as box:
        box.add(outcomes)
    found = [len(Path(path).read_text().splitlines()) - 1 for path in box.published]
    assert found == batches


def test_scans_that_cannot_be_moved_are_counted_over_batches(tmp_path: Path) -> None:
    refs = [ScanRef(str(tmp_path / f"{number}.png"), f"{number}.png") for number in range(5)]
    outcomes = []
    for ref in refs:
        Path(ref.path).write_bytes(b"scan")
        status = os.stat(ref.path)
        found = ref._replace(size_bytes=status.st_size, mtime_ns=status.st_mtime_ns, inode=status.st_ino)
        digest = hashlib.sha256(b"scan").hexdigest()
        outcomes.append(Outcome(found, Status.OK, None, digest, 1, 0.9))
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "done").touch()  # is in the way
    with outbox(tmp_path / "out", rows_per_file=2, after=After.MOVE) as opened:
        opened.add(outcomes)
        opened.publish()
        assert opened.not_disposed.startswith("5 scans could not be moved to done/ or failed/: ")
        opened.dispose_rest()
        assert opened.not_disposed.startswith("5 scans could not be moved to done/ or failed/: ")
        (tmp_path / "out" / "done").unlink()
        opened.dispose_rest()
        assert opened.not_disposed == ""
