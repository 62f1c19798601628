import errno
import os
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

    monkeypatch.setattr(os, "link", late)
    with pytest.raises(FileExistsError):
        durable.write_new(tmp_path / "a", b"content")
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"a": b"theirs"}


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
