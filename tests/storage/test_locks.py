import os
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from batch.errors import BusyError
from batch.storage import locks


@pytest.fixture
def inbox(tmp_path: Path) -> Iterator[Path]:
    """A folder with folders, which is the current one."""
    before = os.getcwd()
    (tmp_path / "in" / "sub" / "deep").mkdir(parents=True)
    (tmp_path / "side").mkdir()
    (tmp_path / "link").symlink_to("in/sub")
    os.chdir(tmp_path)
    yield tmp_path
    os.chdir(before)


def is_free(
    folders: Iterable[str], *, exclusive: bool, recursive: bool = True, members: Iterable[str] = ()
) -> bool:
    wanted, shared = map(Path, folders), map(Path, members)
    try:
        with locks.hold_folders(wanted, exclusive=exclusive, recursive=recursive, members=shared):
            return True
    except BusyError:
        return False


@pytest.mark.usefixtures("inbox")
@pytest.mark.parametrize("folder", ["in/sub", "in/sub/deep", "link", "in", "."])
def test_a_folder_in_the_folder_of_another_is_busy(folder: str) -> None:
    with locks.hold_folders([Path("in")], exclusive=True):
        assert not is_free([folder], exclusive=True)
    with locks.hold_folders([Path(folder)], exclusive=True):
        assert not is_free(["in"], exclusive=True)
    assert is_free(["in"], exclusive=True)


@pytest.mark.usefixtures("inbox")
def test_who_only_looks_shares_but_not_with_who_moves() -> None:
    with locks.hold_folders([Path("in")], exclusive=True):
        assert not is_free(["in/sub"], exclusive=False)
        assert not is_free([], members=["in/sub"], exclusive=True)
    with locks.hold_folders([Path("in")], exclusive=False):
        assert is_free(["in/sub"], exclusive=False)
        assert is_free(["."], exclusive=False)


@pytest.mark.usefixtures("inbox")
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has locks of an open file")
@pytest.mark.parametrize("above", ["in", ".", "in/sub"])
def test_who_looks_at_a_tree_excludes_who_moves_in_it(above: str) -> None:
    moves = [{"folders": ["in/sub/deep"]}, {"folders": [], "members": ["in/sub/deep"]}]
    for mover in moves:
        folders, members = mover["folders"], mover.get("members", [])
        with locks.hold_folders(map(Path, folders), exclusive=True, members=map(Path, members)):
            assert not is_free([above], exclusive=False)
            assert is_free([above], exclusive=False, recursive=False)
            assert is_free(["side"], exclusive=False)
            assert is_free(["side"], exclusive=True)
        with locks.hold_folders([Path(above)], exclusive=False):
            assert not is_free(folders, exclusive=True, members=members)
            assert is_free([above], exclusive=False)
        with locks.hold_folders([Path(above)], exclusive=False, recursive=False):
            assert is_free(folders, exclusive=True, members=members)


@pytest.mark.usefixtures("inbox")
def test_folders_side_by_side_are_free() -> None:
    with locks.hold_folders([Path("side")], exclusive=True):
        assert is_free(["in", "in/sub"], exclusive=True)  # of one process, they may lie in each other
        assert is_free(["in"], members=["in/sub", "in"], exclusive=True)
        assert not is_free([], members=["side"], exclusive=True)


def test_a_forbidden_folder_above_is_no_obstacle(inbox: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real_open = os.open

    def refuse(path: Path, flags: int) -> int:
        if path == inbox:
            raise PermissionError(13, "Permission denied", str(path))
        return real_open(path, flags)

    monkeypatch.setattr(os, "open", refuse)
    assert is_free(["in/sub"], exclusive=True)


@pytest.mark.parametrize("exclusive", [True, False])
def test_a_lock_ends_though_another_process_has_its_file(inbox: Path, exclusive: bool) -> None:
    copies = []
    with locks.hold_folders([Path("in/sub")], exclusive=exclusive):
        copies = [os.dup(descriptor) for descriptor in locks._descriptors]
        assert not is_free(["in"], exclusive=True)
    assert copies and is_free(["in"], exclusive=True)
    assert is_free(["in/sub/deep"], exclusive=True)
    for copy in copies:
        os.close(copy)
