"""The two ways from an inbox to an outbox, a run and a watcher, each as a call that ends."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from unittest import mock

from batch.config import RunOptions
from batch.engines.local import Engine
from batch.records import After
from batch.run import job
from formats import FORMATS, SEVERAL_PAGES, second_page_damaged, two
from scene import Scene

SCANS = {
    "a.png": FORMATS["png-8"](two()),
    "b.jpg": FORMATS["jpeg-grey"](two()),
    "half.png": FORMATS["png-8"](two())[:90],
    "sub/a.png": FORMATS["png-8"](255 - two()),
    "sub/deep/pages.tif": SEVERAL_PAGES["tiff"](two()),
    "sub/half.tif": second_page_damaged(),
}
FAILED = {"half.png", "sub/half.tif"}
"""The scans that go to failed/: of one of them, only a page has failed."""
ROWS = Counter({name: 2 if name.endswith(".tif") else 1 for name in SCANS})
"""Number of rows that each scan has: one for each page."""


def run(folder: Path, after: After) -> None:
    options = RunOptions(
        inputs=(str(folder / "inbox"),),
        outbox=folder / "outbox",
        only_new=True,
        after=after,
        settle_s=0,
        batch_size=2,
        rows_per_file=3,
    )
    # A worker would be killed at calls of its own, and a new one take its place.
    with mock.patch.object(job, "new_engine", lambda _, reader: Engine(reader, 0)):
        job.run(options, job.find(options), lambda _: None, job.new_stats(options))


def watch(folder: Path, after: After) -> None:
    Scene(folder).watch(60, after=after, rows_per_file=3, settle_s=0.5)
