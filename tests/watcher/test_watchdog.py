"""What watchdog does otherwise than one would guess: docs/surprises.md says so, and digitbox relies on it."""

import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from watchdog.utils.dirsnapshot import DirectorySnapshot, DirectorySnapshotDiff

from batch.watcher.events import Events

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="events differ")

FOREVER_S = 1e6  # the deadline of all tests is far shorter


def test_events_of_a_renamed_inbox_have_its_old_path(tmp_path: Path) -> None:
    inbox = tmp_path / "inbox"
    inbox.mkdir()
    events = Events(inbox, recursive=True)
    events.start()
    try:
        inbox.rename(tmp_path / "old")
        inbox.mkdir()
        (inbox / "new.png").touch()
        (tmp_path / "old" / "late.png").touch()
        seen: set[str] = set()
        while str(inbox / "late.png") not in seen:  # where no such file is
            seen |= events.wait(FOREVER_S).keys()
        assert str(inbox / "new.png") not in seen
        assert events.are_alive()
    finally:
        events.stop()


def overwrite(path: Path) -> None:
    path.write_bytes(b"new")


def replace(path: Path) -> None:
    other = path.with_name("other")
    other.write_bytes(b"new")
    other.rename(path)


@pytest.mark.parametrize(
    ("change", "keeps_time", "expected"),
    [(overwrite, True, set()), (overwrite, False, {"modified"}), (replace, True, {"created", "deleted"})],
)
def test_what_polling_makes_of_new_content(
    tmp_path: Path, change: Callable[[Path], None], keeps_time: bool, expected: set[str]
) -> None:
    """The polling observer compares such snapshots. It knows a file by its inode."""
    path = tmp_path / "a.png"
    path.write_bytes(b"old")
    os.utime(path, ns=(10**9, 10**9))
    before = DirectorySnapshot(str(tmp_path))
    change(path)
    if keeps_time:
        os.utime(path, ns=(10**9, 10**9))
    diff = DirectorySnapshotDiff(before, DirectorySnapshot(str(tmp_path)))
    kinds = {
        kind
        for kind in ("created", "deleted", "modified", "moved")
        if str(path) in getattr(diff, f"files_{kind}")
    }
    assert kinds == expected
