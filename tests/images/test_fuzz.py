"""Seeded damage to files of every format: each gets its row, and takes little time and memory.

`DIGITBOX_FUZZ_CASES` sets the number of cases; `make fuzz` sets a larger one.
"""

import hashlib
import os
import resource
import time
from pathlib import Path

import numpy as np
import pytest

from batch.inference.reader import Reader
from batch.records import ScanRef, Status
from formats import FORMATS, two

CASES = int(os.environ.get("DIGITBOX_FUZZ_CASES", "1500"))
MAX_PIXELS = 1_000_000
MAX_MEMORY_MIB = 400  # that all damaged files of a format together may add
SECONDS_A_CASE = 0.1


def damage(data: bytes, rng: np.random.Generator) -> bytes:
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


@pytest.mark.parametrize("name", FORMATS)
def test_damaged_files_never_crash(
    name: str, tmp_path: Path, fake_model: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    before, started = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.monotonic()
    data = FORMATS[name](two(side=32))
    seed = sum(name.encode())
    rng = np.random.default_rng(seed)
    reader = Reader(fake_model, "litert", None, MAX_PIXELS)
    for case in range(max(1, CASES // len(FORMATS))):
        content = damage(data, rng)
        path = tmp_path / f"{case}"
        path.write_bytes(content)
        try:
            (outcome,) = reader([ScanRef(str(path), path.name)])
        except Exception as error:
            raise AssertionError(f"{name}, seed {seed}, case {case}: {content!r}") from error
        assert outcome.sha256 == hashlib.sha256(content).hexdigest()
        assert (outcome.label is None) == (outcome.status in (Status.REFUSED, Status.FAILED))
    grown_mib = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    assert grown_mib < MAX_MEMORY_MIB
    assert time.monotonic() - started < SECONDS_A_CASE * CASES
