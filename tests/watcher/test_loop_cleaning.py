"""Cleaning up beside a running watcher: each scan keeps its one row, and no kill loses or doubles one."""

import csv
import itertools
import shutil
import signal
import sys
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from batch import clock
from batch.errors import OutboxError
from batch.outbox import prune, settled
from batch.outbox.ledger import open_ledger
from batch.outbox.prune import Limits, Pruned, prune_outbox
from batch.outbox.retry import ScanFilter, retry_scans
from batch.outbox.turns import Role, hold_outbox, hold_turn
from batch.records import After, Status
from batch.watcher import pruning
from faults import KILL_EVERY, fast_folder, killed_at
from formats import numbered_scan
from scene import Scene, digests

LATER = datetime(2999, 1, 1, tzinfo=UTC)  # everything is old then
ALL = Limits(LATER, LATER)
DAY_S = 86_400.0


@pytest.fixture(autouse=True)
def short_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settled, "TURN_S", 0.0)  # a scan a turn
    monkeypatch.setattr(settled, "WINDOW_ROWS", 1)


def fill(scene: Scene) -> None:
    for number in range(3):
        scene.drop(f"{number}.png", numbered_scan(number))
        scene.drop(f"sub/half{number}.png", numbered_scan(number)[:90])


def rows_of(scene: Scene) -> list[dict[str, str]]:
    """All published rows; the ledger may have forgotten their batches."""
    scene.take()
    paths = (scene.folder / "taken").iterdir()
    return [row for path in paths for row in csv.DictReader(path.read_text(encoding="utf-8").splitlines())]


def known(scene: Scene) -> int:
    with open_ledger(scene.outbox, read_only=True) as ledger:
        return len(list(settled.settled_scans(ledger)))


@pytest.mark.parametrize("after", [After.MOVE, After.LEAVE])
def test_retry_beside_a_watcher(scene: Scene, after: After) -> None:
    fill(scene)
    results = []
    scene.ticking.at(40, lambda: results.append(retry_scans(scene.outbox, ScanFilter())))
    choice = ScanFilter(statuses=(Status.FAILED,))
    scene.ticking.at(40, lambda: results.append(retry_scans(scene.outbox, choice)))
    scene.watch(200, after=after)
    everything, failed = results
    assert (everything.in_place + everything.brought_back, failed.in_place + failed.brought_back) == (6, 0)
    assert not everything.problems
    assert Counter(row["file"] for row in rows_of(scene)) == {name: 2 for name, _ in scene.dropped}
    places = (scene.inbox,) if after is After.LEAVE else (scene.outbox / "done", scene.outbox / "failed")
    there = Counter(sha for place in places for sha in digests(place))
    assert there == Counter(sha for _, sha in scene.dropped.elements())
    assert not scene.log.of("paused")


def test_prune_beside_a_watcher(scene: Scene) -> None:
    fill(scene)
    results: list[Pruned] = []
    scene.ticking.at(40, lambda: results.append(prune_outbox(scene.outbox, ALL)))
    scene.ticking.at(41, lambda: scene.drop("late.png", numbered_scan(9)))
    scene.watch(100)
    (pruned,) = results
    assert (pruned.files, pruned.scans, pruned.problems) == (9, 6, [])  # three say why a scan failed
    assert Counter(row["file"] for row in rows_of(scene)) == {name: 1 for name, _ in scene.dropped}
    assert [path.name for path in (scene.outbox / "done").rglob("*.png")] == ["late.png"]
    assert known(scene) == 1
    assert not scene.log.of("paused")


