"""Model folders, `models/<name>/`: find and verify them."""

from __future__ import annotations

import dataclasses
import hashlib
import itertools
import json
import logging
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, get_type_hints

from batch.errors import ModelError
from batch.locations import is_trusted
from batch.records import CLASSES_OF, SPECS, Input, Manifest, PreprocessSpec

_log = logging.getLogger(__name__)

HERE = Path("models")  # the folder of models in the current folder
MANIFEST = "manifest.json"  # in each model folder
CURRENT = "CURRENT"  # in the folder of models; holds the name of the default model
KERAS_FILE = "model.keras"  # float32; read with `--runtime tensorflow`
TFLITE_FILE = "model.tflite"  # int8; read by default
LOOK_KERAS_FILE = "look.keras"  # float32; of a model of scans: the look, which sees each scan first
LOOK_FILE = "look.tflite"  # int8; the look, too
PLACE_KERAS_FILE = "place.keras"  # float32; of a model of scans: what sees the place of the digit
PLACE_FILE = "place.tflite"  # int8; that, too
NUMBERS_FILE = "numbers.tflite"  # int8; the reader of numbers, which sees a whole line
NETWORK_FILES = {
    Input.SCAN: (LOOK_FILE, LOOK_KERAS_FILE, TFLITE_FILE, KERAS_FILE, PLACE_FILE, PLACE_KERAS_FILE),
    Input.DIGIT: (TFLITE_FILE, KERAS_FILE),
}  # that a model has
LOOK_COUNT = 3  # of a model of scans: the small network, the larger one, and that for the place of the digit

NAME_PATTERN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")  # safe as a folder name on every system


def folders() -> tuple[Path, ...]:
    """Return the folders in which to look for models: `./models`, then the one that came with digitbox.

    A `./models` to which others can write is passed over, with a warning: it may have come with the scans.
    """
    package = Path(__file__).resolve().parents[1]
    checkout = package.parent / "models"
    own = checkout if (checkout / CURRENT).is_file() else package / "models"
    if HERE.is_dir() and _passes_over(HERE, "name a model with --model DIR"):
        return (own,)
    return HERE, own


def _passes_over(folder: Path, advice: str) -> bool:
    """Return whether others can write to a folder whose path nobody has given, and say so."""
    if is_trusted(folder):
        return False
    _log.warning(f"the folder {folder} is passed over, since others can write to it: {advice}")
    return True


def find(model: str | None) -> Path:
    """Find the folder of a model.

    Args:
        model: A folder; or a name to look up in each of `folders()`; None for the default model, which the
            file `CURRENT` in the first of them that has one names. A name is also that of a folder here, to
            which nobody else can write.

    Returns:
        The folder, which holds a manifest.

    Raises:
        ModelError: There is no such model.
    """
    searched = folders()
    if model is None:
        return _find_default(searched)
    if os.path.isfile(Path(model) / MANIFEST):
        is_name = NAME_PATTERN.fullmatch(model)
        if not (is_name and _passes_over(Path(model), f"to read with it, give --model ./{model}")):
            return Path(model)
    for folder in searched:
        if _has(folder, model):
            return folder / model
    raise ModelError(f"no model {model!r}: name a folder with a {MANIFEST}, or one of: {_known(searched)}")


def find_current() -> Path | None:
    """Return the file of the current folder that names the default model; None if digitbox's own is it."""
    folder = folders()[0]
    return folder / CURRENT if folder == HERE and os.path.isfile(folder / CURRENT) else None


def _find_default(searched: Sequence[Path]) -> Path:
    """Find the folder of the default model in these folders of models."""
    folder = next((folder for folder in searched if os.path.isfile(folder / CURRENT)), None)
    if folder is None:
        raise ModelError("no default model: reinstall digitbox, or name a model with --model")
    model = read_default(folder)
    if not _has(folder, model):
        advice = (
            "reinstall digitbox" if folder == searched[-1] else "remove that file for digitbox's own model"
        )
        raise ModelError(
            f"{folder / CURRENT} names the model {model!r}, which is not there: {advice}, or name one with "
            f"--model: {_known(searched, model)}"
        )
    return folder / model


def _known(searched: Sequence[Path], missing: str = "") -> str:
    """Return the names of the models in these folders, without that of a model that is missing."""
    names = {path.parent.name for folder in searched for path in folder.glob(f"*/{MANIFEST}")}
    return ", ".join(sorted(names - {missing}))


def read_default(folder: Path) -> str:
    """Return the name in the file `CURRENT` of a folder of models.

    Raises:
        ModelError: The file cannot be read.
    """
    try:
        return (folder / CURRENT).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ModelError(f"cannot read {folder / CURRENT}: {error}; name a model in it") from error


def _has(folder: Path, model: str) -> bool:
    return NAME_PATTERN.fullmatch(model) is not None and os.path.isfile(folder / model / MANIFEST)


