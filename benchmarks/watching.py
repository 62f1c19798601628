"""The costs of a watcher: CPU at rest, latency at rest, memory after many scans.

python benchmarks/watching.py                 all of it, in about four minutes
python benchmarks/watching.py --files 100000  with more scans
"""

from __future__ import annotations

import argparse
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Self

sys.path.append(str(Path(__file__).parents[1] / "tests"))

from drops import Scans

ROUND_SCANS = 2000  # dropped between two measurements of the memory
LATENCY_SCANS = 12


class Watcher:
    """A `digitbox watch` and its use of the machine; use it with `with`, which stops it.

    Args:
        folder: Folder for its inbox and its outbox.
        settle_s: Its `--settle`, in seconds.
    """

    def __init__(self, folder: Path, settle_s: float) -> None:
        self.inbox, self.outbox, self.settle_s = folder / "inbox", folder / "outbox", settle_s
        self.inbox.mkdir(parents=True)
        command = [sys.executable, "-m", "batch", "watch", str(self.inbox), "--outbox", str(self.outbox)]
        self.process = subprocess.Popen(
            [*command, "--settle", str(settle_s)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        time.sleep(3)

    def processes(self) -> list[int]:
        """Return the process ids of the watcher and its workers."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text()
        return [self.process.pid, *map(int, children.split())]

    def cpu_s(self) -> float:
        """Return the CPU seconds so far of all processes."""
        fields = [Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split() for pid in self.processes()]
        return sum(int(field[11]) + int(field[12]) for field in fields) / os.sysconf("SC_CLK_TCK")

    def memory_mib(self) -> list[float]:
        """Return the resident memory of each process in MiB."""
        pages = [int(Path(f"/proc/{pid}/statm").read_text().split()[1]) for pid in self.processes()]
        return [count * os.sysconf("SC_PAGE_SIZE") / 2**20 for count in pages]

    def wait_for(self, files: int) -> None:
        """Wait until the outbox has that many CSVs."""
        while sum(1 for _ in self.outbox.glob("*.csv")) < files:
            self.check()
            time.sleep(0.005)

    def check(self) -> None:
        """Fail if the watcher has ended."""
        if (code := self.process.poll()) is not None:
            raise RuntimeError(f"the watcher has ended with {code}")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.terminate()
        self.process.wait(60)


def latencies(folder: Path, scans: Scans) -> list[float]:
    """Return seconds beyond `--settle` from a whole file to its CSV, one scan at a time."""
    with Watcher(folder, 2.0) as watcher:
        return _latencies(watcher, scans)


def _latencies(watcher: Watcher, scans: Scans) -> list[float]:
    seconds = []
    for number in range(LATENCY_SCANS):
        (watcher.inbox / f"{number}.png").write_bytes(scans.whole())
        written = time.monotonic()
        watcher.wait_for(number + 1)
        seconds.append(time.monotonic() - written - watcher.settle_s)
    return seconds


def at_rest(folder: Path, scans: Scans, seconds: float) -> None:
    """Print CPU and latency at rest, with the default options."""
    with Watcher(folder, 2.0) as watcher:
        latency = _latencies(watcher, scans)
        before = watcher.cpu_s()
        time.sleep(seconds)
        cpu_s = watcher.cpu_s() - before
    print(f"at rest, {seconds:.0f} s: {cpu_s:.2f} s of CPU")
    median, longest = statistics.median(latency), max(latency)
    print(f"one scan at a time, beyond --settle: median {median:.3f} s, most {longest:.3f} s")


def memory(folder: Path, scans: Scans, files: int) -> None:
    """Print the memory of the watcher and its workers after each round of scans."""
    with Watcher(folder, 0.5) as watcher:
        started = time.monotonic()
        for start in range(0, files, ROUND_SCANS):
            for number in range(start, start + ROUND_SCANS):
                (watcher.inbox / f"{number}.png").write_bytes(scans.whole())
            while any(watcher.inbox.iterdir()):
                watcher.check()
                time.sleep(0.05)
            sizes = " + ".join(f"{size:.0f}" for size in watcher.memory_mib())
            seconds = time.monotonic() - started
            print(f"{start + ROUND_SCANS:7} scans, {seconds:5.0f} s: {sizes} MiB", flush=True)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=20_000, help="scans to drop")
    parser.add_argument("--seconds", type=float, default=30, help="of rest")
    options = parser.parse_args()
    scans = Scans(random.Random(1))
    with tempfile.TemporaryDirectory(prefix="digitbox-") as folder:
        at_rest(Path(folder) / "rest", scans, options.seconds)
        memory(Path(folder) / "memory", scans, options.files)


if __name__ == "__main__":
    main()
