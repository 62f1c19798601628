"""What can befall scans on their way: each has one row, and is in done/ or failed/."""

import hashlib
import os
import socket
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

import pytest

import pdfs
from batch.engines.workers import Beat, ScanReader
from batch.inference import reader
from batch.outbox.publisher import Outbox
from batch.records import Outcome, ScanRef
from batch.watcher import loop as watching
from fakes import Reading
from faults import fast_folder
from formats import FORMATS, SEVERAL_PAGES, numbered_scan, two
from others import as_another, needs_root, open_to_all
from scene import Scene

PATIENTLY_S = 10.0  # a second look at what could not be read


@pytest.fixture
def scene(tmp_path: Path, fake_model: Path) -> Iterator[Scene]:
    with fast_folder(tmp_path) as folder:
        yield Scene(folder)


def first(does: Callable[[Sequence[ScanRef]], None]) -> Callable[[ScanReader], ScanReader]:
    """A reader before whose first work something happens."""

    def wrap(reader: ScanReader) -> ScanReader:
        todo = [does]

        def read(refs: Sequence[ScanRef], beat: Beat) -> list[Outcome]:
            if refs and todo:
                todo.pop()(refs)
            return reader(refs, beat)

        return Reading(read)

    return wrap


# Drops


def test_what_is_there_at_the_start_and_what_arrives(scene: Scene) -> None:
    scene.drop("a.png", numbered_scan(1))
    scene.ticking.at(20, lambda: scene.drop("deep/er/b.png", numbered_scan(2)))
    scene.watch(40)
    scene.check()
    assert sorted(os.listdir(scene.inbox)) == ["deep"]


def test_rows_name_the_inbox_as_their_source(scene: Scene) -> None:
    scene.drop("a.png", numbered_scan(1))
    scene.drop("broken.png", b"no image")
    scene.ticking.at(20, lambda: scene.drop("deep/b.png", numbered_scan(2)))
    scene.watch(60)
    scene.check()
    inbox = os.path.realpath(scene.inbox)
    assert [(row["page"], row["source"]) for row in scene.rows] == [("", inbox)] * 3


def test_a_lone_scan_is_read_as_soon_as_it_has_settled(scene: Scene) -> None:
    scene.ticking.at(10, lambda: scene.drop("a.png", numbered_scan(1)))
    scene.watch(12.1, max_wait_s=60)
    scene.check()


def test_scans_that_trickle_in_wait_no_longer_than_asked(scene: Scene) -> None:
    for number in range(60):
        scene.ticking.at(number, lambda n=number: scene.drop(f"{n}.png", numbered_scan(n)))  # type: ignore[misc]
    scene.watch(70, max_wait_s=1)
    scene.check()
    assert max(map(len, scene.results)) <= 3


def kinds_of_drops(scene: Scene) -> list[Callable[[int], list[Path]]]:
    beside = scene.folder / "beside"
    beside.mkdir()

    def put(number: int) -> Path:
        path = beside / f"{number}.png"
        path.write_bytes(numbered_scan(number))
        scene.note(path.name, numbered_scan(number))
        return path

    def link(number: int) -> list[Path]:
        path = put(number)
        os.link(path, scene.inbox / path.name)
        return [scene.inbox / path.name]

    def rsync(number: int) -> list[Path]:
        path = put(number)
        part = scene.inbox / f".{path.name}.aB3dEf"
        path.rename(part)
        part.rename(scene.inbox / path.name)
        return [part, scene.inbox / path.name]

    return [
        lambda number: scene.drop(f"{number}.png", numbered_scan(number)),
        lambda number: [put(number).rename(scene.inbox / f"{number}.png")],
        link,
        rsync,
    ]


def test_five_thousand_in_each_way_make_a_few_files_of_results(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watching, "MIN_BUSY_SCANS", 8)  # a tenth of everything
    kinds = kinds_of_drops(scene)
    for number in range(400):
        scene.ticking.at(number / 50, lambda n=number: kinds[n % 4](n))  # type: ignore[misc]
    folder = scene.folder / "form"
    for number in range(100):
        (folder / f"{number % 7}").mkdir(parents=True, exist_ok=True)
        (folder / f"{number % 7}" / f"{number}.png").write_bytes(numbered_scan(1000 + number))
        scene.note(f"form/{number % 7}/{number}.png", numbered_scan(1000 + number))
    scene.ticking.at(3, lambda: [folder.rename(scene.inbox / "form")])
    scene.watch(30, batch_size=26)
    scene.check()
    assert len(scene.results) <= 10


