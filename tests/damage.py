"""Damage to files of every kind; as a program, what the model that ships makes of it.

    python tests/damage.py 400    of each kind so many files

It damages handwritten digits that the model reads right, and prints how many files are `failed`, and how many
are `ok` and wrong. No decoder complains of those: it is damage that no checksum or code of the format shows.
"""

from __future__ import annotations

import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

from batch.config import MAX_PIXELS
from batch.inference import model_store
from batch.inference.reader import Reader
from batch.records import Grey, Outcome, ScanRef, Status
from formats import EXTRA_FORMATS, FORMATS, PHOTO_FORMATS, SEVERAL_PAGES
from pdfs import cards, scan, write

DIGITS = Path(__file__).parent / "data" / "mnist_test.npz"
AT_A_TIME = 25  # damaged files of one digit
PDFS: dict[str, Callable[[Grey], bytes]] = {
    "pdf-flate": lambda grey: write(scan(grey, kind="flate")),
    "pdf-jpeg": lambda grey: write(scan(grey, kind="jpeg")),
    "pdf-g4": lambda grey: write(scan(grey, kind="g4")),
}
ONE_PAGE = FORMATS | EXTRA_FORMATS | PHOTO_FORMATS | PDFS
SEVERAL = {f"several pages of {name}": several for name, several in SEVERAL_PAGES.items()}
KINDS = ONE_PAGE | SEVERAL | {"pdf": lambda grey: cards(3, grey)}


def damage(data: bytes, rng: np.random.Generator) -> bytes:
    """Change, delete, insert or clear bytes at one to three places of a file."""
    content = bytearray(data)
    for _ in range(int(rng.integers(1, 4))):
        start = int(rng.integers(len(content)))
        length = int(rng.integers(1, 40))
        kind = rng.integers(7)
        if kind == 0:
            content[start] = int(rng.integers(256))
        elif kind == 1:
            content[start] ^= 1 << int(rng.integers(8))
        elif kind == 2:
            del content[start : start + length]
        elif kind == 3:
            content[start:start] = rng.integers(0, 256, length, np.uint8).tobytes()
        elif kind == 4:
            content[start : start + length] = bytes(length)
        elif kind == 5:  # headers are at the start
            content[int(rng.integers(min(64, len(content))))] = int(rng.choice([0, 1, 0x7F, 0x80, 0xFF]))
        else:
            content[start : start + 4] = rng.choice([b"\xff\xff\xff\xff", b"\0\0\0\0", b"\x7f\xff\xff\xff"])
        if not content:
            content = bytearray(b"\0")
    return bytes(content)


def outcome_of(reader: Reader, path: Path, content: bytes) -> Outcome:
    """Read a file of one page; damage may make more of it."""
    path.write_bytes(content)
    outcome, *_ = reader([ScanRef(str(path), path.name)])
    return outcome


def count(reader: Reader, path: Path, kind: str, cases: int, rng: np.random.Generator) -> Counter[str]:
    """Damage so many files of a kind, and count what becomes of them."""
    with np.load(DIGITS, allow_pickle=False) as archive:
        images, labels = archive["x"], archive["y"]
    counts: Counter[str] = Counter()
    while counts["files"] < cases:
        number, side = int(rng.integers(len(images))), int(rng.integers(28, 90))
        grey = np.asarray(cv2.resize(images[number], (side, side)), np.uint8)
        data = ONE_PAGE[kind](grey if rng.random() < 0.3 else 255 - grey)
        sound = outcome_of(reader, path, data)
        if (sound.status, str(sound.label)) != (Status.OK, str(labels[number])):
            continue
        for _ in range(AT_A_TIME):
            outcome = outcome_of(reader, path, damage(data, rng))
            counts["files"] += 1
            counts[outcome.status] += 1
            counts["wrong"] += outcome.status is Status.OK and outcome.label != sound.label
    return counts


def main() -> None:
    """Print a line for each kind of file, and the sum."""
    cases, total = int(sys.argv[1]), Counter[str]()
    reader, rng = Reader(model_store.find(None), "litert", None, MAX_PIXELS), np.random.default_rng(1)
    columns = ["files", *(str(status) for status in Status), "wrong"]
    print(f"{'kind':36}", *(f"{column:>8}" for column in columns))
    with tempfile.TemporaryDirectory() as folder:
        for kind in ONE_PAGE:
            counts = count(reader, Path(folder) / "scan", kind, cases, rng)
            total += counts
            print(f"{kind:36}", *(f"{counts[column]:8}" for column in columns), flush=True)
    print(f"{'all':36}", *(f"{total[column]:8}" for column in columns))


if __name__ == "__main__":
    main()
