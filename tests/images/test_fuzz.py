"""Seeded damage to files of every format: each gets its row, and none costs much memory.

`DIGITBOX_FUZZ_CASES` sets the number of cases; `make fuzz` sets a larger one.
"""

import hashlib
import os
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

from batch.inference.reader import Reader
from batch.records import ScanRef, Status
from damage import KINDS, damage
from formats import two

CASES = int(os.environ.get("DIGITBOX_FUZZ_CASES", "1500"))
STATUS = Path("/proc/self/status")
MAX_PIXELS = 1_000_000
MAX_MEMORY_MIB = 400  # that all damaged files of a format together may add


def peak_mib() -> float:
    """Return the most memory that this process has had since `new_peak_mib`; 0 where nobody can tell."""
    with suppress(OSError):
        (line,) = [line for line in STATUS.read_text().splitlines() if line.startswith("VmHWM:")]
        return int(line.split()[1]) / 1024
    return 0


def new_peak_mib() -> float:
    """Forget the peak so far, which is that of other tests; return the memory of now."""
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")
    return peak_mib()


@pytest.mark.parametrize("name", KINDS)
def test_damaged_files_never_crash(
    name: str, tmp_path: Path, fake_model: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    before = new_peak_mib()
    data = KINDS[name](two(side=32))
    seed = sum(name.encode())
    rng = np.random.default_rng(seed)
    reader = Reader(fake_model, "litert", None, MAX_PIXELS)
    for case in range(max(1, CASES // len(KINDS))):
        content = damage(data, rng)
        path = tmp_path / f"{case}"
        path.write_bytes(content)
        try:
            outcomes = reader([ScanRef(str(path), path.name)])
        except Exception as error:
            raise AssertionError(f"{name}, seed {seed}, case {case}: {content!r}") from error
        assert {outcome.sha256 for outcome in outcomes} == {hashlib.sha256(content).hexdigest()}
        for outcome in outcomes:
            assert (outcome.label is None) == (outcome.status in (Status.REFUSED, Status.FAILED))
    assert peak_mib() - before < MAX_MEMORY_MIB