def test_the_same_name_again_and_the_same_content_twice(scene: Scene) -> None:
    for time_s in (0, 10, 20):
        scene.ticking.at(time_s, lambda t=time_s: scene.drop("a.png", numbered_scan(t)))  # type: ignore[misc]
    scene.ticking.at(11, lambda: scene.drop("b.png", numbered_scan(10)))
    scene.watch(40)
    scene.check()


def test_names_of_all_kinds(scene: Scene) -> None:
    names = ["=cmd.png", "-rf.png", "line\nbreak.png", "x" * 251 + ".png", "\x1b[2J.png", "a,\"b'.png"]
    names += [os.fsdecode(b"\xff\xfe.png"), os.fsdecode("è\u202e.png".encode()), "y" * 250 + "1.png"]
    for number, name in enumerate(names):
        scene.drop(name, numbered_scan(number))
        scene.drop(f"sub/{name}", numbered_scan(100 + number)[:90])
    scene.watch(40)
    scene.check()
    failed = [path for path in scene.outbox.rglob("*") if path.suffix == ".json"]
    assert len(failed) == len(names)
    assert not any(row["file"].startswith(("=", "-", "+", "@")) for row in scene.rows)


def test_reasons_lie_beside_scans_with_long_names(scene: Scene) -> None:
    for number in range(5):
        scene.drop("x" * 250 + f"{number}.png", numbered_scan(number)[:90])
    scene.watch(40)
    scene.check()
    assert len(list(scene.outbox.rglob("*.json"))) == 5


@pytest.mark.parametrize("mtime_s", [-1, 0, 1, 2**31, 2**33])
def test_modification_times_do_not_matter(scene: Scene, mtime_s: int) -> None:
    (path,) = scene.drop("a.png", numbered_scan(1))
    os.utime(path, (mtime_s, mtime_s))
    scene.watch(20)
    scene.check()


def test_what_is_passed_over(scene: Scene) -> None:
    scene.drop("a.png", numbered_scan(1))
    for name in (".hidden.png", "b.png.part", "~$c.png", "d.tmp", "Thumbs.db", "@eaDir/e.png", "no-back.png"):
        path = scene.inbox / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(numbered_scan(2))
    (scene.inbox / "readme.txt").write_text("a file of another type")
    scene.watch(100, ignore=("*-back.png",))
    scene.check()
    assert scene.log.of("others") == ["1 other file in the inbox left alone: readme.txt"]
    assert len(list(scene.inbox.iterdir())) == 8


def test_sub_folders_may_be_left_out(scene: Scene) -> None:
    (scene.inbox / "sub").mkdir()
    (scene.inbox / "sub" / "b.png").write_bytes(numbered_scan(2))
    scene.ticking.at(5, lambda: [scene.inbox / "sub" / "b.png"])
    scene.drop("a.png", numbered_scan(1))
    scene.watch(40, recursive=False)
    scene.check()


