"""What digitbox costs beside what a user would write instead: one table, as Markdown and JSON.

python benchmarks/bench.py [--files 10000] [--rounds 5] [--scale 100000] [--output FOLDER]

All that is compared runs in turns, and the table says medians and their ratios. Rates are steady ones, from
the times of whole processes with many files and with few.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import watching

import inputs
from drops import Scans

HERE = Path(__file__).parent
IMPORTS = "import numpy, cv2, click, ai_edge_litert.interpreter"
FEW = 10  # one file in so many makes the smaller folder
LOOPED = 300  # images for the loop of model.predict


class Bench:
    """Runs commands in turns.

    Args:
        folder: for what they write.
        rounds: how often each is run.
    """

    def __init__(self, folder: Path, rounds: int) -> None:
        self._folder, self.rounds = folder, rounds
        self.peak_mib = 0.0

    def digitbox(self, *arguments: str | Path, outbox: Path | None = None) -> float:
        """Seconds of a `digitbox run`, with an outbox of its own unless one is given."""
        target = outbox or Path(tempfile.mkdtemp(dir=self._folder))
        command = ["-m", "batch", "run", *map(str, arguments), "--outbox", str(target), "--quiet"]
        try:
            return self.python(*command)
        finally:
            if outbox is None:
                shutil.rmtree(target)

    def python(self, *arguments: str) -> float:
        """Seconds of a Python process; sets `peak_mib`, of the largest of it and its children."""
        environment = {**os.environ, "PYTHONPATH": str(HERE.parent), "TF_CPP_MIN_LOG_LEVEL": "3"}
        environment.pop("PYTHONDONTWRITEBYTECODE", None)  # an installed package is compiled, too
        started = time.perf_counter()
        process = subprocess.Popen(
            [sys.executable, *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=environment
        )
        assert process.stderr is not None
        said = process.stderr.read()
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode not in (0, 3):
            raise RuntimeError(f"{arguments}: exit code {process.returncode}\n{said.decode()}")
        self.peak_mib = usage.ru_maxrss / 1024
        return seconds

    def alternative(self, name: str, folder: Path) -> float:
        """Seconds of one of the alternatives."""
        return self.python(str(HERE / "alternatives.py"), name, str(folder))

    def in_turns(self, works: dict[str, Callable[[], float]]) -> dict[str, float]:
        """Medians of the times of each."""
        times: dict[str, list[float]] = {name: [] for name in works}
        for _ in range(self.rounds):
            for name, work in works.items():
                times[name].append(work())
        return {name: statistics.median(seconds) for name, seconds in times.items()}


def rates(bench: Bench, folder: Path, files: int, alternatives: list[str]) -> dict[str, dict[str, float]]:
    """Steady images a second, and seconds of the whole process with all files, by who reads them."""
    few = inputs.some(folder, files // FEW)
    works: dict[str, Callable[[], float]] = {}
    for size, part in (("all", folder), ("few", few)):
        works[f"digitbox {size}"] = lambda part=part: bench.digitbox(part)  # type: ignore[misc]
        for name in alternatives:
            works[f"{name} {size}"] = lambda name=name, part=part: bench.alternative(name, part)  # type: ignore[misc]
    seconds = bench.in_turns(works)
    return {
        name: {
            "rate": (files - files // FEW) / (seconds[f"{name} all"] - seconds[f"{name} few"]),
            "seconds": seconds[f"{name} all"],
        }
        for name in ("digitbox", *alternatives)
    }


def scale(bench: Bench, folder: Path, files: int) -> list[tuple[str, str, str]]:
    """Memory and time against the number of files, and a second look at settled ones."""
    rows = []
    per_file, peaks, again = [], [], 0.0
    for count in (files // 10, files):
        made = inputs.make(folder / str(count), {"digits": count})["digits"]
        outbox = folder / f"outbox-{count}"
        seconds = bench.digitbox(made, outbox=outbox)
        per_file.append(seconds / count)
        peaks.append(bench.peak_mib)
        again = bench.digitbox(made, "--only-new", outbox=outbox)
        shutil.rmtree(made.parent)
        rows.append((f"{count:,} digits, whole process", f"{seconds:.1f} s, {bench.peak_mib:.0f} MiB", ""))
        rows.append((f"--only-new over {count:,} settled files", f"{again:.2f} s", "10 s for a million"))
    rows.append(("peak memory, ten times as many files", f"{peaks[1] / peaks[0]:.2f}x", "at most 1.1x"))
    rows.append(("time a file, ten times as many files", f"{per_file[1] / per_file[0]:.2f}x", "1x"))
    return rows


def measure(bench: Bench, folder: Path, files: int, scale_files: int) -> list[tuple[str, str, str]]:
    """All rows of the table: what, figure, target."""
    counts = {"digits": files, "scans-png": files // 2, "scans-jpeg": files // 2, "photos": files // 50}
    made = inputs.make(folder / "inputs", counts)
    rows: list[tuple[str, str, str]] = []
    targets = {"scans-png": "at least 0.5"}
    for kind, path in made.items():
        others = ["decode", "tfdata"] if kind != "photos" else ["decode"]
        found = rates(bench, path, counts[kind], others)
        own = found["digitbox"]
        rows.append((f"{kind}: digitbox, steady", f"{own['rate']:,.0f}/s", ""))
        rows.append((f"{kind}: decoding alone, steady", f"{found['decode']['rate']:,.0f}/s", ""))
        ratio = own["rate"] / found["decode"]["rate"]
        rows.append((f"{kind}: digitbox against decoding alone", f"{ratio:.2f}x", targets.get(kind, "")))
        if "tfdata" in found:
            other = found["tfdata"]
            rows.append((f"{kind}: tf.data + Keras, steady", f"{other['rate']:,.0f}/s", ""))
            steady, whole = own["rate"] / other["rate"], other["seconds"] / own["seconds"]
            is_first = kind == "digits"
            rows.append(
                (f"{kind}: digitbox against it, steady", f"{steady:.1f}x", "at least 3x" if is_first else "")
            )
            rows.append(
                (
                    f"{kind}: the same, whole process, {counts[kind]:,} files",
                    f"{whole:.1f}x",
                    "at least 6x" if is_first else "",
                )
            )
        if kind == "digits":
            looped = inputs.some(path, LOOPED)
            loop = LOOPED / statistics.median(bench.alternative("loop", looped) for _ in range(bench.rounds))
            against = own["rate"] / loop
            rows.append(("digits: against a loop of model.predict", f"{against:,.0f}x", "at least 300x"))
        parts = subprocess.run(
            [sys.executable, str(HERE / "alternatives.py"), "parts", str(path)],
            env={**os.environ, "PYTHONPATH": str(HERE.parent)},
            capture_output=True,
            text=True,
            check=True,
        )
        for name, value in json.loads(parts.stdout).items():
            rows.append((f"{kind}: {name}, one core, an image", f"{value:,.0f} us", ""))
    one = next(iter(made["scans-png"].iterdir()))
    cold = bench.in_turns(
        {"one": lambda: bench.digitbox(one), "imports": lambda: bench.python("-c", IMPORTS)}
    )
    rows.append(("one image, whole process", f"{cold['one']:.2f} s", ""))
    rows.append(("the same against its imports", f"{cold['one'] / cold['imports']:.2f}x", "at most 1.8x"))
    late = watching.latencies(folder / "watched", Scans(random.Random(1)))
    rows.append(
        ("watch: from a whole file to its CSV, beyond --settle", f"{statistics.median(late):.2f} s", "0.2 s")
    )
    return rows + scale(bench, folder / "scale", scale_files)


def main() -> None:
    """Measures, prints the table, and writes it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--files", type=int, default=10_000, help="digits to read")
    parser.add_argument("--rounds", type=int, default=5, help="how often each is measured")
    parser.add_argument("--scale", type=int, default=100_000, help="files for memory and --only-new")
    parser.add_argument("--output", type=Path, default=Path("benchmarks/results"), help="folder to write to")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="digitbox-") as scratch:
        folder = Path(scratch)
        rows = measure(Bench(folder, options.rounds), folder, options.files, options.scale)
    where = f"{len(os.sched_getaffinity(0))} cores, {platform.machine()}, Python {platform.python_version()}"
    lines = [f"Measured on {where}.", "", "| what | figure | target |", "|---|---|---|"]
    lines += [f"| {' | '.join(row)} |" for row in rows]
    options.output.mkdir(parents=True, exist_ok=True)
    (options.output / "bench.md").write_text("\n".join(lines) + "\n", encoding="utf-8")
    record = {
        "machine": where,
        "rows": [dict(zip(("what", "figure", "target"), row, strict=True)) for row in rows],
    }
    (options.output / "bench.json").write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
