"""The watcher under load: scans that arrive for minutes, then rest with very many files in done/.

python benchmarks/load.py                              200 scans a second for ten minutes, then two of rest
python benchmarks/load.py --rate 100 --minutes 2       less of it

It drops scans beside a real `digitbox watch` with default options, and prints a line for each minute: the
latency from a whole file to its published row beyond `--settle`, the files of results, and the memory. Then
it fills up done/ with links to its scans, and prints what the watcher costs at rest. It ends with 1 if a scan
has no row, or several.
"""

from __future__ import annotations

import argparse
import csv
import itertools
import os
import random
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1] / "tests"))

from watching import Watcher

from drops import Scans

CONTENTS = 1000  # scans with bytes of their own, dropped in turn under new names
LINKS_PER_SCAN = 60_000  # ext4 allows 65,000
FILES_PER_FOLDER = 10_000  # of done/, as digitbox makes them: the most rows of a batch
MINUTE_S = 60.0


@dataclass
class Dropped:
    """When each scan was whole, by its name; seconds of the system's clock."""

    whole_at: dict[str, float] = field(default_factory=dict)

    def drop(self, inbox: Path, contents: list[bytes], rate: float, seconds: float) -> None:
        """Drop scans at a rate, whatever the machine does otherwise; after a delay, catch up."""
        started = time.monotonic()
        for number, content in zip(range(int(rate * seconds)), itertools.cycle(contents)):
            time.sleep(max(0.0, started + number / rate - time.monotonic()))
            path = inbox / f"{number:07}.png"
            path.write_bytes(content)
            self.whole_at[path.name] = time.time()


def publications(outbox: Path) -> list[tuple[float, list[str]]]:
    """Return the time when each file of results got its name, and the scans that it has rows of."""
    found = []
    for path in outbox.glob("*.csv"):
        with path.open(encoding="utf-8", newline="") as file:
            found.append((path.stat().st_ctime, [row["file"] for row in csv.DictReader(file)]))
    return sorted(found)


def most_in_a_second(times: list[float]) -> int:
    """Return the greatest number of sorted times within a second."""
    start = most = 0
    for end, time_s in enumerate(times):
        while time_s - times[start] >= 1:
            start += 1
        most = max(most, end - start + 1)
    return most


def percentile(values: list[float], share: float) -> float:
    """Return the value that a share of the others does not exceed."""
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]


def under_load(watcher: Watcher, rate: float, minutes: int) -> int:
    """Drop scans, and print a line for each minute; return how many have not exactly one row."""
    scans = Scans(random.Random(1))
    contents = [scans.whole() for _ in range(CONTENTS)]
    dropped = Dropped()
    seconds = MINUTE_S * minutes
    dropper = threading.Thread(target=dropped.drop, args=(watcher.inbox, contents, rate, seconds))
    started, cpu_before_s = time.time(), watcher.cpu_s()
    dropper.start()
    memory = []
    for minute in range(minutes):
        dropper.join(max(0.0, started + MINUTE_S * (minute + 1) - time.time()))
        memory.append(" + ".join(f"{size:.0f}" for size in watcher.memory_mib()))
    dropper.join()
    while any(watcher.inbox.iterdir()):
        time.sleep(0.1)
    cpu_share = (watcher.cpu_s() - cpu_before_s) / (time.time() - started)
    published = publications(watcher.outbox)
    rows = [(at, name) for at, names in published for name in names]
    late = {name: at - dropped.whole_at[name] - watcher.settle_s for at, name in rows}
    print("minute  scans/s  p50 s  p99 s  most s  CSVs  most CSVs in 1 s  memory MiB")
    for minute in range(minutes):
        first, last = started + MINUTE_S * minute, started + MINUTE_S * (minute + 1)
        of_minute = [late[name] for name, at in dropped.whole_at.items() if first <= at < last]
        times = [at for at, _ in published if first <= at < last]
        _show(f"{minute + 1}", of_minute, times, MINUTE_S, memory[minute])
    times = [at for at, _ in published]
    _show("all", list(late.values()), times, seconds, f"{cpu_share:.2f} cores busy")
    return len(dropped.whole_at) - len(late) + len(rows) - len(late)


def _show(name: str, late: list[float], times: list[float], seconds: float, rest: str) -> None:
    rate = len(late) / seconds
    latency = f"{percentile(late, 0.5):6.2f} {percentile(late, 0.99):6.2f} {max(late):7.2f}"
    print(f"{name:>6} {rate:8.1f} {latency} {len(times):5} {most_in_a_second(times):17}  {rest}", flush=True)


def fill(done: Path, files: int) -> None:
    """Fill done/ up with links to the scans in it."""
    sources = list(done.rglob("*.png"))
    have, folder = len(sources), done
    for number, source in zip(range(have, files), itertools.cycle(sources[: 2 + files // LINKS_PER_SCAN])):
        if number % FILES_PER_FOLDER == 0 or number == have:
            folder = done / "2001-01-02" / f"b{number:08x}"
            folder.mkdir(parents=True)
        os.link(source, folder / f"{number}.png")


def at_rest(watcher: Watcher, seconds: float) -> None:
    """Print what the watcher costs when nothing arrives."""
    files = sum(len(names) for _, _, names in os.walk(watcher.outbox / "done"))
    before = watcher.cpu_s()
    time.sleep(seconds)
    cpu_s = watcher.cpu_s() - before
    share = cpu_s / seconds
    print(
        f"at rest for {seconds:.0f} s, {files:,} files in done/: {cpu_s:.2f} s of CPU, {share:.2%} of a core"
    )


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rate", type=float, default=200, help="scans a second")
    parser.add_argument("--minutes", type=int, default=10, help="of load")
    parser.add_argument("--done", type=int, default=1_000_000, help="files in done/ at rest")
    parser.add_argument("--rest", type=float, default=120, help="seconds of rest")
    parser.add_argument("--folder", type=Path, help="where to make inbox and outbox, e.g. another disk")
    options = parser.parse_args()
    with (
        tempfile.TemporaryDirectory(prefix="digitbox-", dir=options.folder) as folder,
        Watcher(Path(folder), 2.0) as watcher,
    ):
        wrong = under_load(watcher, options.rate, options.minutes)
        fill(watcher.outbox / "done", options.done)
        at_rest(watcher, options.rest)
    print("each scan has one row" if not wrong else f"{wrong} scans have no row, or several")
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
