"""What can befall the outbox: it is waited for, said once, and each scan has one row when it is back."""

import errno
import itertools
import json
import os
import sqlite3
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from batch.errors import MeansError, OutboxError
from batch.locations import STATE
from batch.monitoring.health import Health, check_health
from batch.monitoring.news import State
from batch.outbox import batches, disposal, run_history, turns
from batch.outbox import publisher as outboxes
from batch.outbox.ledger import FILE, Ledger, open_ledger
from batch.records import Beat, Outcome, ScanRef
from batch.results import writers
from batch.storage import disk as disks
from batch.storage import locks
from batch.storage.durable import sync
from batch.watcher import loop
from fakes import Reading
from faults import fast_folder
from formats import numbered_scan
from scene import Scene, first


def says(scene: Scene) -> tuple[str, str]:
    """What the ledger says of the watcher: its state, and why."""
    with closing(sqlite3.connect(scene.outbox / ".digitbox" / FILE)) as ledger:
        ((state, detail),) = ledger.execute("SELECT state, detail FROM watcher")
    return state, detail


def full(
    scene: Scene, call: Callable[..., Any], until_s: float, concerns: Callable[..., bool]
) -> Callable[..., Any]:
    """A call that finds no room until it is time."""

    def calling(*arguments: Any, **settings: Any) -> Any:
        if scene.ticking.now < until_s and concerns(*arguments):
            raise OSError(errno.ENOSPC, "No space left on device")
        return call(*arguments, **settings)

    return calling


def is_staged(path: Any, *_: Any) -> bool:
    return "predictions-" in str(path)


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


def test_an_error_of_the_start_stands_in_the_history(scene: Scene) -> None:
    def load(refs: Sequence[ScanRef], beat: Beat) -> list[Outcome]:
        raise MemoryError

    with pytest.raises(MeansError):
        scene.watch(100, lambda _: Reading(load))
    with open_ledger(scene.outbox, read_only=True) as ledger:
        (run,) = run_history.last_runs(ledger, 2)
    assert run.exit_code == 2


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


def test_an_outbox_that_cannot_be_written_at_the_start(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    def denied(*_: Any) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(Path, "write_bytes", denied)
    with pytest.raises(OutboxError, match="Read-only file system") as caught:
        scene.watch(10)
    assert caught.value.exit_code == 6


def test_a_scan_that_cannot_be_moved_has_one_row(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    rename = os.rename

    def denied(source: Any, target: Any) -> None:
        if "stuck" in str(source) and scene.ticking.now < 100:
            raise PermissionError(errno.EACCES, "Permission denied")
        rename(source, target)

    monkeypatch.setattr(os, "rename", denied)
    scene.drop("stuck.png", numbered_scan(1))
    scene.drop("a.png", numbered_scan(2))
    scene.watch(50)
    scene.ticking.now = 0
    scene.watch(150)  # a watcher that was started anew does not read it either
    scene.check()
    assert len(scene.log.of("disposal")) == 2


def test_another_scan_in_the_place_of_one_that_cannot_be_moved(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    rename = os.rename

    def denied(source: Any, target: Any) -> None:
        if "stuck" in str(source) and scene.ticking.now < 10:
            raise PermissionError(errno.EACCES, "Permission denied")
        rename(source, target)

    def replace() -> None:
        (scene.inbox / "stuck.png").unlink()
        scene.drop("stuck.png", numbered_scan(2))

    monkeypatch.setattr(os, "rename", denied)
    scene.drop("stuck.png", numbered_scan(1))
    scene.ticking.at(20, replace)
    scene.watch(100)
    assert len({row["sha256"] for row in scene.rows}) == len(scene.rows) == 2
    assert not os.listdir(scene.inbox)


def test_scans_are_moved_to_another_device(tmp_path: Path, fake_model: Path) -> None:
    with fast_folder(tmp_path) as folder:
        if folder.stat().st_dev == tmp_path.stat().st_dev:
            pytest.skip("there is no other device")
        scene = Scene(folder)
        scene.outbox = tmp_path / "outbox"
        for number in range(5):
            scene.drop(f"sub/{number}.png", numbered_scan(number))
        scene.drop(f"{'x' * 251}.png", numbered_scan(9)[:90])
        scene.watch(60)
        scene.check()
        assert not list(scene.inbox.rglob("*.png"))


def test_reasons_stand_beside_failed_scans(scene: Scene) -> None:
    scene.drop("sub/half.png", numbered_scan(1)[:90])
    scene.watch(60)
    (row,) = scene.rows
    (results,) = (scene.folder / "taken").iterdir()
    (reason,) = (scene.outbox / "failed").rglob("*.json")
    assert reason.with_suffix("").is_file()
    assert json.loads(reason.read_text()) == {
        "file": "sub/half.png",
        "status": "failed",
        "reason": "truncated",
        "sha256": row["sha256"],
        "batch": row["batch"],
        "results": results.name,
    }


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