def test_pipes_sockets_and_links_are_left_alone_with_a_note(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene.drop("a.png", numbered_scan(1))
    os.mkfifo(scene.inbox / "pipe.png")
    monkeypatch.chdir(scene.inbox)  # names of sockets must be short
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind("socket.png")
        (scene.inbox / "link.png").symlink_to(scene.inbox / "a.png")
        (scene.inbox / "loop").symlink_to(scene.inbox)
        (scene.inbox / "itself.png").symlink_to("itself.png")
        (scene.inbox / "nothing.png").symlink_to("nothing")
        names = ["pipe.png", "socket.png", "link.png", "loop", "itself.png", "nothing.png"]
        scene.ticking.at(5, lambda: [scene.inbox / name for name in names])
        scene.watch(40)
    scene.check()
    assert scene.log.of("others") == [
        "6 other files in the inbox left alone: itself.png, link.png, loop and 3 more"
    ]
    assert sorted(os.listdir(scene.inbox)) == sorted(names)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make a device")
def test_a_device_is_left_alone(scene: Scene) -> None:
    try:
        os.mknod(scene.inbox / "tape.png", 0o20666, os.makedev(1, 5))
    except OSError as error:
        pytest.skip(f"no devices here: {error.strerror}")
    scene.drop("a.png", numbered_scan(1))
    scene.watch(40)
    scene.check()


# Writers


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
    assert scene.log.of("retire") == ["1 scan could not be moved to done/ or failed/: somebody writes to it"]
    scene.check()


# While they are read


def test_a_scan_that_vanishes_has_a_row_that_says_so(scene: Scene) -> None:
    for name in ("a.png", "b.png", "c.png"):
        scene.drop(name, numbered_scan(ord(name[0])))
    scene.watch(40, first(lambda _: os.unlink(scene.inbox / "b.png")))
    assert [(row["file"], row["reason"]) for row in scene.rows] == [
        ("a.png", ""),
        ("b.png", "vanished"),
        ("c.png", ""),
    ]


def test_a_scan_that_vanishes_and_is_back_is_read(scene: Scene) -> None:
    away = scene.folder / "away"

    def read_without(reader: ScanReader) -> ScanReader:
        def read(refs: Sequence[ScanRef], beat: Beat) -> list[Outcome]:
            here = {ref.path for ref in refs if os.path.exists(ref.path)}
            for path in here if not scene.rows else ():
                os.rename(path, away)
                scene.ticking.at(scene.ticking.now + 3, lambda p=path: [away.rename(p)])  # type: ignore[misc]
            return reader(refs, beat)

        return Reading(read)

    scene.drop("a.png", numbered_scan(1))
    scene.watch(60, read_without)
    scene.dropped["a.png", ""] += 1
    assert sorted(row["reason"] for row in scene.rows) == ["", "vanished"]
    assert not os.listdir(scene.inbox)


@pytest.mark.parametrize("is_replaced", [False, True])
def test_a_scan_that_changes_before_it_is_read_waits(scene: Scene, is_replaced: bool) -> None:
    def change(_: Sequence[ScanRef]) -> None:
        (scene.inbox / "new").write_bytes(numbered_scan(2))
        if is_replaced:
            (scene.inbox / "new").rename(scene.inbox / "a.png")
        else:
            (scene.inbox / "a.png").write_bytes((scene.inbox / "new").read_bytes())
            (scene.inbox / "new").unlink()

    (scene.inbox / "a.png").write_bytes(numbered_scan(1))
    scene.note("a.png", numbered_scan(2))
    scene.drop("b.png", numbered_scan(3))
    scene.watch(40, first(change))
    scene.check()


def after_reading(does: Callable[[], None]) -> Callable[[ScanReader], ScanReader]:
    def wrap(reader: ScanReader) -> ScanReader:
        todo = [does]

        def read(refs: Sequence[ScanRef], beat: Beat) -> list[Outcome]:
            outcomes = reader(refs, beat)
            if refs and todo:
                todo.pop()()
            return outcomes

        return Reading(read)

    return wrap


def test_a_scan_that_is_replaced_after_it_was_read_is_a_new_one(scene: Scene) -> None:
    scene.note("a.png", numbered_scan(1))
    (scene.inbox / "a.png").write_bytes(numbered_scan(1))

    def replace() -> None:
        (scene.inbox / "new").write_bytes(numbered_scan(2))
        (scene.inbox / "new").rename(scene.inbox / "a.png")

    scene.watch(60, after_reading(replace))
    assert len(scene.rows) == 2
    assert len({row["sha256"] for row in scene.rows}) == 2


def test_a_scan_that_is_renamed_after_it_was_read_has_one_row(scene: Scene) -> None:
    scene.drop("a.png", numbered_scan(1))
    scene.drop("b.png", numbered_scan(2))
    scene.watch(60, after_reading(lambda: os.rename(scene.inbox / "a.png", scene.inbox / "z.png")))
    scene.check()


def test_a_scan_that_is_replaced_at_the_very_move_is_given_back(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene.note("a.png", numbered_scan(2))
    (scene.inbox / "a.png").write_bytes(numbered_scan(1))
    rename = os.rename
    todo = [numbered_scan(2)]

    def replacing(source: Path, target: Path) -> None:
        if str(source).endswith("a.png") and todo:
            (scene.inbox / "new").write_bytes(todo.pop())
            rename(scene.inbox / "new", source)
        rename(source, target)

    monkeypatch.setattr(os, "rename", replacing)
    scene.watch(60)
    assert len(scene.rows) == 2
    (left,) = (scene.outbox / "done").rglob("*.png")
    assert left.read_bytes() == numbered_scan(2)


def test_a_scan_that_is_a_bug_does_not_stop_the_others(scene: Scene) -> None:
    def poisoned(reader: ScanReader) -> ScanReader:
        def read(refs: Sequence[ScanRef], beat: Beat) -> list[Outcome]:
            if any(ref.name == "b.png" for ref in refs):
                raise IndexError("a bug")
            return reader(refs, beat)

        return Reading(read)

    for name in ("a.png", "b.png", "c.png", "d.png"):
        scene.drop(name, numbered_scan(ord(name[0])))
    scene.watch(40, poisoned)
    assert {row["file"]: row["reason"] for row in scene.rows} == {
        "a.png": "",
        "b.png": "worker_crashed",
        "c.png": "",
        "d.png": "",
    }
    assert not os.listdir(scene.inbox)


def test_pages_are_rows_of_one_batch(scene: Scene) -> None:
    scene.drop("a.png", numbered_scan(1))
    scene.drop("b.pdf", pdfs.cards(5, two()))
    scene.drop("c.tif", SEVERAL_PAGES["tiff"](two()))
    scene.watch(60, rows_per_file=3)
    scene.check()
    pages = [(row["file"], row["page"]) for row in scene.rows]
    assert pages == [
        ("a.png", ""),
        *(("b.pdf", str(page)) for page in range(1, 6)),
        ("c.tif", "1"),
        ("c.tif", "2"),
    ]
    assert all(len({row["batch"] for row in scene.rows if row["file"] == name}) == 1 for name, _ in pages)


def test_a_scan_of_very_many_pages_holds_up_no_other(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "MAX_PAGES_AT_ONCE", 3)
    scene.drop("a.pdf", pdfs.cards(40, two()))
    began: list[float] = []
    read_on = watching.Watcher._read_on

    def slowly(watcher: watching.Watcher, outbox: Outbox) -> None:
        """Read on only when the other scan has its row."""
        if len(watcher._long) and not began:
            began.append(scene.ticking.now)
            scene.drop("b.png", numbered_scan(1))
        if not began or any(row["file"] == "b.png" for row in scene.rows):
            read_on(watcher, outbox)

    monkeypatch.setattr(watching.Watcher, "_read_on", slowly)
    scene.watch(3000)
    scene.check()
    assert [row["file"] for row in scene.rows] == ["b.png"] + 40 * ["a.pdf"]
    assert [row["page"] for row in scene.rows[1:]] == [str(page) for page in range(1, 41)]
    assert len({row["batch"] for row in scene.rows[1:]}) == 1


def test_a_watcher_that_stops_in_many_pages_reads_them_later(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reader, "MAX_PAGES_AT_ONCE", 3)
    scene.drop("a.pdf", pdfs.cards(40, two()))
    monkeypatch.setattr(watching.Watcher, "_read_on", lambda *_: None)
    scene.watch(40)
    assert scene.rows == []
    monkeypatch.undo()
    scene.watch(3000)
    scene.check()
    assert len(scene.rows) == 40


def test_a_document_without_a_suffix_has_rows(scene: Scene) -> None:
    scene.drop("from-a-phone", pdfs.cards(2, two()))
    scene.drop("letter.docx", b"PK\3\4\x14[Content_Types].xml and more")
    (scene.inbox / "notes.txt").write_text("P1 is not an image, BM neither\n")
    scene.watch(100)
    scene.check()
    rows = [(row["file"], row["page"], row["status"], row["reason"]) for row in scene.rows]
    assert sorted(rows) == [
        ("from-a-phone", "1", "ok", ""),
        ("from-a-phone", "2", "ok", ""),
        ("letter.docx", "", "failed", "unsupported"),
    ]
    assert scene.log.of("others") == ["1 other file in the inbox left alone: notes.txt"]
