import logging
import os
import shutil
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from watchdog.events import FileCreatedEvent

import waiting
from batch.watcher import events
from batch.watcher.events import Events

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="events differ")


FOREVER_S = 1e6  # the deadline of all tests is far shorter


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "inbox"
    folder.mkdir()
    return folder


@pytest.fixture
def heard(folder: Path) -> Iterator[Events]:
    heard = Events(folder, recursive=True)
    heard.start()
    yield heard
    heard.stop()


def wait_for(heard: Events, path: Path) -> None:
    seen: set[str] = set()
    while str(path) not in seen:
        seen |= heard.wait(FOREVER_S).keys()


def copy(source: Path, target: Path) -> None:
    shutil.copyfile(source, target)


def part(source: Path, target: Path) -> None:
    os.rename(source, target.with_name(".part"))
    os.rename(target.with_name(".part"), target)


@pytest.mark.parametrize("way", [copy, os.rename, os.link, part])
@pytest.mark.parametrize("name", ["a.png", "sub/a.png", os.fsdecode(b"\xff.png"), "line\nbreak.png"])
def test_each_way_to_drop_a_file_is_heard(
    heard: Events, folder: Path, tmp_path: Path, way: Callable[[Path, Path], None], name: str
) -> None:
    if "/" in name:
        (folder / "sub").mkdir()
        wait_for(heard, folder / "sub")
    (tmp_path / "beside").write_bytes(b"content")
    way(tmp_path / "beside", folder / name)
    wait_for(heard, folder / name)


def is_known(heard: Events, path: Path, is_open: bool | None) -> bool:
    heard.wait(0.01)
    return heard.is_open(str(path)) is is_open


def test_a_file_is_open_from_a_change_to_its_close(heard: Events, folder: Path) -> None:
    path = folder / "a.png"
    assert heard.is_open(str(path)) is None
    with path.open("wb", buffering=0) as file:
        file.write(b"half")
        waiting.wait_for(lambda: is_known(heard, path, True))
        path.chmod(0o600)
        path.rename(folder / "b.png")
        waiting.wait_for(lambda: is_known(heard, folder / "b.png", True))
        assert heard.is_open(str(path)) is None
    waiting.wait_for(lambda: is_known(heard, folder / "b.png", False))
    (folder / "b.png").chmod(0o644)
    (folder / "b.png").read_bytes()
    (folder / "b.png").rename(folder / "c.png")  # as rsync does
    waiting.wait_for(lambda: is_known(heard, folder / "c.png", False))


def test_events_say_nothing_of_files_from_elsewhere(heard: Events, folder: Path, tmp_path: Path) -> None:
    """Whoever moves or links a file here may still write to it, and nobody need close it."""
    for name in ("moved", "linked"):
        (tmp_path / name).write_bytes(b"content")
        (folder / name).write_bytes(b"another one of its name")
        waiting.wait_for(lambda path=folder / name: is_known(heard, path, False))  # type: ignore[misc]
        (folder / name).unlink()
    os.rename(tmp_path / "moved", folder / "moved")
    os.link(tmp_path / "linked", folder / "linked")
    for name in ("moved", "linked"):
        waiting.wait_for(lambda path=folder / name: is_known(heard, path, None))  # type: ignore[misc]


def test_after_lost_events_nothing_is_known(heard: Events, folder: Path) -> None:
    with (folder / "a.png").open("wb", buffering=0) as file:
        file.write(b"half")
        waiting.wait_for(lambda: is_known(heard, folder / "a.png", True))
        logging.getLogger("watchdog.observers.inotify_c").warning("Inotify queue overflowed")
        assert heard.is_open(str(folder / "a.png")) is None


def test_knowledge_of_files_has_a_bound(heard: Events, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "MAX_KNOWN", 2)
    for name in ("a", "b", "c"):
        (folder / name).write_bytes(b"content")
    waiting.wait_for(lambda: is_known(heard, folder / "c", False))
    assert [heard.is_open(str(folder / name)) for name in "abc"] == [None, False, False]


def test_a_folder_that_is_moved_in_is_heard(heard: Events, folder: Path, tmp_path: Path) -> None:
    (tmp_path / "form" / "deep").mkdir(parents=True)
    (tmp_path / "form").rename(folder / "form")
    wait_for(heard, folder / "form")


def test_a_file_that_leaves_does_not_hold_up_the_next(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    grouper = pytest.importorskip("watchdog.observers.inotify_move_event_grouper").InotifyMoveEventGrouper
    monkeypatch.setattr(grouper, "delay", FOREVER_S)  # what watchdog would wait for the other half of a move
    heard = Events(folder, recursive=True)
    heard.start()
    (folder / "a.png").touch()
    wait_for(heard, folder / "a.png")
    (folder / "a.png").rename(tmp_path / "a.png")
    (folder / "b.png").touch()
    wait_for(heard, folder / "b.png")
    heard.stop()


def test_its_death_is_noticed(heard: Events, folder: Path) -> None:
    assert heard.are_alive()
    shutil.rmtree(folder)
    waiting.wait_for(lambda: not heard.are_alive())
    folder.mkdir()
    heard.start()
    (folder / "a.png").touch()
    wait_for(heard, folder / "a.png")


def test_a_folder_that_is_gone_cannot_be_listened_to(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No such file"):
        Events(tmp_path / "gone", recursive=True).start()


@pytest.mark.parametrize("room", [0, 1, 2])
def test_a_system_without_threads_is_no_bug(folder: Path, room: int, monkeypatch: pytest.MonkeyPatch) -> None:
    start = threading.Thread.start
    started: list[threading.Thread] = []

    def limited(thread: threading.Thread) -> None:
        if len(started) >= room:
            raise RuntimeError("can't start new thread")
        started.append(thread)
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", limited)
    heard = Events(folder, recursive=True)
    with pytest.raises(OSError, match="can't start new thread"):
        heard.start()
    assert not heard.are_alive()
    for thread in started:
        thread.join()


def test_it_is_known_that_the_system_lost_events(heard: Events, capsys: pytest.CaptureFixture[str]) -> None:
    assert not heard.were_lost()
    logging.getLogger("watchdog.observers.inotify_c").warning("Inotify queue overflowed")
    assert heard.wait(FOREVER_S) == {}
    assert (heard.were_lost(), heard.were_lost()) == (True, False)
    assert capsys.readouterr().err == ""


def test_it_is_known_that_there_were_too_many(
    heard: Events, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events, "MAX_WAITING", 0)
    (folder / "a.png").touch()
    waiting.wait_for(heard.were_lost)


def test_events_that_nobody_takes_have_a_bound(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "MAX_WAITING", 10)
    full = Events(folder, recursive=True)
    for number in range(50):
        full._handler.on_any_event(FileCreatedEvent(str(folder / str(number))))
    assert full._queue.qsize() == 11  # one more, which ends the wait
    assert (full.were_lost(), len(full.wait(FOREVER_S))) == (True, 10)


def test_a_wait_may_be_ended(heard: Events) -> None:
    heard.wake()
    assert heard.wait(FOREVER_S) == {}
