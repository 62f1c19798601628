"""The folder of a training: its options, its arrays, its log."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from batch.errors import ConfigError
from batch.storage import durable

OPTIONS_FILE, LOG_FILE = "options.json", "log.jsonl"
FREE_OPTIONS = {"workers", "checkpoint_seconds"}  # they may change when a training goes on


def keep_options(folder: Path, options: dict[str, Any]) -> None:
    """Keep the options of a training in its folder, or check that they are the same.

    Args:
        folder: The folder; digitbox makes it.
        options: The options.

    Raises:
        ConfigError: The folder holds a training with other options.
    """
    options = {name: value for name, value in options.items() if name not in FREE_OPTIONS}
    keep(folder / OPTIONS_FILE, options, "other options")


def keep(file: Path, content: dict[str, Any], title: str) -> None:
    """Keep what makes a training what it is, or check that it is the same.

    Args:
        file: The file; digitbox makes its folder.
        content: What to keep.
        title: Words for something else than this.

    Raises:
        ConfigError: The file holds something else.
    """
    if not file.exists():
        durable.make_folder(file.parent)
        durable.replace(file, (json.dumps(content, indent=2) + "\n").encode())
    elif json.loads(file.read_text(encoding="utf-8")) != content:
        raise ConfigError(f"{file.parent} holds a training with {title}; name another folder")


def load(source: Path | BinaryIO) -> dict[str, npt.NDArray[Any]]:
    """Read the arrays of an npz file.

    Raises:
        OSError: The file cannot be read.
        ValueError: The file is no npz file, or holds Python objects.
    """
    with np.load(source, allow_pickle=False) as archive:
        return {name: archive[name] for name in archive.files}


def npz_bytes(arrays: dict[str, npt.NDArray[Any]], compress: bool = False) -> bytes:
    """Return the content of an npz file with these arrays, without pickle."""
    content = io.BytesIO()
    write = np.savez_compressed if compress else np.savez
    write(content, allow_pickle=False, **arrays)
    return content.getvalue()


def note(folder: Path, line: dict[str, Any]) -> None:
    """Add a line to the log of a training."""
    with (folder / LOG_FILE).open("a", encoding="utf-8") as file:
        file.write(json.dumps(line) + "\n")
