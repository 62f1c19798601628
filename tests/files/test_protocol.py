"""Whatever kills a run or a watcher, and its recovery: each scan has exactly one row in exactly one CSV."""

import csv
import hashlib
import itertools
import os
import re
import shutil
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from batch import job
from batch.config import RunOptions, WatchOptions
from batch.engines import Engine
from batch.files.ledger import FILE, Ledger
from batch.log import Log
from batch.records import After
from batch.watch import Watcher
from faults import killed_at
from formats import FORMATS, two

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="processes are forked")

SCANS = {
    "a.png": FORMATS["png-8"](two()),
    "b.jpg": FORMATS["jpeg-grey"](two()),
    "half.png": FORMATS["png-8"](two())[:90],
    "sub/a.png": FORMATS["png-8"](255 - two()),
    "sub/deep/c.png": FORMATS["png-8"](two()),
}


class Ticking:
    """A clock and the events of an inbox in which nothing happens but that time goes by."""

    def __init__(self) -> None:
        self.now = 0.0

    def start(self) -> None:
        """Nothing to start."""

    def stop(self) -> None:
        """Nothing to stop."""

    def are_alive(self) -> bool:
        return True

    def were_lost(self) -> bool:
        return False

    def wait(self, seconds: float) -> set[str]:
        self.now += max(seconds, 0.01)
        return set()


class StopAt:
    """Asks to stop when it is time."""

    number = 15

    def __init__(self, ticking: Ticking, at_s: float) -> None:
        self._ticking, self._at_s = ticking, at_s

    def is_asked(self) -> bool:
        return self._ticking.now >= self._at_s


def run(folder: Path, after: After) -> None:
    options = RunOptions(
        inputs=(str(folder / "inbox"),),
        outbox=folder / "outbox",
        only_new=True,
        after=after,
        workers=1,
        batch_size=2,
        rows_per_file=3,
    )
    job.run(options, job.find(options), lambda _: None)


def watch(folder: Path, after: After) -> None:
    options = WatchOptions(inbox=folder / "inbox", outbox=folder / "outbox", after=after, rows_per_file=3)
    reader, manifest = job.new_reader(options)
    ticking = Ticking()
    watcher = Watcher(
        options,
        Engine(reader, 1),
        ticking,  # type: ignore[arg-type]
        Log(quiet=True),
        lambda _: None,
        StopAt(ticking, 60),  # type: ignore[arg-type]
        lambda: ticking.now,
    )
    watcher.run(lambda: job.new_outbox(options, manifest))
    watcher.close()


WAYS = [
    pytest.param(run, After.LEAVE, id="run"),
    pytest.param(run, After.MOVE, id="run-move"),
    pytest.param(run, After.DELETE, id="run-delete"),
    pytest.param(watch, After.MOVE, id="watch"),
    pytest.param(watch, After.LEAVE, id="watch-leave"),
]


def drop(folder: Path) -> None:
    for name, content in SCANS.items():
        (folder / "inbox" / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / "inbox" / name).write_bytes(content)
    (folder / "outbox").mkdir()
    (folder / "taken").mkdir()


def take(folder: Path) -> None:
    """What a reader does that takes each file of results away at once."""
    for path in (folder / "outbox").glob("*.csv"):
        assert not (folder / "taken" / path.name).exists(), "published twice"
        path.rename(folder / "taken" / path.name)


def check(folder: Path, after: After) -> None:
    take(folder)
    rows = [
        row
        for path in (folder / "taken").iterdir()
        for row in csv.DictReader(path.read_text(encoding="utf-8").splitlines())
    ]
    assert Counter(row["file"] for row in rows) == Counter(list(SCANS))
    for row in rows:
        assert row["sha256"] == hashlib.sha256(SCANS[row["file"]]).hexdigest()
        assert row["status"] == ("failed" if row["file"] == "half.png" else "ok")
    left = {name: content for name, content in files(folder / "inbox") if content}
    done = Counter(name.split("/", 2)[2] for name, _ in files(folder / "outbox" / "done"))
    failed = Counter(name.split("/", 2)[2] for name, _ in files(folder / "outbox" / "failed"))
    assert left == (SCANS if after is After.LEAVE else {})
    if after is After.MOVE:
        assert done == Counter([name for name in SCANS if name != "half.png"])
        assert failed == Counter(["half.png", "half.png.json"])
    assert not list((folder / "outbox" / ".digitbox" / "staging").iterdir())


def files(folder: Path) -> Iterator[tuple[str, bytes]]:
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            yield str(path.relative_to(folder)), path.read_bytes()


@pytest.mark.parametrize(("way", "after"), WAYS)
def test_killed_at_every_call(
    way: Callable[[Path, After], None], after: After, tmp_path: Path, fake_model: Path
) -> None:
    for number in itertools.count(1):
        folder = tmp_path / str(number)
        drop(folder)
        killed = killed_at(number, lambda: way(folder, after))  # noqa: B023, called at once
        take(folder)
        assert not killed_at(1 << 40, lambda: way(folder, after))  # noqa: B023
        check(folder, after)
        shutil.rmtree(folder)
        if not killed:
            break
    assert number > 50


def state(folder: Path) -> str:
    """What recovery sees: files, and how far the ledger says that each batch is."""
    names = sorted(name for name, _ in files(folder) if ".digitbox" not in name or "staging" in name)
    batches: list[object] = []
    if (folder / "outbox" / ".digitbox" / FILE).exists():
        with closing(Ledger(folder / "outbox" / ".digitbox")) as ledger:
            for batch in ledger.unfinished():
                batches.append((batch.state, len(list(ledger.members(batch.batch_id)))))
    return re.sub(r"\d{8}T\d{6}Z-[0-9a-f]{8}|[0-9a-f]{8}(?=/)", "", f"{names} {batches}")


@pytest.mark.slow
@pytest.mark.parametrize(("way", "after"), WAYS)
def test_recovery_killed_at_every_call(
    way: Callable[[Path, After], None], after: After, tmp_path: Path, fake_model: Path
) -> None:
    """From every state that a kill leaves behind, once each."""
    seen: set[str] = set()
    kept, folder = tmp_path / "kept", tmp_path / "here"  # the ledger has the paths: it is always here
    for number in itertools.count(1):
        drop(folder)
        killed = killed_at(number, lambda: way(folder, after))
        take(folder)
        now = state(folder)
        if killed and now not in seen:
            seen.add(now)
            folder.rename(kept)
            for again in itertools.count(1):
                restore(kept, folder)
                killed_again = killed_at(again, lambda: way(folder, after))
                take(folder)
                assert not killed_at(1 << 40, lambda: way(folder, after))
                check(folder, after)
                shutil.rmtree(folder)
                if not killed_again:
                    break
            shutil.rmtree(kept)
        else:
            shutil.rmtree(folder)
        if not killed:
            break
    assert len(seen) > 8


def restore(kept: Path, folder: Path) -> None:
    """Copies a folder so that files are the same to the ledger: hard links keep inode and times."""
    shutil.copytree(kept, folder, copy_function=os.link)
    state_folder = folder / "outbox" / ".digitbox"
    for path in list(state_folder.rglob("*")) if state_folder.exists() else []:
        if path.is_file():  # what is written to must be a copy
            content = path.read_bytes()
            path.unlink()
            path.write_bytes(content)
