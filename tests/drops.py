"""Drops scans into an inbox in every way that people and programs do, and keeps the books of it."""

from __future__ import annotations

import hashlib
import os
import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import cv2
import numpy as np

from batch.text import text_cell

DATA = Path(__file__).parent / "data" / "mnist_test.npz"
ODD_NAMES = (
    b"\xff\xfe-{}.png",
    b"line\nbreak-{}.png",
    b"=cmd|' calc'!A{}.png",
    b"-rf-{}.png",
    b"--help-{}.png",
    b' "quoted", and {}.png',
    "\u0661-arabic-\u202e-{}.png".encode(),
    b"x" * 255 + b"-{}.png",
    b"UPPER-{}.PNG",
    b"'{}.png",
)


class Scans:
    """Makes scans, no two alike."""

    def __init__(self, chance: random.Random) -> None:
        with np.load(DATA, allow_pickle=False) as archive:
            self._digits = archive["x"]
        self._chance = chance
        self.number = 0

    def whole(self) -> bytes:
        """A digit on paper, as PNG."""
        self.number += 1
        digit = 255 - self._digits[self._chance.randrange(len(self._digits))]
        image = np.full((64, 64), 255, np.uint8)
        image[18:46, 18:46] = digit
        image[0, :8] = [200 + (self.number >> 4 * place & 15) for place in range(8)]
        return bytes(cv2.imencode(".png", image)[1])

    def damaged(self) -> bytes:
        """What is no image, or not all of one."""
        content = self.whole()
        return self._chance.choice(
            [content[: len(content) // 2], content[::-1], content[:-20] + bytes(20), b"text %d" % self.number]
        )


class Books:
    """What was dropped, and when each scan was whole."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.dropped: Counter[str] = Counter()
        self.names: dict[str, set[str]] = {}
        self.whole_at: dict[str, float] = {}
        self.renamed: set[str] = set()

    def note(self, content: bytes, *names: str) -> None:
        """Notes a scan that is about to be whole, under one of these names."""
        key = sha256(content)
        with self._lock:
            self.dropped[key] += 1
            self.names.setdefault(key, set()).update(map(text_cell, names))
            self.whole_at[key] = time.monotonic()

    def whole(self, content: bytes) -> None:
        """Notes that a scan is whole now."""
        self.whole_at[sha256(content)] = time.monotonic()


class Dropper:
    """Drops scans into an inbox in every way that people and programs do."""

    def __init__(self, folder: Path, books: Books, number: int, seed: int, settle_s: float) -> None:
        self._settle_s = settle_s
        self._inbox, self._beside, self._books = folder / "inbox", folder / f"beside-{number}", books
        self._beside.mkdir()
        self._chance, self._id = random.Random(seed + number), number
        self._scans = Scans(self._chance)
        self._scans.number = number << 24
        self.kinds: list[Callable[[], None]] = [
            *[self.copy, self.rename_in, self.link_in, self.rsync] * 3,
            *[self.move_folder_in, self.damage, self.odd_name, self.again, self.twice],
            *[self.rename_within, self.hold_open, self.come_in_halves, self.preallocate],
        ]

    def drop(self) -> None:
        """Drops one scan or a few, in some way."""
        self._chance.choice(self.kinds)()
        time.sleep(self._chance.choice([0, 0, 0.002, 0.05, 0.3]))

    def copy(self) -> None:
        content, name = self._scans.whole(), self._name()
        self._books.note(content, name)
        (self._inbox / name).write_bytes(content)
        self._books.whole(content)

    def rename_in(self) -> None:
        self._put(self._scans.whole(), self._name(), os.rename)

    def link_in(self) -> None:
        self._put(self._scans.whole(), self._name(), os.link)

    def damage(self) -> None:
        self._put(self._scans.damaged(), self._name(), os.rename)

    def odd_name(self) -> None:
        name = os.fsdecode(self._chance.choice(ODD_NAMES).replace(b"{}", b"%d" % self._scans.number)[-255:])
        self._put(self._scans.whole(), name, os.rename)

    def rsync(self) -> None:
        content, name = self._scans.whole(), self._name()
        part = (self._inbox / name).with_name(f".{Path(name).name}.XyZ123")
        part.write_bytes(content)
        self._books.note(content, name)
        part.rename(self._inbox / name)

    def move_folder_in(self) -> None:
        folder = self._beside / f"form-{self._scans.number}-{self._chance.randrange(1 << 30)}"
        for number in range(self._chance.randrange(1, 40)):
            content, deep = self._scans.whole(), "deep/" * (number % 3)
            (folder / deep).mkdir(parents=True, exist_ok=True)
            (folder / f"{deep}{number}.png").write_bytes(content)
            self._books.note(content, f"{folder.name}/{deep}{number}.png")
        folder.rename(self._inbox / folder.name)

    def again(self) -> None:
        """The same name, as soon as it is free."""
        name = self._name()
        for _ in range(3):
            until = time.monotonic() + 10
            while (self._inbox / name).exists() and time.monotonic() < until:
                time.sleep(0.01)
            if not (self._inbox / name).exists():
                self._put(self._scans.whole(), name, os.rename)

    def twice(self) -> None:
        """The same content under two names."""
        content = self._scans.whole()
        self._put(content, self._name(), os.rename)
        self._put(content, self._name("-copy"), os.rename)

    def rename_within(self) -> None:
        """Another name, at the moment when it is read, or before, or after."""
        content, name = self._scans.whole(), self._name()
        other = str(Path(name).with_name(f"new-{Path(name).name}"))
        self._put(content, name, os.rename, other)
        self._books.renamed.add(text_cell(name))
        time.sleep(self._settle_s + self._chance.uniform(-0.1, 0.1))
        with suppress(FileNotFoundError):
            os.rename(self._inbox / name, self._inbox / other)

    def hold_open(self) -> None:
        """A writer that pauses for longer than files take to settle."""
        content, name = self._scans.whole(), self._name()
        self._books.note(content, name)
        with (self._inbox / name).open("wb", buffering=0) as file:
            for part in (content[:100], content[100:300], content[300:]):
                file.write(part)
                time.sleep(self._chance.uniform(0, 2 * self._settle_s))
        self._books.whole(content)

    def come_in_halves(self) -> None:
        """A writer that is away for a while between two halves."""
        content, name = self._scans.whole(), self._name()
        self._books.note(content, name)
        (self._inbox / name).write_bytes(content[:150])
        time.sleep(2 * self._settle_s)
        with (self._inbox / name).open("ab") as file:
            file.write(content[150:])
        self._books.whole(content)

    def preallocate(self) -> None:
        """All zeros first, then the content."""
        content, name = self._scans.whole(), self._name()
        self._books.note(content, name)
        with (self._inbox / name).open("wb", buffering=0) as file:
            file.write(bytes(len(content)))
            time.sleep(2 * self._settle_s)
            file.seek(0)
            file.write(content)
        self._books.whole(content)

    def _name(self, more: str = "") -> str:
        self._scans.number += 1
        folder = self._chance.choice(["", "", "", "a/", "b/c/"])
        (self._inbox / folder).mkdir(parents=True, exist_ok=True)
        return f"{folder}{self._id}-{self._scans.number}{more}.png"

    def _put(
        self, content: bytes, name: str, how: Callable[[Path, Path], None], other_name: str = ""
    ) -> None:
        source = self._beside / f"{self._chance.randrange(1 << 60)}"
        source.write_bytes(content)
        self._books.note(content, name, *filter(None, [other_name]))
        how(source, self._inbox / name)
        self._books.whole(content)


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
