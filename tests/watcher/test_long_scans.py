"""Scans of several and of very many pages: each page is a row, and no other scan waits."""

from dataclasses import replace

import pytest

import pdfs
from batch.inference import reader
from batch.monitoring.news import State
from batch.outbox.publisher import Outbox
from batch.watcher import loop as watching
from formats import SEVERAL_PAGES, numbered_scan, two
from scene import Scene


def test_pages_are_rows_of_one_batch(scene: Scene) -> None:
    scene.drop("a.png", numbered_scan(1))
    scene.drop("b.pdf", pdfs.cards(5, two()))
    scene.drop("c.tif", SEVERAL_PAGES["tiff"](two()))
    scene.watch(60, rows_per_file=3)
    scene.check()
    (line,) = scene.log.of("batch")
    assert line.startswith("3 scans of 8 pages: 8 ok, 0 review, 0 refused, 0 failed; ")
    pages = [(row["file"], row["page"]) for row in scene.rows]
    assert pages == [
        ("a.png", ""),
        *(("b.pdf", str(page)) for page in range(1, 6)),
        ("c.tif", "1"),
        ("c.tif", "2"),
    ]
    assert all(len({row["batch"] for row in scene.rows if row["file"] == name}) == 1 for name, _ in pages)


def test_a_scan_of_very_many_pages_holds_up_no_other(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "MAX_PAGES_AT_ONCE", 3)
    scene.drop("a.pdf", pdfs.cards(40, two()))
    began: list[float] = []
    waiting: list[State] = []
    read_on = watching.Watcher._read_on

    def slowly(watcher: watching.Watcher, outbox: Outbox) -> None:
        """Read on only when the other scan has its row, and let time go by until then."""
        if len(watcher._long) and not began:
            began.append(scene.ticking.now)
            scene.drop("b.png", numbered_scan(1))
        if not began or any(row["file"] == "b.png" for row in scene.rows):
            read_on(watcher, outbox)
        else:
            waiting.append(replace(watcher._news.state))
            scene.ticking.now += 0.5

    monkeypatch.setattr(watching.Watcher, "_read_on", slowly)
    scene.watch(200)
    scene.check()
    assert [row["file"] for row in scene.rows] == ["b.png"] + 40 * ["a.pdf"]
    assert [row["page"] for row in scene.rows[1:]] == [str(page) for page in range(1, 41)]
    assert len({row["batch"] for row in scene.rows[1:]}) == 1
    assert {state.backlog for state in waiting} >= {1, 2}
    assert {state.ready_since <= began[0] for state in waiting} == {True}
    assert scene.latencies[-1] > 0.5 * len(waiting)


def test_a_watcher_that_stops_in_many_pages_reads_them_later(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reader, "MAX_PAGES_AT_ONCE", 3)
    scene.drop("a.pdf", pdfs.cards(40, two()))

    def wait(*_: object) -> None:
        scene.ticking.now += 1

    monkeypatch.setattr(watching.Watcher, "_read_on", wait)
    scene.watch(40)
    assert scene.rows == []
    monkeypatch.undo()
    scene.watch(200)
    scene.check()
    assert len(scene.rows) == 40
