"""The folder of a training: its options, its packed data sets, its log."""

from __future__ import annotations

import dataclasses
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from batch.errors import ConfigError
from batch.storage import durable
from batch.training.look.packing import DataPaths, pack

SOURCES_FILE, DATA_FILE, OPTIONS_FILE, LOG_FILE = "sources.npz", "data.json", "options.json", "log.jsonl"
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
    _keep(folder / OPTIONS_FILE, options, "other options")


def pack_once(paths: DataPaths, folder: Path, say: Callable[[str], None]) -> Path:
    """Pack the data sets, if the folder does not have their file yet; return the file.

    Args:
        paths: The data sets.
        folder: The folder; digitbox makes it.
        say: Gets lines of progress.

    Raises:
        ConfigError: The folder holds a training on other data sets.
        InputError: A data set is missing or is not what it should be.
    """
    names = {name: str(path) for name, path in dataclasses.asdict(paths).items() if path}
    _keep(folder / DATA_FILE, names, "other data sets")
    file = folder / SOURCES_FILE
    if not file.exists():
        say("packing the data sets")
        durable.replace(file, npz_bytes(pack(paths), compress=True))
    return file


def _keep(file: Path, content: dict[str, Any], title: str) -> None:
    if not file.exists():
        durable.make_folder(file.parent)
        durable.replace(file, (json.dumps(content, indent=2) + "\n").encode())
    elif json.loads(file.read_text(encoding="utf-8")) != content:
        raise ConfigError(f"{file.parent} holds a training with {title}; name another folder")


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
