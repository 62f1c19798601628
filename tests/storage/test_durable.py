import errno
import fcntl
import itertools
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import faults
from batch.storage import durable
from command import ROOT


def test_a_new_file_is_whole_and_alone(tmp_path: Path) -> None:
    durable.write_new(tmp_path / "a", b"content")
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"a": b"content"}


@pytest.mark.parametrize("has_links", [True, False])
def test_a_new_file_overwrites_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, has_links: bool
) -> None:
    (tmp_path / "nowhere").symlink_to(tmp_path / "missing")
    (tmp_path / "a").write_bytes(b"mine")
    before = sorted(tmp_path.iterdir())
    monkeypatch.setattr(durable, "rename_without_replacing", lambda *_: False)
    if not has_links:
        monkeypatch.setattr(os, "link", no_links)
    for name in ("a", "nowhere"):
        with pytest.raises(FileExistsError):
            durable.write_new(tmp_path / name, b"content")
    assert (tmp_path / "a").read_bytes() == b"mine"
    assert sorted(tmp_path.iterdir()) == before


def no_links(*_: object, **__: object) -> None:
    raise OSError(errno.EPERM, "Operation not permitted")


def test_a_new_file_needs_no_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(durable, "rename_without_replacing", lambda *_: False)
    monkeypatch.setattr(os, "link", no_links)
    durable.write_new(tmp_path / "a", b"content")
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"a": b"content"}


def test_a_file_that_appears_at_the_last_moment_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    link = os.link

    def late(source: Path, target: Path, *, follow_symlinks: bool) -> None:
        target.write_bytes(b"theirs")
        link(source, target, follow_symlinks=follow_symlinks)

    monkeypatch.setattr(durable, "rename_without_replacing", lambda *_: False)
    monkeypatch.setattr(os, "link", late)
    with pytest.raises(FileExistsError):
        durable.write_new(tmp_path / "a", b"content")
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"a": b"theirs"}


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no such call")
def test_one_call_renames_and_replaces_nothing(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"mine")
    (tmp_path / "b").write_bytes(b"theirs")
    with pytest.raises(FileExistsError):
        durable.rename_without_replacing(tmp_path / "a", tmp_path / "b")
    with pytest.raises(FileNotFoundError):
        durable.rename_without_replacing(tmp_path / "gone", tmp_path / "c")
    assert durable.rename_without_replacing(tmp_path / "a", tmp_path / os.fsdecode(b"\xff"))
    assert {path.read_bytes() for path in tmp_path.iterdir()} == {b"mine", b"theirs"}
    assert not (tmp_path / "a").exists()


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no such call")
def test_two_folders_change_places_in_one_call(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name / name).mkdir(parents=True)
    assert durable.exchange(tmp_path / "a", tmp_path / "b")
    assert [path.name for path in (*(tmp_path / "a").iterdir(), *(tmp_path / "b").iterdir())] == ["b", "a"]
    with pytest.raises(FileNotFoundError):
        durable.exchange(tmp_path / "a", tmp_path / "gone")


@pytest.mark.parametrize("write", [durable.write_new, durable.replace])
def test_a_full_disk_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, write: Callable[[Path, bytes], None]
) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        write(tmp_path / "a", b"content")
    assert list(tmp_path.iterdir()) == []


def test_a_file_is_replaced_as_a_whole(tmp_path: Path) -> None:
    for content in (b"old", b"new"):
        durable.replace(tmp_path / "a", content)
        assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"a": content}


@pytest.mark.parametrize("write", [durable.write_new, durable.replace])
def test_the_next_write_removes_what_a_kill_left(
    tmp_path: Path, write: Callable[[Path, bytes], None]
) -> None:
    has_left = 0
    for number in itertools.count(1):
        folder = tmp_path / str(number)
        folder.mkdir()
        if not faults.killed_at(number, lambda folder=folder: write(folder / "a", b"content")):  # type: ignore[misc]
            break
        has_left += bool(list(folder.glob(".*")))
        assert all(path.read_bytes() == b"content" for path in folder.glob("a"))
        write(folder / "b", b"next")
        assert {path.name for path in folder.iterdir()} - {"a"} == {"b"}
    assert has_left


def test_files_that_others_still_write_stay(tmp_path: Path) -> None:
    others = [".digitbox-1.part", "digitbox-01234567.part", ".01234567.part", ".digitbox-01234567.part.png"]
    for name in others:
        (tmp_path / name).write_bytes(b"theirs")
    (tmp_path / ".digitbox-00000000.part").mkdir()
    with durable.new_file(tmp_path / "a") as file:
        file.write(b"first")
        durable.write_new(tmp_path / "b", b"second")
    assert (tmp_path / "a").read_bytes() == b"first"
    assert {path.name for path in tmp_path.iterdir()} == {"a", "b", ".digitbox-00000000.part", *others}


def test_a_file_system_without_locks_will_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refuse)
    (tmp_path / ".digitbox-01234567.part").write_bytes(b"perhaps another's")
    durable.write_new(tmp_path / "a", b"content")
    durable.replace(tmp_path / "a", b"other")
    assert {path.name for path in tmp_path.iterdir()} == {"a", ".digitbox-01234567.part"}


def test_a_pipe_gets_the_content(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    durable.replace(pipe, b"content")
    assert os.read(reader, 100) == b"content"
    assert pipe.is_fifo()
    os.close(reader)


def test_a_pipe_without_a_reader_does_not_block(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pipe, link = tmp_path / "pipe", tmp_path / "link"
    os.mkfifo(pipe)
    link.symlink_to(pipe)
    for path in (pipe, link):
        with pytest.raises(OSError, match="nobody reads"):
            durable.replace(path, b"content")
    monkeypatch.setattr(durable, "MAX_READER_WAIT_S", 0.01)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)  # and never reads
    with pytest.raises(TimeoutError):
        durable.replace(pipe, bytes(1 << 22))
    os.close(reader)


def test_an_open_file_by_its_other_name_is_not_replaced(tmp_path: Path) -> None:
    with (tmp_path / "log").open("a") as log:
        log.write("line 1\n")
        log.flush()
        durable.replace(Path(f"/proc/self/fd/{log.fileno()}"), b"line 2\n")
        log.write("line 3\n")
    assert (tmp_path / "log").read_text() == "line 1\nline 2\nline 3\n"


@pytest.mark.skipif(shutil.which("unshare") is None, reason="no unshare")
def test_two_mounts_of_one_disk_need_a_copy(tmp_path: Path) -> None:
    """So are two volumes of a container: a rename between them fails, though the device is the same."""
    for name in ("inbox", "outbox"):
        (tmp_path / name).mkdir()
    (tmp_path / "inbox" / "a").touch()
    script = 'mount --bind inbox inbox && exec "$@"'
    before = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", script, "sh"]
    if subprocess.run([*before, "true"], capture_output=True, check=False, cwd=tmp_path).returncode:
        pytest.skip("no mounts of one's own here")
    code = (
        "from pathlib import Path; from batch.storage.durable import are_on_other_mounts as check; "
        "print(check(Path('inbox/a'), Path('outbox')), check(Path('inbox/a'), Path('inbox')))"
    )
    command = [sys.executable, "-c", code]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    for prefix, expected in ((before, "True False\n"), ([], "False False\n")):
        result = subprocess.run(
            [*prefix, *command], cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
        )
        assert result.stdout == expected