def test_prune_keeps_what_came_while_the_watcher_had_its_turn(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A scan that comes again between two turns of `prune` keeps its new row and its file."""
    scene.drop("a.png", numbered_scan(1))
    scene.watch(20)
    (old,) = (scene.outbox / "done").rglob("a.png")
    copy = scene.folder / "copy.png"
    shutil.copy2(old, copy)
    folder = scene.outbox / ".digitbox"
    before = datetime.now(UTC) + timedelta(days=2)
    with open_ledger(scene.outbox) as ledger:
        pruned = Pruned()
        steps = prune.prune(ledger, scene.outbox, Limits(before, before), pruned, dry_run=False, now=before)
        with hold_turn(folder):
            next(steps)  # the list of what is old
        shutil.copy2(copy, scene.inbox / "a.png")
        scene.note("a.png", numbered_scan(1))
        scene.ticking.now = 0
        scene.watch(20)
        with hold_turn(folder):
            for _ in steps:
                pass
    assert [path.name for path in (scene.outbox / "done").rglob("*.png")] == ["a.png"]
    assert not old.exists()
    assert len(rows_of(scene)) == 2


def test_a_watcher_waits_for_its_turn_and_stops_at_once(scene: Scene) -> None:
    """A command that hangs in its turn holds the watcher up, but not its end."""
    fill(scene)
    folder = scene.outbox / ".digitbox"

    def hang() -> None:
        turn = hold_turn(folder)
        turn.__enter__()
        held.append(turn)
        signal.raise_signal(signal.SIGTERM)

    held: list[object] = []
    scene.ticking.at(1, hang)
    scene.watch(100)
    assert (rows_of(scene), scene.log.of("paused"), len(scene.log.of("stopped"))) == ([], [], 1)
    held.clear()
    scene.ticking.now = 0
    scene.watch(100)
    scene.check()


def test_a_starting_watcher_waits_for_its_turn_and_stops_at_once(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(scene)
    folder = scene.outbox / ".digitbox"
    folder.mkdir()
    looks: list[float] = []

    def stop(_: float) -> None:
        looks.append(scene.ticking.now)
        scene.ticking.now = 1000  # when it is told to stop

    monkeypatch.setattr("batch.outbox.turns.time.sleep", stop)
    with hold_turn(folder):
        scene.watch(1000)
    assert (looks, rows_of(scene), len(scene.log.of("stopped"))) == ([0], [], 1)


def test_a_watcher_deletes_old_scans_once_a_day(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(scene)
    assert pruning.DAY_S == DAY_S
    day_s = 3_600.0  # a shorter one, since each second of a watcher at rest takes its time here, too
    monkeypatch.setattr(pruning, "DAY_S", day_s)
    days = [timedelta()]
    monkeypatch.setattr("batch.watcher.pruning.utc_now", lambda: clock.utc_now() + days[0])
    seen: list[tuple[int, int]] = []

    def look() -> None:
        seen.append((len(list(digests(scene.outbox / "done"))), len(list(digests(scene.outbox / "failed")))))

    scene.ticking.at(60, look)
    scene.ticking.at(61, lambda: days.append(days.pop() + timedelta(days=100)))
    scene.ticking.at(day_s - 60, look)
    scene.ticking.at(day_s + 60, look)
    scene.ticking.at(day_s + 61, lambda: days.append(days.pop() + timedelta(days=300)))
    scene.ticking.at(2 * day_s + 60, look)
    scene.watch(2 * day_s + 61, rescan_s=3600, keep_done_s=90 * DAY_S, keep_failed_s=365 * DAY_S)
    assert seen == [(3, 3), (3, 3), (0, 3), (0, 0)]
    assert Counter(row["file"] for row in rows_of(scene)) == {name: 1 for name, _ in scene.dropped}
    assert [text.split(" old files")[0] for text in scene.log.of("prune")] == ["deleted 3", "deleted 6"]
    assert known(scene) == 0


def test_a_watcher_prunes_later_while_somebody_cleans_up(scene: Scene) -> None:
    scene.watch(5)
    scene.ticking.now = 0
    with hold_outbox(scene.outbox / ".digitbox", Role.CLEANER, busy=""):
        fill(scene)
        scene.watch(100, keep_done_s=DAY_S)
    scene.check()
    assert not scene.log.of("paused") and not scene.log.of("prune")


def test_a_watcher_reads_on_although_pruning_fails(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        starts.append(scene.ticking.now)
        raise OutboxError("cannot write to the ledger: database or disk is full")

    starts: list[float] = []
    monkeypatch.setattr(prune._Work, "prune_ledger", fail)
    fill(scene)
    scene.ticking.at(100, lambda: scene.drop("late.png", numbered_scan(9)))
    scene.watch(pruning.BUSY_S + 100, keep_done_s=30 * DAY_S)
    scene.check()
    assert (len(starts), len(scene.log.of("paused")), len(scene.log.of("resumed"))) == (2, 2, 2)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="processes are forked")
def test_killed_at_every_call_while_somebody_cleans_up(tmp_path: Path, fake_model: Path) -> None:
    def retry(scene: Scene) -> None:
        retry_scans(scene.outbox, ScanFilter(statuses=(Status.FAILED,)))

    def clean(scene: Scene) -> None:
        prune_outbox(scene.outbox, Limits(done=LATER))

    def work(scene: Scene) -> None:
        scene.ticking.at(20, lambda: retry(scene))
        scene.ticking.at(60, lambda: clean(scene))
        scene.watch(80, rows_per_file=4)

    def books(scene: Scene) -> None:
        rows = Counter((row["file"], row["sha256"]) for row in rows_of(scene))
        for scan in scene.dropped:
            assert rows[scan] in ((1, 2) if "half" in scan[0] else (1,)), scan
        assert rows.keys() == scene.dropped.keys()
        failed = Counter(digests(scene.outbox / "failed"))
        assert failed == Counter(sha for name, sha in scene.dropped if "half" in name)
        assert not list(scene.inbox.rglob("*.*"))

    with fast_folder(tmp_path) as folder:
        for number in itertools.count(1 + KILL_EVERY // 2, KILL_EVERY):
            scene = Scene(folder / "here")
            fill(scene)
            killed = killed_at(number, lambda: work(scene))  # noqa: B023
            scene.ticking = Scene(folder / "here").ticking
            scene.watch(60)
            books(scene)
            prune_outbox(scene.outbox, Limits(done=LATER))
            assert not list(digests(scene.outbox / "done"))
            assert known(scene) == 3
            books(scene)
            shutil.rmtree(folder / "here")
            if not killed:
                break
        assert number > 300
