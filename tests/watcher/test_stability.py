"""Scans that somebody still writes to: digitbox waits for him, even if he is another user."""

import hashlib
import itertools
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

import pytest

from batch.outbox.publisher import Outbox
from batch.records import Outcome, ScanRef
from batch.storage import dispatch
from formats import FORMATS, numbered_scan
from others import as_another, needs_root, open_to_all
from scene import Scene, first

PATIENTLY_S = 10.0  # a second look at what could not be read


# Writers


def test_a_look_that_takes_long_makes_no_file_older(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file counts as unchanged since somebody looked at it, not since the look at the inbox began."""
    look_s, settle_s = 5.0, 2.0
    changes: list[float] = []

    def slow_look(refs: Iterable[ScanRef]) -> Iterator[list[ScanRef]]:
        scene.ticking.now += look_s
        if not changes:
            changes.append(scene.ticking.now)
            with (scene.inbox / "a.png").open("ab") as file:
                file.write(b"more")
        yield from identify_all(refs)

    def note(_: object) -> None:
        begins.append(scene.ticking.now)

    begins: list[float] = []
    identify_all = dispatch.identify_all
    monkeypatch.setattr(dispatch, "identify_all", slow_look)
    scene.drop("a.png", numbered_scan(1))
    scene.ticking.at(look_s + 0.01, lambda: [scene.inbox / "a.png"])  # the event of the change
    scene.watch(60, first(note), settle_s=settle_s)
    assert begins[0] >= changes[0] + settle_s


@pytest.mark.parametrize("look_s", [0.0, 1.0, 10.0])
def test_slow_looks_leave_time_for_scans(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, look_s: float
) -> None:
    def slow_look(refs: Iterable[ScanRef]) -> Iterator[list[ScanRef]]:
        looks.append(scene.ticking.now)
        scene.ticking.now += look_s
        return identify_all(refs)

    looks: list[float] = []
    identify_all = dispatch.identify_all
    monkeypatch.setattr(dispatch, "identify_all", slow_look)
    scene.watch(60, rescan_s=6)
    gaps = [after - before for before, after in itertools.pairwise(looks)]
    assert gaps == pytest.approx([max(6, 2 * look_s)] * len(gaps), abs=0.1) and gaps


def test_a_new_folder_has_a_look_once_there_was_time_for_scans(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    def slow_look(refs: Iterable[ScanRef]) -> Iterator[list[ScanRef]]:
        looks.append(scene.ticking.now)
        scene.ticking.now += 1.0
        return identify_all(refs)

    looks: list[float] = []
    identify_all = dispatch.identify_all
    monkeypatch.setattr(dispatch, "identify_all", slow_look)
    folder = scene.inbox / "new"
    folder.mkdir()
    for moment in (2.0, 3.0):
        scene.ticking.at(moment, lambda: [folder])
    scene.watch(20, rescan_s=60)
    assert looks == pytest.approx([0.0, 2.0 + 5 * 1.0], abs=0.1)


def test_a_writer_slower_than_files_settle(scene: Scene) -> None:
    content = numbered_scan(1)
    scene.note("a.png", content)
    with (scene.inbox / "a.png").open("wb", buffering=0) as file:
        file.write(content[:70])

        def go_on() -> None:
            file.write(content[70:])

        scene.ticking.at(30, go_on)
        scene.ticking.at(60, file.close)
        scene.watch(80)
    scene.check()


@pytest.mark.parametrize("kind", ["png-8", "jpeg-grey", "bmp-8", "pgm", "tiff-8", "webp"])
@pytest.mark.parametrize("has_zeros", [False, True])
def test_half_a_file_is_no_digit(scene: Scene, kind: str, has_zeros: bool) -> None:
    kind = next(name for name in FORMATS if name.startswith(kind.split("-")[0]))
    content = numbered_scan(1, kind)
    half = content[: len(content) // 2]
    name = f"a.{kind.split('-')[0].replace('jpeg', 'jpg').replace('tiff', 'tif')}"
    (scene.inbox / name).write_bytes(half + bytes(len(content) - len(half)) * has_zeros)
    scene.ticking.at(6, lambda: scene.drop(name, content))  # its writer was away for a while
    scene.watch(40)
    scene.check()


def test_an_empty_file_may_be_filled_later(scene: Scene) -> None:
    (scene.inbox / "a.png").touch()
    scene.ticking.at(8, lambda: scene.drop("a.png", numbered_scan(1)))
    scene.watch(40)
    scene.check()


def test_a_look_does_not_shorten_the_wait_for_half_a_file(scene: Scene) -> None:
    content = numbered_scan(1)
    path = scene.inbox / "a.png"
    path.write_bytes(content[:90])
    scene.ticking.open[str(path)] = False
    scene.ticking.at(4, lambda: [path])
    scene.ticking.at(9, lambda: scene.drop("a.png", content))
    scene.watch(40)
    scene.check()


def test_what_stays_half_or_empty_has_a_failed_row(scene: Scene) -> None:
    scene.drop("half.png", numbered_scan(1)[:90])
    (scene.inbox / "empty.png").touch()
    scene.watch(PATIENTLY_S + 5)
    reasons = {row["file"]: row["reason"] for row in scene.rows}
    assert reasons == {"half.png": "truncated", "empty.png": "empty"}
    assert not os.listdir(scene.inbox)


# Files of other users, of which the system does not say whether they are open
PBM = b"P4\n40 40\n" + bytes(200)  # half of it, with zeros for the rest, is a white sheet


@pytest.fixture
def shared(scene: Scene, fake_model: Path) -> Scene:
    """A scene in which another user may watch: he may move the scans, and does not own them."""
    open_to_all(scene.folder, scene.inbox, scene.outbox, scene.folder / "taken", fake_model)
    return scene


def watch_as_another(scene: Scene, until_s: float) -> None:
    as_another(lambda: scene.watch(until_s))


@needs_root
@pytest.mark.parametrize("kind", ["png", "pbm"])
@pytest.mark.parametrize("mode", [0o644, 0o600])
def test_a_slow_writer_of_another_user(shared: Scene, kind: str, mode: int) -> None:
    """The writer pauses far longer than files settle. Its close is the sign, not the pause."""
    content = numbered_scan(1) if kind == "png" else PBM
    path = shared.inbox / f"a.{kind}"
    with path.open("wb", buffering=0) as file:
        path.chmod(mode)
        file.write(content[:70] + bytes(len(content) - 70) * (kind == "pbm"))
        number = file.fileno()

        def go_on() -> list[Path]:
            os.pwrite(number, content[70:], 70)
            return [path]

        def close() -> list[Path]:
            assert (shared.rows, os.listdir(shared.inbox)) == ([], [path.name])
            shared.ticking.open[str(path)] = False
            return [path]

        shared.ticking.open[str(path)] = True
        shared.ticking.at(300, go_on)
        shared.ticking.at(900, close)
        watch_as_another(shared, 940)
    is_readable = mode == 0o644
    (row,) = shared.rows
    assert row["sha256"] == (hashlib.sha256(content).hexdigest() if is_readable else "")
    assert row["reason"] == ("unreadable" if not is_readable else row["reason"])
    assert not os.listdir(shared.inbox)


@needs_root
def test_without_events_files_of_others_wait_for_longer(shared: Scene) -> None:
    """The watcher has just started, so it knows nothing of a writer who pauses for 18 seconds."""
    content = numbered_scan(1)
    shared.note("a.png", content)
    with (shared.inbox / "a.png").open("wb", buffering=0) as file:
        file.write(content[:70])
        number = file.fileno()

        def go_on() -> None:
            assert shared.rows == []
            os.pwrite(number, content[70:], 70)

        shared.ticking.at(18, go_on)
        watch_as_another(shared, 180)
    shared.check()


@needs_root
def test_the_log_says_once_that_nothing_tells_of_writers(shared: Scene) -> None:
    for number in range(3):
        shared.drop(f"{number}.png", numbered_scan(number))

    def watch() -> None:
        shared.watch(70)
        shared.check()
        (line,) = shared.log.of("guessing")
        assert "unchanged for 60 s" in line and "CAP_LEASE" in line

    as_another(watch)


@needs_root
def test_a_lost_close_does_not_hold_a_scan_for_ever(shared: Scene) -> None:
    (path,) = shared.drop("a.png", numbered_scan(1))
    shared.ticking.open[str(path)] = True
    watch_as_another(shared, 3700)
    shared.check()


def test_a_scan_that_is_opened_while_it_is_read_waits(scene: Scene) -> None:
    """Somebody opens it after it has settled, and has written nothing yet."""
    opened: list[BinaryIO] = []
    scene.drop("a.png", numbered_scan(1))
    scene.ticking.at(30, lambda: opened[0].close())
    scene.watch(29, first(lambda _: opened.append((scene.inbox / "a.png").open("r+b"))))
    assert scene.rows == []
    scene.ticking.now = 0
    scene.watch(40)
    scene.check()


def test_a_scan_that_is_opened_after_it_was_read_stays(scene: Scene) -> None:
    """Its row is right. Its writer has it, so it moves only when he has closed it."""
    opened: list[BinaryIO] = []
    scene.drop("a.png", numbered_scan(1))
    scene.ticking.at(30, lambda: opened[0].close())
    path = scene.inbox / "a.png"
    read_at: list[bool] = []

    add = Outbox.add

    def add_then_open(outbox: Outbox, outcomes: Sequence[Outcome]) -> None:
        add(outbox, outcomes)
        if outcomes and not opened:
            opened.append(path.open("r+b"))

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(Outbox, "add", add_then_open)
        scene.ticking.at(29, lambda: read_at.append(path.exists()))
        scene.watch(90)
    assert read_at == [True]
    assert scene.log.of("disposal") == [
        "1 scan could not be moved to done/ or failed/: somebody writes to it"
    ]
    scene.check()
