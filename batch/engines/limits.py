"""The means of this machine: how many workers its memory and its open files have room for."""

from __future__ import annotations

import logging
import os
import resource
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from batch.terminal.log import event

_log = logging.getLogger(__name__)

WORKER_BYTES = 100 << 20  # of a worker with its model, before it reads a scan
BYTES_PER_PIXEL = 34  # at the peak, of PNG with 16 bits and transparency; colour of 16 bits takes 14, grey 3
FILES_PER_WORKER = 3  # that a worker keeps open in its parent
SPARE_FILES = 9  # of a run and its outbox, at the peak, beside those that are open already


def usable_cores() -> int:
    """Return the number of cores this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def bound_workers(workers: int, max_pixels: int) -> int:
    """Return how many workers this machine has room for, and log a line if it has too little.

    Args:
        workers: Number of workers that the user wants, at least 1.
        max_pixels: Largest number of pixels of an image, which each worker may have in memory at a time.

    Returns:
        A number from 0 to `workers`; 0 if even one would take what the results need.
    """
    worker_bytes = WORKER_BYTES + BYTES_PER_PIXEL * max_pixels
    room_bytes = memory_bytes()
    by_memory = max(1, room_bytes // worker_bytes)
    by_files = max(0, (free_files() - SPARE_FILES) // FILES_PER_WORKER)
    room = min(workers, by_memory, by_files)
    if room < workers:
        if by_files < by_memory:
            why = "so few files may be open: raise ulimit -n"
        else:
            why = (
                f"{room_bytes / 1e9:.1f} GB of memory have no room for more images of --max-pixels "
                f"{max_pixels}: set a smaller one"
            )
        how = f"{room} of {workers} workers" if room else "no worker"
        _log.warning(f"reading with {how}, because {why}", extra=event("workers", workers=room))
    return room


def memory_bytes() -> int:
    """Return the memory of the machine, or of the group of processes (a container) that this one is in."""
    try:
        physical = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (OSError, ValueError):
        physical = sys.maxsize
    return min([physical, *_group_limits()])


def _group_limits(
    root: Path = Path("/sys/fs/cgroup"), own: Path = Path("/proc/self/cgroup")
) -> Iterator[int]:
    """Yield the limits of memory of the control groups that this process is in, from the inside out."""
    groups = ""
    with suppress(OSError):
        groups = own.read_text(encoding="utf-8", errors="surrogateescape")
    for line in groups.splitlines():
        number, controllers, path = line.split(":", 2)
        if number == "0":
            folder, name = root, "memory.max"
        elif "memory" in controllers.split(","):
            folder, name = root / "memory", "memory.limit_in_bytes"
        else:
            continue
        group = folder / path.lstrip("/")
        # In a container, the path may be that of the host, and the limit stands at the root.
        for place in (group, *group.parents):
            with suppress(OSError, ValueError):
                yield int((place / name).read_text(encoding="utf-8"))
            if place == folder:
                break


def free_files() -> int:
    """Return how many more files this process may open."""
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if limit == resource.RLIM_INFINITY:
        return sys.maxsize
    for folder in ("/proc/self/fd", "/dev/fd"):
        with suppress(OSError):
            return limit - len(os.listdir(folder))
    return limit
