"""What can befall scans on their way: each has one row, and is in done/ or failed/."""

import itertools
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

import pdfs
from batch.engines.workers import ScanReader
from batch.outbox import disposal, publisher, turns
from batch.records import Beat, Outcome, ScanRef
from batch.storage import dispatch
from batch.watcher import loop
from batch.watcher.systemd import MORE_TIME
from fakes import Reading
from formats import numbered_scan, two
from scene import Scene, after_reading, first

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


def test_a_watcher_gives_signs_while_it_reads_and_while_it_rests(scene: Scene) -> None:
    sign = scene.outbox / ".digitbox" / "watcher.lock"
    seen: list[float] = []

    def forget() -> None:
        seen.append(sign.stat().st_mtime)
        os.utime(sign, (0, 0))

    for time_s in (10, 30, 50):
        scene.ticking.at(time_s, forget)
    for number in range(6):
        scene.drop(f"{number}.png", numbered_scan(number))

    def read(reader: ScanReader) -> ScanReader:
        def read_slowly(refs: Sequence[ScanRef], beat: Beat) -> list[Outcome]:
            if refs:
                forget()
            scene.ticking.now += 2
            return reader(refs, beat)

        return Reading(read_slowly)

    scene.watch(60, read, batch_size=2, rescan_s=300)
    assert len(seen) == 6 and min(seen) > 0
    assert sign.stat().st_mtime > 0


def test_a_watcher_gives_signs_while_it_looks_and_moves_scans(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A share can take long for each of them; `digitbox status` must not call the watcher dead."""
    signs = [0.0]

    def slowly(call: Callable[..., Any]) -> Callable[..., Any]:
        def calling(*arguments: Any) -> Any:
            scene.ticking.now += 0.5
            return call(*arguments)

        return calling

    monkeypatch.setattr(turns, "give_sign", lambda _: signs.append(scene.ticking.now))
    monkeypatch.setattr(disposal, "_move", slowly(disposal._move))
    monkeypatch.setattr(dispatch, "identify", slowly(dispatch.identify))
    monkeypatch.setattr(dispatch, "CHUNK_SCANS", 4)
    for number in range(40):
        scene.drop(f"{number}.png", numbered_scan(number))
    for number in range(10):
        (scene.inbox / f"{number}.txt").write_text("no scan")
    scene.watch(200)
    scene.check()
    gaps = [after - before for before, after in itertools.pairwise(signs)]
    assert max(gaps) <= turns.SIGN_S + 0.5 * 4


def test_a_start_with_scans_to_move_asks_systemd_for_time(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    def note(*lines: str) -> None:
        sent.extend(line for line in lines if line in ("READY=1", MORE_TIME))

    sent: list[str] = []
    scene.drop("a.png", numbered_scan(1))
    with monkeypatch.context() as patch:
        patch.setattr(publisher, "dispose", killed)
        with pytest.raises(KeyboardInterrupt):
            scene.watch(10)
    monkeypatch.setattr(loop, "notify", note)
    scene.ticking.now = 0
    scene.watch(10)
    scene.check()
    assert sent == [MORE_TIME, "READY=1"]


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


def test_scans_that_arrive_all_the_time_share_files_of_results(scene: Scene) -> None:
    """Of 50 scans a second, which digitbox reads in half a second, none waits for long."""
    published: dict[str, float] = {}

    def read(reader: ScanReader) -> ScanReader:
        def read_slowly(refs: Sequence[ScanRef], beat: Beat) -> list[Outcome]:
            scene.ticking.now += len(refs) / 100
            published.update((ref.name, scene.ticking.now) for ref in refs)
            return reader(refs, beat)

        return Reading(read_slowly)

    for number in range(500):
        content = numbered_scan(number)
        scene.ticking.at(20 + number / 50, lambda n=number, c=content: scene.drop(f"{n}.png", c))  # type: ignore[misc]
    scene.watch(60, read)
    scene.check()
    assert 8 <= len(scene.results) <= 13
    assert max(published[f"{n}.png"] - (20 + n / 50) for n in range(500)) < 2 + 2


def test_five_thousand_in_each_way_make_a_few_files_of_results(scene: Scene) -> None:
    kinds = kinds_of_drops(scene)
    for number in range(400):
        scene.ticking.at(number / 50, lambda n=number: kinds[n % 4](n))  # type: ignore[misc]
    folder = scene.folder / "form"
    for number in range(100):
        (folder / f"{number % 7}").mkdir(parents=True, exist_ok=True)
        (folder / f"{number % 7}" / f"{number}.png").write_bytes(numbered_scan(1000 + number))
        scene.note(f"form/{number % 7}/{number}.png", numbered_scan(1000 + number))
    scene.ticking.at(3, lambda: [folder.rename(scene.inbox / "form")])
    scene.watch(30)
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


def test_sub_folders_may_be_left_out(scene: Scene) -> None:
    (scene.inbox / "sub").mkdir()
    (scene.inbox / "sub" / "b.png").write_bytes(numbered_scan(2))
    scene.ticking.at(5, lambda: [scene.inbox / "sub" / "b.png"])
    scene.drop("a.png", numbered_scan(1))
    scene.watch(40, recursive=False)
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


@pytest.mark.parametrize("new_folder", ["forms", "box/deep/form"])
def test_scans_whose_folder_is_renamed_have_one_row(scene: Scene, new_folder: str) -> None:
    for number in range(3):
        scene.drop(f"form/{number % 2}/{number}.png", numbered_scan(number))
    (scene.inbox / new_folder).parent.mkdir(parents=True, exist_ok=True)
    scene.watch(60, after_reading(lambda: os.rename(scene.inbox / "form", scene.inbox / new_folder)))
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
    assert scene.log.of("others") == ["1 other file or folder in the inbox left alone: notes.txt"]
