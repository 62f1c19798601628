"""The costs and gains of Ray on this machine, and what follows for a cluster: the tables of docs/cluster.md.

python benchmarks/cluster.py [--counts 10000 100000] [--workers 2]

Local and Ray runs take turns, with the same number of workers. They read digits of 28x28 pixels, which take
the least work, so that the costs of the engine count most. With --counts 10000 100000 1000000 it takes half
an hour.
"""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

import inputs

ROOT = Path(__file__).parents[1]
TICK_S = 1 / os.sysconf("SC_CLK_TCK")
SAMPLING_S = 0.25  # between two looks at the processes
CLUSTER_SCANS = 100_000_000
GETS_A_SECOND = 5_500  # that Amazon S3 states for a prefix
BITS_A_SECOND = 10e9  # of the network of a common machine
CORES = 2  # on which docs/speed.md has measured
# Bytes of a file, and scans a second on these cores, from docs/speed.md; a test compares them.
KINDS = {
    "digits, 28x28 PNG": (300, 15_207),
    "scans, 120x160 PNG": (10_000, 5_831),
    "photos, 1000x1400 JPEG": (200_000, 880),
}


@dataclass(slots=True)
class Cost:
    """The cost of a run.

    Attributes:
        seconds: Seconds of the whole process.
        peak_mib: Peak memory of a process in MiB, by role.
        cpu_s: CPU seconds of all processes, by role.
    """

    seconds: float = 0.0
    peak_mib: dict[str, float] = field(default_factory=dict)
    cpu_s: dict[str, float] = field(default_factory=dict)
    _of_process: dict[int, tuple[str, float]] = field(default_factory=dict)

    def sample(self, root: int) -> None:
        """Add the memory and CPU time so far of a process and its descendants."""
        for process in _family(root):
            try:
                status = Path(f"/proc/{process}/status").read_text()
                times = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
                command = Path(f"/proc/{process}/cmdline").read_bytes().decode(errors="replace")
            except (OSError, ProcessLookupError):
                continue
            if not command:  # the process has ended
                continue
            name = _role(process == root, command)
            peak = next((line.split()[1] for line in status.splitlines() if line.startswith("VmHWM")), "0")
            self.peak_mib[name] = max(self.peak_mib.get(name, 0.0), int(peak) / 1024)
            self._of_process[process] = name, (int(times[11]) + int(times[12])) * TICK_S
        self.cpu_s = {}
        for name, seconds in self._of_process.values():
            self.cpu_s[name] = self.cpu_s.get(name, 0.0) + seconds


def _role(is_root: bool, command: str) -> str:
    if is_root:
        return "driver"
    if command.startswith("ray::MapWorker"):
        return "actor"
    if "multiprocessing" in command or command.startswith(f"{sys.executable}\0-m\0batch"):
        return "reader"
    return "Ray itself"


