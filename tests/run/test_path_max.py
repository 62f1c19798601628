"""Scans whose paths are as long as the system allows, or longer."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from command import Digitbox
from formats import FORMATS, two

PATH_MAX = os.pathconf("/", "PC_PATH_MAX")
TWO = FORMATS["png-8"](two())


@pytest.fixture
def deep(tmp_path: Path) -> Iterator[int]:
    """An inbox with a scan at the top, one at the last path that is allowed, one beside it, and one below.

    The value is the length of the second path.
    """
    inbox = tmp_path / "inbox"
    inbox.mkdir()
    (inbox / "a.png").write_bytes(TWO)
    place = os.open(inbox, os.O_RDONLY)
    missing = PATH_MAX - 1 - len(os.fsencode(os.path.realpath(inbox))) - len("/b.png")
    while missing:
        name = "d" * (missing - 1 if missing <= 201 else 199)
        os.mkdir(name, dir_fd=place)
        above, place = place, os.open(name, os.O_RDONLY, dir_fd=place)
        os.close(above)
        missing -= len(name) + 1
    os.mkdir("sub", dir_fd=place)
    for name in ("b.png", "beside.png", "sub/c.png"):
        os.close(os.open(name, os.O_CREAT | os.O_WRONLY, dir_fd=place))
    with open("b.png", "wb", opener=lambda name, flags: os.open(name, flags, dir_fd=place)) as file:
        file.write(TWO)
    os.close(place)
    yield PATH_MAX - 1
    shutil.rmtree(inbox)
    shutil.rmtree(tmp_path / "outbox", ignore_errors=True)


def test_each_scan_has_a_row_whatever_its_path(digitbox: Digitbox, tmp_path: Path, deep: int) -> None:
    inbox = os.path.realpath(tmp_path / "inbox")
    command = ("run", "--after", "move", "--settle", "0", "--outbox", str(tmp_path / "outbox"))
    result = digitbox(*command)
    rows = {os.path.basename(row["file"]): (row["status"], row["reason"]) for row in result.rows}
    assert rows == {
        "a.png": ("ok", ""),
        "b.png": ("ok", ""),
        "beside.png": ("failed", "unreadable"),
        "c.png": ("failed", "unreadable"),
    }
    assert {len(f"{inbox}/{row['file']}") for row in result.rows if row["file"].endswith("/b.png")} == {deep}
    assert "could not be moved to done/ or failed/: File name too long" in result.err
    assert digitbox(*command).rows == []
