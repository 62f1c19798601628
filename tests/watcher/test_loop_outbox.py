"""What can befall the outbox: it is waited for, said once, and each scan has one row when it is back."""

import errno
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from batch.errors import MeansError, OutboxError
from batch.locations import STATE
from batch.outbox import batches, run_history
from batch.outbox import publisher as outboxes
from batch.outbox.ledger import open_ledger
from batch.records import Beat, Outcome, ScanRef
from batch.results import writers
from batch.storage import locks
from fakes import Reading
from formats import numbered_scan
from scene import Scene, full, is_staged, says


def test_an_error_of_the_start_stands_in_the_history(scene: Scene) -> None:
    def load(refs: Sequence[ScanRef], beat: Beat) -> list[Outcome]:
        raise MemoryError

    with pytest.raises(MeansError):
        scene.watch(100, lambda _: Reading(load))
    with open_ledger(scene.outbox, read_only=True) as ledger:
        (run,) = run_history.last_runs(ledger, 2)
    assert run.exit_code == 2


@pytest.mark.parametrize("name", ["scan", "other"])
@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOTCONN])
def test_scans_wait_while_no_file_can_be_opened(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, number: int, name: str
) -> None:
    real = os.open

    def call(path: Any, *arguments: Any, **settings: Any) -> int:
        if scene.ticking.now < 60 and str(path).startswith(str(scene.inbox / "scan")):
            raise OSError(number, os.strerror(number))
        return real(path, *arguments, **settings)

    monkeypatch.setattr(os, "open", call)
    for scan in range(5):
        scene.drop(f"scan{scan}.png", numbered_scan(scan))
    scene.drop(name, numbered_scan(9))  # its name does not say that it is an image
    scene.watch(120)
    scene.check()
    assert {row["status"] for row in scene.rows} == {"ok"}
    said = [text for _, text in scene.log.events if os.strerror(number) in text]
    assert len(said) == 1 and said[0].startswith(("paused, trying again", "cannot look at the inbox: "))


def test_a_watcher_waits_for_a_taken_outbox(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    other = ExitStack()

    monkeypatch.setattr(writers, "ResultsFile", full(scene, writers.ResultsFile, 20, is_staged))
    scene.drop("a.png", numbered_scan(1))
    scene.ticking.at(2.5, lambda: None)
    scene.ticking.at(3, lambda: other.enter_context(held(scene)))
    scene.ticking.at(100, other.close)
    scene.watch(200)
    scene.check()
    assert [len(scene.log.of(event)) for event in ("paused", "resumed")] == [1, 1]


@contextmanager
def held(scene: Scene) -> Iterator[None]:
    with locks.hold(scene.outbox / ".digitbox" / "lock", exclusive=True, busy="another has it"):
        yield


def test_a_ledger_that_cannot_be_written_is_waited_for(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    def prepare(*_: Any) -> None:
        raise OutboxError("cannot write to the ledger: disk I/O error")

    scene.drop("a.png", numbered_scan(1))
    real = batches.prepare
    monkeypatch.setattr(batches, "prepare", prepare)
    scene.ticking.at(60, lambda: monkeypatch.setattr(batches, "prepare", real))
    scene.watch(200)
    scene.check()
    assert [len(scene.log.of(event)) for event in ("paused", "resumed")] == [1, 1]


@pytest.mark.parametrize("is_mount", [False, True])
@pytest.mark.parametrize("time_s", [5, 10.5, 12.5, 15])
def test_an_outbox_that_is_taken_away_is_waited_for(scene: Scene, time_s: float, is_mount: bool) -> None:
    """It makes no other in its place, nor in the folder on which its disk was mounted."""
    away = scene.folder / "away"

    def take_away() -> None:
        scene.outbox.rename(away)
        if is_mount:
            scene.outbox.mkdir()

    def bring_back() -> None:
        if is_mount:
            scene.outbox.rmdir()  # fails if anything is in it
        assert not scene.outbox.exists()
        away.rename(scene.outbox)

    scene.drop("early.png", numbered_scan(1))
    scene.ticking.at(10, lambda: scene.drop("a.png", numbered_scan(2)))
    scene.ticking.at(time_s, take_away)
    scene.ticking.at(20, lambda: scene.drop("b.png", numbered_scan(3)))
    scene.ticking.at(70, bring_back)
    scene.watch(200)
    scene.check()
    assert [len(scene.log.of(event)) for event in ("paused", "resumed")] == [1, 1]
    assert "is gone: bring it back" in scene.log.of("paused")[0]


@pytest.mark.parametrize("time_s", [5, 10.5])
@pytest.mark.parametrize("is_linked", [False, True])
def test_an_outbox_that_is_replaced_knows_all_its_rows(scene: Scene, is_linked: bool, time_s: float) -> None:
    """Somebody restores it from a copy, or moves it to another disk and leaves a link."""
    other = scene.folder / "other"

    def replace() -> None:
        shutil.copytree(scene.outbox, other)
        scene.outbox.rename(scene.folder / "before")
        if is_linked:
            scene.outbox.symlink_to(other)
        else:
            other.rename(scene.outbox)

    scene.drop("early.png", numbered_scan(1))
    scene.ticking.at(time_s, replace)
    scene.ticking.at(10, lambda: scene.drop("a.png", numbered_scan(2)))
    scene.watch(25)  # before the next look at all of the inbox
    scene.check()
    assert [len(scene.log.of(event)) for event in ("paused", "resumed")] == [1, 1]
    assert "somebody moved or replaced" in scene.log.of("paused")[0]


def test_an_outbox_that_cannot_be_written_at_the_start(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    def denied(*_: Any) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(Path, "write_bytes", denied)
    with pytest.raises(OutboxError, match="Read-only file system") as caught:
        scene.watch(10)
    assert caught.value.exit_code == 6


def test_it_says_that_it_lives(scene: Scene) -> None:
    states = []
    scene.ticking.at(5, lambda: states.append(says(scene)))
    scene.watch(70)
    assert states == [("watching", "")]
    assert says(scene) == ("stopped", "")


def test_what_a_killed_process_left_is_published_and_shown(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(outboxes.Outbox, "_finish", killed)
        scene.drop("a.png", numbered_scan(1))
        with pytest.raises(KeyboardInterrupt):
            scene.watch(10)
    assert not scene.rows
    shown: list[Path] = []
    monkeypatch.setattr(scene, "take", lambda: shown.extend(scene.outbox.glob("*.csv")))
    scene.ticking.now = 0
    scene.watch(10)
    assert len(shown) == 1
    monkeypatch.undo()
    scene.check()


@pytest.mark.parametrize("is_file", [False, True])
def test_after_a_reload_it_waits_for_an_outbox(scene: Scene, is_file: bool) -> None:
    away = scene.folder / "away"
    scene.drop("a.png", numbered_scan(1))
    (scene.outbox / STATE).mkdir()  # it has been watched
    scene.outbox.rename(away)
    if is_file:
        scene.outbox.touch()

    def bring_back() -> None:
        if is_file:
            scene.outbox.unlink()
        away.rename(scene.outbox)

    scene.ticking.at(30, bring_back)
    scene.watch(120, goes_on=True)
    scene.check()
    assert [len(scene.log.of(event)) for event in ("started", "paused", "resumed")] == [1, 1, 1]
