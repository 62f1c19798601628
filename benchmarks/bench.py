"""The speed of digitbox beside that of its alternatives, as a table in Markdown and in JSON.

python benchmarks/bench.py [--files 10000] [--rounds 5] [--scale 100000] [--beside CHECKOUT] [--output FOLDER]

digitbox and its alternatives take turns. The table has medians and their ratios. Steady rates come from the
times of whole processes with many files and with few.
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

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
IMPORTS = "import numpy, cv2, click, ai_edge_litert.interpreter"
FEW = 10  # the smaller folder has a tenth of the files
LOOP_IMAGES = 300  # for the loop of model.predict, which is slow


class Bench:
    """Commands that take turns.

    Args:
        folder: Folder that they write to.
        rounds: How often each runs.
        beside: Checkout of another build of digitbox; None for no such comparison.

    Attributes:
        peak_mib: Peak memory of the latest process, or of its largest child, in MiB.
    """

    def __init__(self, folder: Path, rounds: int, beside: Path | None = None) -> None:
        self._folder, self.rounds, self.beside = folder, rounds, beside
        self.peak_mib = 0.0

    def digitbox(self, *arguments: str | Path, outbox: Path | None = None, checkout: Path = ROOT) -> float:
        """Return the seconds of a `digitbox run` of a checkout. Without an outbox, it gets a new one."""
        target = outbox or Path(tempfile.mkdtemp(dir=self._folder))
        command = ["-m", "batch", "run", *map(str, arguments), "--outbox", str(target), "--quiet"]
        try:
            return self.python(*command, checkout=checkout)
        finally:
            if outbox is None:
                shutil.rmtree(target)

    def python(self, *arguments: str, checkout: Path = ROOT) -> float:
        """Return the seconds of a Python process, and set `peak_mib`."""
        environment = {**os.environ, "PYTHONPATH": str(checkout), "TF_CPP_MIN_LOG_LEVEL": "3"}
        environment.pop("PYTHONDONTWRITEBYTECODE", None)  # pip compiles an installed package, too
        started = time.perf_counter()
        process = subprocess.Popen(
            [sys.executable, *arguments],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            env=environment,
            cwd=checkout,  # its models are the ones to find
        )
        assert process.stderr is not None
        stderr = process.stderr.read()
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode not in (0, 3):
            raise RuntimeError(f"{arguments}: exit code {process.returncode}\n{stderr.decode()}")
        self.peak_mib = usage.ru_maxrss / 1024
        return seconds

    def alternative(self, name: str, folder: Path) -> float:
        """Return the seconds of an alternative."""
        return self.python(str(HERE / "alternatives.py"), name, str(folder))

    def in_turns(self, works: dict[str, Callable[[], float]]) -> dict[str, float]:
        """Run all in turns, and return the median time of each in seconds."""
        times: dict[str, list[float]] = {name: [] for name in works}
        for _ in range(self.rounds):
            for name, work in works.items():
                times[name].append(work())
        return {name: statistics.median(seconds) for name, seconds in times.items()}


def rates(bench: Bench, folder: Path, files: int, alternatives: list[str]) -> dict[str, dict[str, float]]:
    """Measure digitbox and its alternatives on a folder.

    Returns:
        For each, `rate`, steady images a second, and `seconds`, of the whole process with all files.
    """
    few = inputs.first_files(folder, files // FEW)
    works: dict[str, Callable[[], float]] = {}
    for size, path in (("all", folder), ("few", few)):
        works[f"digitbox {size}"] = lambda path=path: bench.digitbox(path)  # type: ignore[misc]
        for name in alternatives:
            works[f"{name} {size}"] = lambda name=name, path=path: bench.alternative(name, path)  # type: ignore[misc]
    seconds = bench.in_turns(works)
    return {
        name: {
            "rate": (files - files // FEW) / (seconds[f"{name} all"] - seconds[f"{name} few"]),
            "seconds": seconds[f"{name} all"],
        }
        for name in ("digitbox", *alternatives)
    }


def beside(bench: Bench, folder: Path, kind: str, checkout: Path) -> tuple[str, str, str]:
    """Return the row that compares digitbox with the build in another checkout."""
    seconds = bench.in_turns(
        {
            "here": lambda: bench.digitbox(folder),
            "there": lambda: bench.digitbox(folder, checkout=checkout),
        }
    )
    target = {"forms": "4x", "digits": "1.5x"}.get(kind, "")
    ratio = seconds["there"] / seconds["here"]
    return f"{kind}: whole process, against the build in {checkout.name}", f"{ratio:.2f}x", target


def scale(bench: Bench, folder: Path, files: int) -> list[tuple[str, str, str]]:
    """Return rows on memory and time by the number of files, and on a second run over settled files."""
    rows = []
    per_file, peaks = [], []
    for count in (files // 10, files):
        scans = inputs.make(folder / str(count), {"digits": count})["digits"]
        outbox = folder / f"outbox-{count}"
        seconds = bench.digitbox(scans, outbox=outbox)
        per_file.append(seconds / count)
        peaks.append(bench.peak_mib)
        again = bench.digitbox(scans, "--only-new", outbox=outbox)
        shutil.rmtree(scans.parent)
        rows.append((f"{count:,} digits, whole process", f"{seconds:.1f} s, {bench.peak_mib:.0f} MiB", ""))
        rows.append((f"--only-new over {count:,} settled files", f"{again:.2f} s", "6 s for a million"))
    rows.append(("peak memory, ten times as many files", f"{peaks[1] / peaks[0]:.2f}x", "at most 1.1x"))
    rows.append(("time a file, ten times as many files", f"{per_file[1] / per_file[0]:.2f}x", "1x"))
    return rows


def measure(bench: Bench, folder: Path, files: int, scale_files: int) -> list[tuple[str, str, str]]:
    """Return all rows of the table: what, figure, target."""
    half = files // 2
    counts = {
        "digits": files,
        "scans-png": half,
        "scans-jpeg": half,
        "forms": half,
        "photos": files // 50,
    }
    folders = inputs.make(folder / "inputs", counts)
    rows: list[tuple[str, str, str]] = []
    targets = {"scans-png": "at least 0.4"}
    for kind, path in folders.items():
        alternatives = ["decode", "tfdata"] if kind != "photos" else ["decode"]
        measured = rates(bench, path, counts[kind], alternatives)
        own = measured["digitbox"]
        rows.append((f"{kind}: digitbox, steady", f"{own['rate']:,.0f}/s", ""))
        rows.append((f"{kind}: decoding alone, steady", f"{measured['decode']['rate']:,.0f}/s", ""))
        ratio = own["rate"] / measured["decode"]["rate"]
        rows.append((f"{kind}: digitbox against decoding alone", f"{ratio:.2f}x", targets.get(kind, "")))
        if "tfdata" in measured:
            tfdata = measured["tfdata"]
            rows.append((f"{kind}: tf.data + Keras, steady", f"{tfdata['rate']:,.0f}/s", ""))
            steady, whole = own["rate"] / tfdata["rate"], tfdata["seconds"] / own["seconds"]
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
        if bench.beside is not None:
            rows.append(beside(bench, path, kind, bench.beside))
        if kind == "digits":
            loop_folder = inputs.first_files(path, LOOP_IMAGES)
            seconds = statistics.median(bench.alternative("loop", loop_folder) for _ in range(bench.rounds))
            ratio = own["rate"] / (LOOP_IMAGES / seconds)
            rows.append(("digits: against a loop of model.predict", f"{ratio:,.0f}x", "at least 300x"))
        parts = subprocess.run(
            [sys.executable, str(HERE / "alternatives.py"), "parts", str(path)],
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            check=True,
        )
        for name, value in json.loads(parts.stdout).items():
            rows.append((f"{kind}: {name}, one core, an image", f"{value:,.0f} us", ""))
    image = next(iter(folders["scans-png"].iterdir()))
    cold = bench.in_turns(
        {"image": lambda: bench.digitbox(image), "imports": lambda: bench.python("-c", IMPORTS)}
    )
    rows.append(("one image, whole process", f"{cold['image']:.2f} s", ""))
    rows.append(("the same against its imports", f"{cold['image'] / cold['imports']:.2f}x", "at most 1.8x"))
    latency = statistics.median(watching.latencies(folder / "watched", Scans(random.Random(1))))
    rows.append(("watch: from a whole file to its CSV, beyond --settle", f"{latency:.2f} s", "0.2 s"))
    return rows + scale(bench, folder / "scale", scale_files)


def main() -> None:
    """Measure, print the table, and write it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--files", type=int, default=10_000, help="digits to read")
    parser.add_argument("--rounds", type=int, default=5, help="measurements of each")
    parser.add_argument("--scale", type=int, default=100_000, help="files for memory and --only-new")
    parser.add_argument("--beside", type=Path, help="checkout of another build to compare with")
    parser.add_argument("--output", type=Path, default=Path("benchmarks/results"), help="folder to write to")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="digitbox-") as scratch:
        folder = Path(scratch)
        checkout = None if options.beside is None else options.beside.resolve()
        rows = measure(Bench(folder, options.rounds, checkout), folder, options.files, options.scale)
    cores = len(os.sched_getaffinity(0))
    machine = f"{cores} cores, {platform.machine()}, Python {platform.python_version()}"
    lines = [f"Measured on {machine}.", "", "| what | figure | target |", "|---|---|---|"]
    lines += [f"| {' | '.join(row)} |" for row in rows]
    options.output.mkdir(parents=True, exist_ok=True)
    (options.output / "bench.md").write_text("\n".join(lines) + "\n", encoding="utf-8")
    record = {
        "machine": machine,
        "rows": [dict(zip(("what", "figure", "target"), row, strict=True)) for row in rows],
    }
    (options.output / "bench.json").write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
