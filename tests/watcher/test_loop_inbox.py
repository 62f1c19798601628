"""What can befall the inbox and those who watch it: scans are found all the same."""

import signal
from datetime import UTC, datetime
from pathlib import Path

import pytest

from batch.config import NotifyOptions, WatchOptions
from batch.engines.local import Engine
from batch.errors import BusyError, InputError
from batch.locations import STATE
from batch.monitoring.health import check_health
from batch.monitoring.news import News, State
from batch.run import job
from batch.storage import locks
from batch.watcher import arrivals, inbox, loop
from batch.watcher.signals import StopSignal
from fakes import Reading
from formats import numbered_scan
from scene import Scene


def test_the_history_names_an_inbox_behind_a_link(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for folder in ("deep/scans", "here"):
        (tmp_path / folder).mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "here")
    Path("link").symlink_to("../deep/scans")
    stats = job.new_stats(WatchOptions(inbox=Path("link/../in")))
    assert stats._inputs == (str(tmp_path / "deep/in"),)


def test_scans_are_found_without_events(scene: Scene) -> None:
    scene.ticking.is_deaf = True
    scene.ticking.at(40, lambda: scene.drop("a.png", numbered_scan(1)))
    scene.watch(75)
    scene.check()
    assert scene.ticking.starts > 1  # it tries to hear again
    assert not scene.log.of("polling")


def test_without_watches_it_looks_itself_and_says_so_once(scene: Scene) -> None:
    scene.ticking.cannot_start = "inotify watch limit reached"
    scene.ticking.at(40.1, lambda: scene.drop("a.png", numbered_scan(1)) and None)
    scene.watch(50)
    scene.check()
    assert scene.log.of("polling") == [
        "no events of the inbox (inotify watch limit reached): looking every 5 s instead"
    ]


