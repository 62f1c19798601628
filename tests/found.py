"""Folders of scans, and the names that a search finds in them."""

from __future__ import annotations

from pathlib import Path

from batch.inputs.find import Inputs

NOWHERE = Path("nowhere")


def touch(*paths: Path) -> None:
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def names(*inputs: str | Path, recursive: bool = True, outbox: Path = NOWHERE) -> list[str]:
    return [ref.name for ref in Inputs([str(i) for i in inputs], recursive, outbox)]
