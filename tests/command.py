"""What `digitbox` returns and prints, called in this process."""

from __future__ import annotations

import csv
import os
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[1]
"""The checkout."""


def environment(**variables: str) -> dict[str, str]:
    """Return the environment for a real `python -m batch`, in any folder, without options of digitbox.

    Its streams have buffers, as those of most users have.
    """
    names = [name for name in os.environ if not name.startswith(("DIGITBOX_", "RAY_", "PYTHONUNBUFFERED"))]
    python_path = {"PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}"}
    return {**{name: os.environ[name] for name in names}, **python_path, **variables}


class Result(NamedTuple):
    code: int
    out: str
    err: str

    @property
    def rows(self) -> list[dict[str, str]]:
        """Of all files of results that were printed."""
        return [
            row
            for path in self.out.splitlines()
            for row in csv.DictReader(Path(path).read_text(encoding="utf-8").splitlines())
        ]


Digitbox = Callable[..., Result]