def load_manifest(model_dir: Path) -> Manifest:
    """Read and check the manifest of a model.

    Args:
        model_dir: Folder of the model.

    Returns:
        The manifest; its types, ranges and preprocessing version are valid.

    Raises:
        ModelError: The manifest is missing, damaged, or made for another version of the preprocessing.
    """
    path = model_dir / MANIFEST
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelError(f"cannot read the model's {path}: {error}; reinstall or train it anew") from error
    spec = data.get("preprocess") if isinstance(data, dict) else None
    if isinstance(spec, dict) and "views" in spec:
        raise ModelError(
            f"the model in {model_dir} is one of an earlier digitbox, which read scans another way: train it "
            "anew, see digitbox train --help"
        )
    try:
        manifest = _parse_manifest(data)
    except (TypeError, ValueError, KeyError) as error:
        raise ModelError(f"{path} is damaged ({error}): reinstall or train the model anew") from error
    if missing := set(NETWORK_FILES[manifest.preprocess.input]) - set(manifest.files):
        files = ", ".join(sorted(missing))
        raise ModelError(
            f"the model in {model_dir} has no {files}, as one of an earlier digitbox: train it anew, see "
            "digitbox train --help"
        )
    version = SPECS[manifest.preprocess.input].version
    if manifest.preprocess.version != version:
        raise ModelError(
            f"the model in {model_dir} was made for version {manifest.preprocess.version} of the "
            f"preprocessing, this digitbox has version {version}: train it anew"
        )
    looks = LOOK_COUNT if manifest.preprocess.input is Input.SCAN else 0
    lengths = [len(weights) for weights in manifest.look_weights]
    if lengths != [*range(1, looks + 1)] or len(manifest.look_above) != max(0, looks - 1):
        raise ModelError(f"{path} is damaged (weights of {lengths} looks): reinstall or train the model anew")
    return manifest


def _parse_manifest(data: Any) -> Manifest:
    """Build a manifest from JSON; raise TypeError, ValueError or KeyError where it is damaged."""
    if not isinstance(data, dict):
        raise TypeError("it is not a JSON object")
    fields = dataclasses.fields(Manifest)
    # The manifest of an older digitbox lacks what came later, and that has a default.
    data = {field.name: field.default for field in fields if field.default is not dataclasses.MISSING} | data
    wrong = {field.name for field in fields}.symmetric_difference(data)
    if wrong:
        raise KeyError(f"missing or unknown: {', '.join(sorted(wrong))}")
    spec = data["preprocess"]
    preprocess = PreprocessSpec(Input(spec["input"]), int(spec["version"]))
    tuples = {
        "datasets": tuple(data["datasets"]),
        "look_above": tuple(data["look_above"]),
        "look_weights": tuple(tuple(weights) for weights in data["look_weights"]),
    }
    manifest = Manifest(**{**data, **tuples, "preprocess": preprocess})
    for name, kind in get_type_hints(Manifest).items():
        value = getattr(manifest, name)
        if kind in (str, int) and type(value) is not kind:
            raise TypeError(f"{name} is {value!r}")
        lowest = -1000 if name == "numbers_offset" else 0
        if kind is float and (type(value) not in (int, float) or not lowest <= value <= 1000):
            raise TypeError(f"{name} is {value!r}")
        if isinstance(value, Mapping) != (name in ("files", "metrics", "versions", "numbers_metrics")):
            raise TypeError(f"{name} is {value!r}")
    if manifest.classes != CLASSES_OF[preprocess.input] or manifest.output not in ("softmax", "sigmoid"):
        raise ValueError(f"{manifest.classes} classes, {manifest.output} output")
    if manifest.temperature <= 0:
        raise ValueError(f"temperature is {manifest.temperature}")
    numbers = [*manifest.look_above, *itertools.chain.from_iterable(manifest.look_weights)]
    if any(type(number) not in (int, float) or not 0 <= number <= 1000 for number in numbers):
        raise TypeError(f"look_above or look_weights has {numbers}")
    return manifest


def read_verified(model_dir: Path, manifest: Manifest, filename: str) -> bytes:
    """Read a file of a model and check it against the manifest.

    Args:
        model_dir: Folder of the model.
        manifest: Manifest of that folder.
        filename: Name of the file in the folder.

    Returns:
        The content of the file.

    Raises:
        ModelError: The file is missing, or its SHA-256 is not the manifest's.
    """
    path = model_dir / filename
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ModelError(
            f"cannot read the model's {path}: {error.strerror}; reinstall or train it anew"
        ) from error
    if digest(content) != manifest.files.get(filename):
        raise ModelError(f"{path} is damaged (its SHA-256 is not the manifest's): reinstall or train it anew")
    return content


def digest(content: bytes) -> str:
    """Return the SHA-256 of some bytes, as 64 hexadecimal digits."""
    return hashlib.sha256(content).hexdigest()
