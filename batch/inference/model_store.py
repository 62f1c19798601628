"""Model folders, `models/<name>/`: find, verify and save them."""

from __future__ import annotations

import dataclasses
import hashlib
import itertools
import json
import logging
import os
import re
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_type_hints

from batch.errors import ConfigError, ModelError
from batch.locations import is_trusted
from batch.records import CLASSES, SPECS, Input, Manifest, PreprocessSpec
from batch.storage import durable

_log = logging.getLogger(__name__)

MANIFEST = "manifest.json"  # in each model folder
CURRENT = "CURRENT"  # in the folder of models; holds the name of the default model
KERAS_FILE = "model.keras"  # float32; read with `--runtime tensorflow`
TFLITE_FILE = "model.tflite"  # int8; read by default
LOOK_KERAS_FILE = "look.keras"  # float32; of a model of scans: the look, which sees each scan first
LOOK_FILE = "look.tflite"  # int8; the look, too
NUMBERS_FILE = "numbers.tflite"  # int8; the reader of numbers, which sees a whole line
NETWORK_FILES = {
    Input.SCAN: (LOOK_FILE, LOOK_KERAS_FILE, TFLITE_FILE, KERAS_FILE),
    Input.DIGIT: (TFLITE_FILE, KERAS_FILE),
}  # that a model has
LOOKS = 3  # of a model of scans: the small network, and the larger one at the whole scan and at the digit

NAME_PATTERN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")  # safe as a folder name on every system


def folders() -> tuple[Path, ...]:
    """Return the folders in which to look for models: `./models`, then the one that came with digitbox.

    A `./models` to which others can write is passed over, with a warning: it may have come with the scans.
    """
    package = Path(__file__).resolve().parents[1]
    checkout = package.parent / "models"
    own = checkout if (checkout / CURRENT).is_file() else package / "models"
    here = Path("models")
    if here.is_dir() and not is_trusted(here):
        _log.warning(
            f"the folder {here} is passed over, since others can write to it: name a model with --model DIR"
        )
        return (own,)
    return here, own


def find(model: str | None) -> Path:
    """Find the folder of a model.

    Args:
        model: A folder; or a name to look up in each of `folders()`; None for the default model, which the
            file `CURRENT` in the first of them that has one names.

    Returns:
        The folder, which holds a manifest.

    Raises:
        ModelError: There is no such model.
    """
    searched = folders()
    if model is None:
        searched = tuple(folder for folder in searched if os.path.isfile(folder / CURRENT))[:1]
        if not searched:
            raise ModelError("no default model: reinstall digitbox, or name a model with --model")
        try:
            model = (searched[0] / CURRENT).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise ModelError(f"cannot read {searched[0] / CURRENT}: {error}; name a model in it") from error
    elif os.path.isfile(Path(model) / MANIFEST):
        return Path(model)
    for folder in searched:
        if NAME_PATTERN.fullmatch(model) and os.path.isfile(folder / model / MANIFEST):
            return folder / model
    known = sorted({path.parent.name for folder in searched for path in folder.glob(f"*/{MANIFEST}")})
    raise ModelError(f"no model {model!r}: name a folder with a {MANIFEST}, or one of: {', '.join(known)}")


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
    version = SPECS[manifest.preprocess.input].version
    if manifest.preprocess.version != version:
        raise ModelError(
            f"the model in {model_dir} was made for version {manifest.preprocess.version} of the "
            f"preprocessing, this digitbox has version {version}: train it anew"
        )
    looks = LOOKS if manifest.preprocess.input is Input.SCAN else 0
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
    if manifest.classes != CLASSES[preprocess.input] or manifest.output not in ("softmax", "sigmoid"):
        raise ValueError(f"{manifest.classes} classes, {manifest.output} output")
    if missing := set(NETWORK_FILES[preprocess.input]) - set(manifest.files):
        raise ValueError(f"without {', '.join(sorted(missing))}")
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
    return f"{name}-{digest(files[TFLITE_FILE] + files.get(LOOK_FILE, b''))[:8]}"


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