def _family(root: int) -> list[int]:
    """Return a process and its descendants."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            except (OSError, ProcessLookupError):
                continue
            children.setdefault(parent, []).append(int(entry.name))
    family = [root]
    for process in family:
        family += children.get(process, [])
    return family


def run_cost(folder: Path, *arguments: str) -> Cost:
    """Measure a `digitbox run` over a folder."""
    outbox = Path(tempfile.mkdtemp(dir=folder.parent))
    command = [
        sys.executable,
        "-m",
        "batch",
        "run",
        str(folder),
        "--outbox",
        str(outbox),
        "--quiet",
        *arguments,
    ]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    cost, started = Cost(), time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, env=environment) as process:
        while process.poll() is None:
            cost.sample(process.pid)
            try:
                process.wait(SAMPLING_S)
            except subprocess.TimeoutExpired:
                continue
    cost.seconds = time.perf_counter() - started
    if process.returncode not in (0, 3):
        raise RuntimeError(f"{command}: exit code {process.returncode}")
    shutil.rmtree(outbox)
    return cost


def measure(counts: list[int], workers: int, scratch: Path) -> tuple[list[list[str]], dict[str, float]]:
    """Return the rows of the first table, and the figures that the second follows from."""
    engines = {"local": ("--workers", str(workers)), "ray": ("--workers", str(workers), "--engine", "ray")}
    costs: dict[tuple[str, int], Cost] = {}
    for count in (1, *counts):
        folder = inputs.make(scratch / str(count), {"digits": count})["digits"]
        for name, arguments in engines.items():
            costs[name, count] = run_cost(folder, *arguments)
        shutil.rmtree(folder.parent)
    rows = [["what", "local", "Ray", "Ray to local"]]

    def add(what: str, figures: list[float], form: str) -> None:
        local, ray = figures
        rows.append([what, form.format(local), form.format(ray), f"{ray / local:.2f}x"])

    for count in (1, *counts):
        seconds = [costs[name, count].seconds for name in engines]
        add(f"{count:,} {'scan' if count == 1 else 'scans'}, whole process", seconds, "{:.1f} s")
    few, many = counts[0], counts[-1]
    scans = many - few
    rates = [scans / (costs[name, many].seconds - costs[name, few].seconds) for name in engines]
    add("steady, scans a second", rates, "{:,.0f}")
    for count in counts:
        peaks = [costs[name, count].peak_mib for name in engines]
        add(f"{count:,} scans, memory of the driver", [peak["driver"] for peak in peaks], "{:.0f} MiB")
        readers = [peak["reader"] + peak.get("actor", 0.0) for peak in peaks]
        add(f"{count:,} scans, memory of a worker", readers, "{:.0f} MiB")

    def cpu_us(name: str, *roles: str) -> float:
        of_few, of_many = (
            sum(costs[name, count].cpu_s.get(role, 0.0) for role in roles) for count in (few, many)
        )
        return (of_many - of_few) / scans * 1e6

    workers_us = {name: cpu_us(name, "reader", "actor") for name in engines}
    add("CPU of the workers, a scan", list(workers_us.values()), "{:.0f} us")
    add("CPU of the driver, a scan", [cpu_us(name, "driver") for name in engines], "{:.0f} us")
    rows.append(["CPU of Ray's own processes, a scan", "", f"{cpu_us('ray', 'Ray itself'):.0f} us", ""])
    figures = {
        "overhead_us": workers_us["ray"] - workers_us["local"],
        "driver_us": cpu_us("ray", "driver"),  # Ray's own processes run on other cores
    }
    return rows, figures


def computed(figures: dict[str, float]) -> list[list[str]]:
    """Return the rows of the second table, which says what follows for a cluster."""
    driver = 1e6 / figures["driver_us"]
    rows = [
        [
            "kind",
            "scans a second and actor",
            "core-hours for 100 million",
            "actors that one driver keeps busy",
            f"actors that {GETS_A_SECOND:,} GETs a second keep busy",
            "actors that 10 Gbit/s keep busy",
        ]
    ]
    for kind, (size_bytes, rate) in KINDS.items():
        actor = 1e6 / (1e6 * CORES / rate + max(0.0, figures["overhead_us"]))
        rows.append(
            [
                kind,
                f"{actor:,.0f}",
                f"{CLUSTER_SCANS / actor / 3600:,.0f}",
                f"{driver / actor:,.0f}",
                f"{GETS_A_SECOND / actor:,.0f}",
                f"{BITS_A_SECOND / 8 / size_bytes / actor:,.0f}",
            ]
        )
    return rows


def _table(rows: list[list[str]]) -> str:
    head, *body = (f"| {' | '.join(row)} |" for row in rows)
    return "\n".join([head, "|" + "---|" * len(rows[0]), *body])


def main() -> None:
    """Measure, compute, and print both tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument(
        "--counts",
        type=int,
        nargs="+",
        default=[10_000, 100_000],
        help="scans, two numbers or more; a few scans need no workers",
    )
    parser.add_argument("--workers", type=int, default=2, help="of both engines, at least two")
    options = parser.parse_args()
    if options.workers < 2:
        parser.error("--workers must be at least 2: a local run with one worker reads in the driver")
    if len(set(options.counts)) < 2:
        parser.error("--counts must be two numbers or more: the rates follow from their difference")
    with tempfile.TemporaryDirectory(prefix="digitbox-") as scratch:
        rows, figures = measure(sorted(options.counts), options.workers, Path(scratch))
    cores = len(os.sched_getaffinity(0))
    print(f"Measured on {cores} cores, {platform.machine()}, Python {platform.python_version()}, ", end="")
    print(f"{options.workers} workers:\n\n{_table(rows)}\n\nComputed:\n\n{_table(computed(figures))}")


if __name__ == "__main__":
    main()
