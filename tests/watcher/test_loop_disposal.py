"""Scans on their way out of the inbox: each has one row, also if nobody can move it at once."""

import errno
import json
import os
from pathlib import Path
from typing import Any

import pytest

from faults import fast_folder
from formats import numbered_scan
from scene import Scene


def test_a_scan_that_cannot_be_moved_has_one_row(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    rename = os.rename

    def denied(source: Any, target: Any) -> None:
        if "stuck" in str(source) and scene.ticking.now < 100:
            raise PermissionError(errno.EACCES, "Permission denied")
        rename(source, target)

    monkeypatch.setattr(os, "rename", denied)
    scene.drop("stuck.png", numbered_scan(1))
    scene.drop("a.png", numbered_scan(2))
    scene.watch(50)
    scene.ticking.now = 0
    scene.watch(150)  # a watcher that was started anew does not read it either
    scene.check()
    assert len(scene.log.of("disposal")) == 2


def test_another_scan_in_the_place_of_one_that_cannot_be_moved(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    rename = os.rename

    def denied(source: Any, target: Any) -> None:
        if "stuck" in str(source) and scene.ticking.now < 10:
            raise PermissionError(errno.EACCES, "Permission denied")
        rename(source, target)

    def replace() -> None:
        (scene.inbox / "stuck.png").unlink()
        scene.drop("stuck.png", numbered_scan(2))

    monkeypatch.setattr(os, "rename", denied)
    scene.drop("stuck.png", numbered_scan(1))
    scene.ticking.at(20, replace)
    scene.watch(100)
    assert len({row["sha256"] for row in scene.rows}) == len(scene.rows) == 2
    assert not os.listdir(scene.inbox)


def test_scans_are_moved_to_another_device(tmp_path: Path, fake_model: Path) -> None:
    with fast_folder(tmp_path) as folder:
        if folder.stat().st_dev == tmp_path.stat().st_dev:
            pytest.skip("there is no other device")
        scene = Scene(folder)
        scene.outbox = tmp_path / "outbox"
        for number in range(5):
            scene.drop(f"sub/{number}.png", numbered_scan(number))
        scene.drop(f"{'x' * 251}.png", numbered_scan(9)[:90])
        scene.watch(60)
        scene.check()
        assert not list(scene.inbox.rglob("*.png"))


def test_reasons_stand_beside_failed_scans(scene: Scene) -> None:
    scene.drop("sub/half.png", numbered_scan(1)[:90])
    scene.watch(60)
    (row,) = scene.rows
    (results,) = (scene.folder / "taken").iterdir()
    (reason,) = (scene.outbox / "failed").rglob("*.json")
    assert reason.with_suffix("").is_file()
    assert json.loads(reason.read_text()) == {
        "file": "sub/half.png",
        "status": "failed",
        "reason": "truncated",
        "sha256": row["sha256"],
        "batch": row["batch"],
        "results": results.name,
    }
