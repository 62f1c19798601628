"""The model folders that a training writes: checked, written whole, and put in place."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

from batch.errors import ConfigError, ModelError
from batch.inference.model_store import (
    CURRENT,
    LOOK_FILE,
    MANIFEST,
    NAME_PATTERN,
    NUMBERS_FILE,
    PLACE_FILE,
    TFLITE_FILE,
    digest,
)
from batch.records import Manifest
from batch.storage import durable


def digests(files: Mapping[str, bytes]) -> dict[str, str]:
    """Return the SHA-256 of each network among the files of a model.

    Args:
        files: Content by file name.
    """
    return {name: digest(content) for name, content in files.items() if name.endswith((".keras", ".tflite"))}


def version_of(name: str, files: Mapping[str, bytes]) -> str:
    """Return the version of a model, which changes with the weights that give its rows.

    Args:
        name: Name of the model.
        files: Content by file name.
    """
    weights = (files.get(file, b"") for file in (TFLITE_FILE, LOOK_FILE, PLACE_FILE))
    return f"{name}-{digest(b''.join(weights))[:8]}"


def numbers_version_of(name: str, digests: Mapping[str, str]) -> str:
    """Return the version of a model's reader of numbers. The looks see each digit, so it changes with them.

    Args:
        name: Name of the model.
        digests: SHA-256 by file name.
    """
    files = (NUMBERS_FILE, TFLITE_FILE, LOOK_FILE)
    return f"{name}-numbers-{digest(''.join(digests[file] for file in files).encode())[:8]}"


def check_target(models_dir: Path, name: str, overwrite: bool) -> None:
    """Check before the training that its model can be saved.

    Args:
        models_dir: Folder of models.
        name: Name of the new model.
        overwrite: Whether the new model may replace one of this name.

    Raises:
        ConfigError: The name is not plain, or that of something else than a model; or it is taken and
            `overwrite` is not set.
    """
    if not NAME_PATTERN.fullmatch(name):
        raise ConfigError(f"--name must be letters, digits, dots, dashes and underscores, not {name!r}")
    target = models_dir / name
    if name == CURRENT or (os.path.lexists(target) and not target.is_dir()):
        raise ConfigError(f"{target} is not for a model: choose another --name")
    if target.exists() and not overwrite:
        raise ConfigError(f"{target} exists: choose another --name, or give --overwrite to replace it")


def save(models_dir: Path, manifest: Manifest, files: Mapping[str, bytes], overwrite: bool = False) -> Path:
    """Write a model folder as a whole; after an error all is as before.

    Args:
        models_dir: Folder of models; digitbox makes it if it is missing.
        manifest: Manifest of the model; digitbox fills in its `files`.
        files: Content by file name.
        overwrite: Whether the new model may replace one of this name.

    Returns:
        The folder of the model.

    Raises:
        ConfigError: The name is not plain, or it is taken and `overwrite` is not set.
        ModelError: The folder cannot be written.
    """
    check_target(models_dir, manifest.name, overwrite)
    target = models_dir / manifest.name
    _write(target, dataclasses.replace(manifest, files=digests(files)), files)
    return target


def add_files(model_dir: Path, manifest: Manifest, files: Mapping[str, bytes]) -> None:
    """Write files and a manifest into a model folder, all at once, and keep what else is in it.

    Args:
        model_dir: Folder of the model.
        manifest: The new manifest, with the digests of all files.
        files: Content by file name.

    Raises:
        ModelError: The folder cannot be written; then all is as before.
    """
    _write(model_dir.resolve(), manifest, files, keep=True)


def _write(target: Path, manifest: Manifest, files: Mapping[str, bytes], keep: bool = False) -> None:
    """Write a model folder beside its place and put it there; `keep` keeps what else is in the old one."""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        building = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
        try:
            building.chmod(0o755)
            if keep:
                shutil.copytree(target, building, dirs_exist_ok=True)
            for name, content in files.items():
                (building / name).write_bytes(content)
            (building / MANIFEST).write_text(_as_json(manifest), encoding="utf-8")
            _put_in_place(building, target)
        except BaseException:
            shutil.rmtree(building, ignore_errors=True)
            raise
    except OSError as error:
        raise ModelError(f"cannot write the model to {target}: {error.strerror}") from error


def _put_in_place(building: Path, target: Path) -> None:
    """Rename a folder to its place; what was there is removed last, and goes back if the rename fails."""
    for path in (*building.iterdir(), building):
        durable.sync(path)
    if not target.exists():
        os.rename(building, target)
        return
    old = building  # once the two have taken each other's name
    if not durable.exchange(building, target):
        old = building.with_name(f"{building.name}.old")
        os.rename(target, old)
        try:
            os.rename(building, target)
        except BaseException:
            os.rename(old, target)
            raise
    shutil.rmtree(old, ignore_errors=True)


def rewrite_card(model_dir: Path, manifest: Manifest, card: str) -> None:
    """Replace the manifest and the card of a model, and keep its weights.

    Args:
        model_dir: Folder of the model.
        manifest: The new manifest.
        card: The new text of `card.md`.

    Raises:
        ModelError: The files cannot be written.
    """
    try:
        for name, text in (("card.md", card), (MANIFEST, _as_json(manifest))):
            durable.replace(model_dir / name, text.encode())
    except OSError as error:
        raise ModelError(f"cannot write to the model in {model_dir}: {error.strerror}") from error


def _as_json(manifest: Manifest) -> str:
    return json.dumps(dataclasses.asdict(manifest), indent=2) + "\n"


def make_default(models_dir: Path, name: str) -> None:
    """Make a model the default one of its folder of models.

    Args:
        models_dir: Folder of models.
        name: Name of the model.

    Raises:
        ModelError: The file `CURRENT` cannot be written.
    """
    try:
        durable.replace(models_dir / CURRENT, f"{name}\n".encode())
    except OSError as error:
        raise ModelError(
            f"the model is in {models_dir / name}, but cannot become the default: cannot write "
            f"{models_dir / CURRENT}: {error.strerror}; allow it, or name the model with --model"
        ) from error