def test_on_a_network_it_looks_itself_and_says_so_once(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    device = scene.inbox.stat().st_dev
    monkeypatch.setattr(inbox, "is_network_device", lambda of: of == device)
    scene.ticking.at(40.1, lambda: scene.drop("a.png", numbered_scan(1)) and None)
    scene.watch(50)
    scene.check()
    assert scene.log.of("polling") == [
        "no events of the inbox (it is on a network file system): looking every 5 s instead"
    ]
    assert not scene.ticking.starts


def test_it_may_be_told_to_look_itself(scene: Scene) -> None:
    scene.ticking.is_deaf = True
    scene.ticking.at(40.1, lambda: scene.drop("a.png", numbered_scan(1)) and None)
    scene.watch(44.2, poll_s=1)
    scene.check()
    assert scene.ticking.starts == 0


def test_lost_events_have_it_look_at_once(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    lost = []
    scene.ticking.at(40, lambda: lost.append(scene.drop("a.png", numbered_scan(1))))
    monkeypatch.setattr(scene.ticking, "were_lost", lambda: bool(lost and lost.pop()))
    scene.watch(43)
    scene.check()


def test_an_inbox_that_is_taken_away_is_waited_for(scene: Scene) -> None:
    scene.drop("a.png", numbered_scan(1))

    def take_away() -> None:
        scene.inbox.rename(scene.folder / "away")

    scene.ticking.at(10, take_away)

    def bring_another() -> None:
        scene.inbox.mkdir()
        scene.drop("b.png", numbered_scan(2))

    scene.ticking.at(100, bring_another)
    scene.watch(130)
    scene.check()
    assert scene.ticking.starts == 2
    assert len(scene.log.of("inbox")) == 1


def test_after_a_reload_it_waits_for_an_inbox_that_is_gone(scene: Scene) -> None:
    away = scene.folder / "away"
    (scene.outbox / STATE).mkdir()  # it has been watched
    scene.drop("a.png", numbered_scan(1))
    scene.inbox.rename(away)
    scene.ticking.at(30, lambda: [away.rename(scene.inbox)])
    scene.watch(60, goes_on=True)
    scene.check()
    assert scene.log.of("inbox") == [f"the inbox {scene.inbox} is gone: waiting for it"]


def test_a_start_needs_its_inbox_and_a_reload_does_not(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job, "new_engine", lambda *_, **__: Engine(Reading(lambda *_: []), 0))
    options = WatchOptions(inbox=scene.folder / "gone", outbox=scene.outbox, workers=1)
    reader, stats, stop = job.new_reader(options)[0], job.new_stats(options), StopSignal()
    stop.number = signal.SIGTERM
    with News(stats, State(), NotifyOptions(), scene.outbox, print) as news:
        with pytest.raises(InputError, match="no inbox"):
            loop.watch(options, reader, stats, news, stop)
        loop.watch(options, reader, stats, news, stop, goes_on=True)


def test_an_inbox_that_is_replaced_is_listened_to(scene: Scene) -> None:
    def replace() -> None:
        scene.inbox.rename(scene.folder / "away")
        scene.inbox.mkdir()
        scene.drop("b.png", numbered_scan(2))

    scene.ticking.at(10, replace)
    scene.watch(65)
    scene.check()
    assert scene.ticking.starts == 2


def test_a_link_that_is_switched_leaves_the_watcher_where_it_is(scene: Scene) -> None:
    """It reads the folder whose lock it holds; another watcher may take the other one."""
    first, second = scene.folder / "first", scene.folder / "second"
    scene.inbox.rmdir()
    for folder in (first, second):
        folder.mkdir()
    scene.inbox.symlink_to(first)

    def switch() -> None:
        scene.inbox.unlink()
        scene.inbox.symlink_to(second)
        (second / "other.png").write_bytes(numbered_scan(2))

    def drop() -> None:
        scene.note("late.png", numbered_scan(3))
        (first / "late.png").write_bytes(numbered_scan(3))

    def try_locks() -> None:
        with locks.hold(second, exclusive=True, busy=""):
            free.append(second)
        with pytest.raises(BusyError), locks.hold(first, exclusive=True, busy=""):
            pass

    def ask() -> None:
        health = check_health((), scene.outbox, datetime.now(UTC).timestamp())
        waiting.append((health.waiting, health.problems))

    free: list[Path] = []
    waiting: list[object] = []
    scene.drop("a.png", numbered_scan(1))
    scene.ticking.at(20, switch)
    scene.ticking.at(25, drop)
    scene.ticking.at(100, try_locks)
    scene.ticking.at(110, ask)
    scene.watch(150)
    scene.check()
    assert {row["source"] for row in scene.rows} == {str(first.resolve())}
    assert free
    assert waiting == [(0, [])]


def test_no_inbox_and_one_that_cannot_be_opened(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    def denied(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(locks, "hold", denied)
    with pytest.raises(InputError, match="Permission denied"):
        scene.watch(10)


def test_more_than_can_be_remembered(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arrivals, "MAX_TRACKED", 10)
    for number in range(35):
        scene.drop(f"{number}.png", numbered_scan(number))
    scene.ticking.at(
        1, lambda: [path for n in range(35, 50) for path in scene.drop(f"{n}.png", numbered_scan(n))]
    )
    scene.watch(35)
    scene.check()


def test_one_watcher_an_inbox_and_one_an_outbox(scene: Scene) -> None:
    other = Scene(scene.folder / "other")
    refused = []

    def start_another(inbox: Path, outbox: Path) -> None:
        with pytest.raises(BusyError, match="another digitbox") as caught:
            other.watch(10, inbox=inbox, outbox=outbox)
        refused.append(caught.value.exit_code)

    scene.ticking.at(5, lambda: start_another(scene.inbox, other.outbox))
    scene.ticking.at(6, lambda: start_another(other.inbox, scene.outbox))
    scene.watch(20)
    assert refused == [75, 75]


@pytest.mark.parametrize("stop_s", [0, 0.5, 1, 1.999, 2, 2.001, 3, 11.9, 12, 12.1, 13])
def test_stopped_at_any_time_and_started_again(scene: Scene, stop_s: float) -> None:
    for number in range(7):
        scene.drop(f"{number}.png", numbered_scan(number))
    scene.drop("half.png", numbered_scan(8)[:90])
    scene.watch(stop_s, rows_per_file=3)
    scene.ticking.now = 0
    scene.watch(60, rows_per_file=3)
    scene.check()
    assert scene.log.of("stopped") == ["stopped", "stopped"]
