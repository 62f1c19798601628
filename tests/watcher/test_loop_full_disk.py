"""A full disk below the outbox: the watcher pauses until there is room, and says so once."""

import errno
import itertools
import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from batch.errors import OutboxError
from batch.monitoring.health import Health, check_health
from batch.monitoring.news import State
from batch.outbox import disposal, run_history, turns
from batch.outbox import publisher as outboxes
from batch.outbox.ledger import Ledger, open_ledger
from batch.results import writers
from batch.storage import disk as disks
from batch.storage.durable import sync
from batch.watcher import loop
from formats import numbered_scan
from scene import Scene, first, full, is_staged, says


def test_a_full_disk_is_tried_every_minute(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    tries: list[float] = []

    def fail(_: Path) -> None:
        tries.append(scene.ticking.now)
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(outboxes, "sync", fail)
    scene.drop("a.png", numbered_scan(1))
    scene.watch(600)
    gaps = [after - before for before, after in itertools.pairwise(tries)]
    assert max(gaps) < 2 * loop.MAX_PAUSE_S and len(tries) > 7


@pytest.mark.parametrize("place", ["start", "write", "fsync", "rename", "fsync-after-rename", "explain"])
def test_a_full_disk_is_waited_for(scene: Scene, monkeypatch: pytest.MonkeyPatch, place: str) -> None:
    until_s = 60
    if place == "start":
        monkeypatch.setattr(writers, "ResultsFile", full(scene, writers.ResultsFile, until_s, is_staged))
    elif place == "write":
        add = full(scene, writers.ResultsFile.add, until_s, lambda *_: True)
        monkeypatch.setattr(writers.ResultsFile, "add", lambda *arguments: add(*arguments))
    elif place == "fsync":
        monkeypatch.setattr(outboxes, "sync", full(scene, sync, until_s, is_staged))
    elif place == "rename":
        monkeypatch.setattr(os, "rename", full(scene, os.rename, until_s, is_staged))
    elif place == "explain":
        monkeypatch.setattr(disposal, "sync", full(scene, sync, until_s, lambda path: ".json" in path.name))
    else:
        concerns = lambda path: path == scene.outbox  # noqa: E731
        monkeypatch.setattr(disks, "sync", full(scene, sync, until_s, concerns))
    for number in range(5):
        scene.drop(f"{number}.png", numbered_scan(number))
    scene.drop("half.png", numbered_scan(9)[:90])
    seen: list[tuple[int, tuple[str, str]]] = []
    scene.ticking.at(until_s - 1, lambda: seen.append((len(scene.rows), says(scene))))
    scene.watch(200)
    scene.check()
    ((rows, (state, detail)),) = seen
    if place == "explain":  # the row is what counts; a scan that cannot be moved is tried again
        assert (rows, state) == (6, "watching")
        assert scene.log.of("disposal") == [
            "1 scan could not be moved to done/ or failed/: No space left on device"
        ]
        return
    assert rows == (5 if place == "fsync-after-rename" else 0)
    assert (state, "No space left" in detail) == ("paused", True)
    assert [len(scene.log.of(event)) for event in ("paused", "resumed")] == [1, 1]
    assert says(scene) == ("stopped", "")


def test_a_ledger_that_cannot_say_paused_has_no_signs(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """It still says that the watcher watches, and `digitbox status` would believe it."""
    real = run_history.write_heartbeat
    signs: list[float] = []
    told: list[float] = []

    def write(ledger: Ledger, beat: run_history.Heartbeat) -> None:
        if 5 < scene.ticking.now < 60:
            raise OutboxError("cannot write to the ledger: database or disk is full")
        real(ledger, beat)

    def tell(*lines: str) -> None:
        if "WATCHDOG=1" in lines:
            told.append(scene.ticking.now)

    monkeypatch.setattr(run_history, "write_heartbeat", write)
    monkeypatch.setattr(outboxes, "sync", full(scene, sync, 60, is_staged))
    monkeypatch.setattr(turns, "give_sign", lambda _: signs.append(scene.ticking.now))
    monkeypatch.setattr(loop, "notify", tell)
    scene.ticking.at(10, lambda: scene.drop("a.png", numbered_scan(1)))
    scene.watch(200)
    scene.check()
    (start,) = [before for before, after in itertools.pairwise(signs) if after - before > 40]
    assert 10 < start < 15
    assert max(after - before for before, after in itertools.pairwise(told)) <= turns.SIGN_S + 1
    assert signs[-1] > 190


@pytest.mark.parametrize("stops_in", ["pause", "publish"])
def test_a_watcher_that_is_told_to_stop_in_a_pause_has_stopped(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, stops_in: str
) -> None:
    def pass_time(_: object) -> None:
        if stops_in == "publish":
            scene.ticking.now = 100

    seen: list[Health] = []
    monkeypatch.setattr(outboxes, "sync", full(scene, sync, 1e9, is_staged))
    scene.drop("a.png", numbered_scan(1))
    now = datetime.now(UTC).timestamp()
    scene.ticking.at(59, lambda: seen.append(check_health((), scene.outbox, now)))
    scene.watch(100, first(pass_time))
    if stops_in == "pause":
        (found,) = seen
        (problem,) = found.problems
        assert problem.startswith("the watcher is paused: ")
        assert found.last_run is None and found.running is not None
    assert says(scene) == ("stopped", "")
    after = check_health((), scene.outbox, now)
    assert (after.watcher_state, after.problems, after.running) == ("stopped", [], None)
    assert after.last_run is not None and (after.last_run.exit_code, after.last_run.error) == (0, "")


@pytest.mark.parametrize("signals", [1, 2])
def test_a_start_that_ends_on_a_full_disk_was_not_killed(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, signals: int
) -> None:
    """After SIGHUP in the pause, the next start notes the end of the last one when there is room."""

    def guarded(call: Callable[..., Any]) -> Callable[..., Any]:
        def write(*arguments: Any) -> None:
            if 5 < scene.ticking.now < 100:
                raise OutboxError("cannot write to the ledger: database or disk is full")
            call(*arguments)

        return write

    for name in ("write_heartbeat", "write_run"):
        monkeypatch.setattr(run_history, name, guarded(getattr(run_history, name)))
    monkeypatch.setattr(outboxes, "sync", full(scene, sync, 100, is_staged))
    scene.ticking.at(10, lambda: scene.drop("a.png", numbered_scan(1)))
    state = State()
    scene.watch(30, state=state)
    for number in range(signals):
        state = State(unnoted=state.unnoted)
        scene.watch(200 if number == signals - 1 else 60, goes_on=True, state=state)
    scene.check()
    with open_ledger(scene.outbox, read_only=True) as ledger:
        new, old = run_history.last_runs(ledger, 3)
    assert (old.exit_code, new.exit_code) == (0, 0)
    assert (old.batches, new.batches) == (0, 1)
    assert old.finished_at is not None and old.started_at <= old.finished_at <= new.started_at


def test_a_full_disk_in_a_folder_whose_name_is_no_text(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    scene = Scene(scene.folder / os.fsdecode(b"b\xfcro"))
    monkeypatch.setattr(outboxes, "sync", full(scene, sync, 60, is_staged))
    scene.drop("a.png", numbered_scan(1))
    seen: list[tuple[str, str]] = []
    scene.ticking.at(59, lambda: seen.append(says(scene)))
    scene.watch(200)
    scene.check()
    ((state, detail),) = seen
    assert state == "paused" and "b\\xfcro" in detail


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A very small disk."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=512k", "none", str(folder)]
    if os.geteuid() != 0 or subprocess.run(mount, check=False).returncode:
        pytest.skip("only root can mount, and not everywhere")
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


def test_a_disk_that_is_full(tmp_path: Path, fake_model: Path, disk: Path) -> None:
    scene = Scene(tmp_path)
    scene.outbox = disk / "outbox"
    ballast = disk / "ballast"

    def fill() -> None:
        with ballast.open("wb", buffering=0) as file, suppress(OSError):
            while file.write(bytes(4096)):
                pass

    scene.drop("a.png", numbered_scan(1))
    scene.ticking.at(5, fill)
    scene.ticking.at(10, lambda: scene.drop("b.png", numbered_scan(2)))
    sign = scene.outbox / ".digitbox" / "watcher.lock"
    signed_at: list[float] = []
    scene.ticking.at(30, lambda: os.utime(sign, (0, 0)))
    scene.ticking.at(59, lambda: signed_at.append(sign.stat().st_mtime))
    scene.ticking.at(60, ballast.unlink)
    scene.watch(200)
    scene.check()
    assert signed_at == [0]  # as the ledger cannot say that it is paused
    assert sign.stat().st_mtime > 0
    assert [len(scene.log.of(event)) for event in ("paused", "resumed")] == [1, 1]


def test_a_disk_that_is_read_only_at_the_start(tmp_path: Path, fake_model: Path, disk: Path) -> None:
    scene = Scene(tmp_path)
    for name in ("used", "new"):
        scene.outbox = disk / name
        if name == "used":
            scene.watch(5)
        subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
        with pytest.raises(OutboxError, match="Read-only") as caught:
            scene.watch(1000)
        assert caught.value.exit_code == 6
