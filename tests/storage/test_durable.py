import errno
import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from batch.storage import durable


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


@pytest.mark.parametrize("write", [durable.write_new, durable.replace])
def test_a_full_disk_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, write: Callable[[Path, bytes], None]
) -> None:
    def full(_: Path) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(durable, "sync", full)
    with pytest.raises(OSError, match="No space"):
        write(tmp_path / "a", b"content")
    assert list(tmp_path.iterdir()) == []


def test_a_file_is_replaced_as_a_whole(tmp_path: Path) -> None:
    for content in (b"old", b"new"):
        durable.replace(tmp_path / "a", content)
        assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"a": content}
