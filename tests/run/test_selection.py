"""Tests of the selection: the scans that a run reads, and those that it leaves."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batch.inputs import external_sort
from batch.inputs.find import Inputs, oldest_first
from batch.outbox.run_stats import RunStats
from batch.records import ScanRef
from batch.run.selection import Selection


def files(folder: Path, times: dict[str, int]) -> Inputs:
    """Make scans with these names and modification times (ns), and a file that is no scan."""
    for name, mtime_ns in times.items():
        path = folder / "in" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
        os.utime(path, ns=(0, mtime_ns))
    (folder / "in" / "notes.txt").touch()
    return Inputs([str(folder / "in")], True, folder / "out")


TIMES = {"a.png": 50, "b.png": 10, "sub/c.png": 30, "d.png": 40, "e.png": 20}


def all_but_b(refs: list[ScanRef]) -> list[ScanRef]:
    return [ref for ref in refs if ref.name != "b.png"]


def names(selection: Selection) -> list[str]:
    return [ref.name for ref in selection]


def test_without_a_limit_the_order_is_that_of_names(tmp_path: Path) -> None:
    stats = RunStats("run")
    assert names(Selection(files(tmp_path, TIMES), stats)) == sorted(TIMES)
    assert (stats.seen, stats.settled, stats.skipped) == (5, 0, 1)


def test_scans_with_a_row_are_left_out(tmp_path: Path) -> None:
    stats = RunStats("run")
    selection = Selection(files(tmp_path, TIMES), stats, all_but_b)
    assert names(selection) == ["a.png", "d.png", "e.png", "sub/c.png"]
    assert (stats.seen, stats.settled) == (4, 1)


def test_a_limit_reads_the_oldest_and_counts_the_others(tmp_path: Path) -> None:
    stats = RunStats("run")
    selection = Selection(files(tmp_path, TIMES), stats, all_but_b, max_files=2)
    assert names(selection) == ["e.png", "sub/c.png"]
    assert (stats.seen, stats.settled, stats.skipped) == (4, 1, 1)


@pytest.mark.parametrize(("max_seconds", "count"), [(0.5, 2), (2.5, 4), (100, 5)])
def test_the_time_counts_at_the_border_of_a_batch(tmp_path: Path, max_seconds: float, count: int) -> None:
    clock = [0.0]
    stats = RunStats("run", clock=lambda: clock[0])
    read = []
    for ref in Selection(files(tmp_path, TIMES), stats, max_seconds=max_seconds, border=2):
        read.append(ref.name)
        clock[0] += 1
    assert read == ["b.png", "e.png", "sub/c.png", "d.png", "a.png"][:count]
    assert stats.seen == 5


def test_each_run_reads_a_batch_however_late(tmp_path: Path) -> None:
    stats = RunStats("run", clock=iter([0.0, *[1000.0] * 100]).__next__)
    assert len(names(Selection(files(tmp_path, TIMES), stats, max_seconds=1, border=3))) == 3


PARTS = st.binary(min_size=1, max_size=6).filter(lambda part: not set(part) & set(b"\0/") and part != b".")
PATHS = st.lists(PARTS, min_size=1, max_size=3).map(lambda parts: "/" + os.fsdecode(b"/".join(parts)))
REFS = st.builds(
    lambda path, name, mtime_ns, source: ScanRef(path, name, 1, mtime_ns, 1, source),
    PATHS,
    PATHS | st.sampled_from(["./a.png", "a/./b.png", "././x", "//y"]),
    st.integers(-(1 << 62), 1 << 62) | st.integers(0, 3),
    st.sampled_from(["", "/", "/in", "s3://b/x/1"]),
)


@given(st.lists(REFS), st.integers(1, 4))
def test_oldest_first_sorts_and_loses_nothing(refs: list[ScanRef], run_length: int) -> None:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(external_sort, "RUN_LENGTH", run_length)  # sorts in temporary files
        oldest = [(ref.path, ref.name, ref.source) for ref in oldest_first(refs)]
    by_age = sorted(
        refs, key=lambda ref: (ref.mtime_ns, os.fsencode(f"{ref.path}/{ref.name}/{len(ref.name)}/"))
    )
    assert sorted(oldest) == sorted((ref.path, ref.name, ref.source) for ref in refs)
    assert [names[:2] for names in oldest] == [(ref.path, ref.name) for ref in by_age]
