"""Tests of model folders: found, verified, saved whole."""

import json
from pathlib import Path
from typing import Any

import pytest

from batch.errors import ConfigError, ModelError
from batch.inference import model_store
from fakes import MANIFEST, save_fake_model


def edit(folder: Path, **changes: Any) -> None:
    path = folder / "manifest.json"
    data = json.loads(path.read_text()) | changes
    path.write_text(json.dumps({key: value for key, value in data.items() if value is not None}))


def test_a_saved_model_is_loaded(tmp_path: Path) -> None:
    folder = save_fake_model(tmp_path)
    manifest = model_store.load_manifest(folder)
    assert manifest.preprocess == MANIFEST.preprocess and manifest.version == MANIFEST.version
    assert model_store.read_verified(folder, manifest, model_store.TFLITE_FILE) == b"fake"


def test_a_model_is_found_by_name_and_by_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    folder = save_fake_model(tmp_path / "models")
    assert model_store.find("fake").resolve() == folder
    assert model_store.find(str(folder)) == folder
    for unknown in ("none", "../models/fake/..", ""):
        with pytest.raises(ModelError, match="no model"):
            model_store.find(unknown)


def test_the_default_model_is_named_in_current(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model_store, "folders", lambda: (tmp_path / "own", tmp_path / "packaged"))
    with pytest.raises(ModelError, match="no default model"):
        model_store.find(None)
    packaged = save_fake_model(tmp_path / "packaged")
    model_store.make_default(packaged.parent, "fake")
    own = save_fake_model(tmp_path / "own")
    assert model_store.find(None) == packaged
    model_store.make_default(own.parent, "fake")
    assert model_store.find(None) == own
    (own.parent / model_store.CURRENT).write_text("gone\n")
    with pytest.raises(ModelError, match="no model 'gone'"):
        model_store.find(None)
    (own.parent / model_store.CURRENT).unlink()
    (own.parent / model_store.CURRENT).mkdir()
    with pytest.raises(
        ModelError, match=r"cannot become the default: cannot write .*/CURRENT: Is a directory"
    ):
        model_store.make_default(own.parent, "fake")


@pytest.mark.parametrize(
    "changes",
    [
        {"temperature": None},
        {"temperature": 0},
        {"temperature": "1"},
        {"look_temperature": 0},
        {"look_above": "high"},
        {"classes": 12},
        {"output": "tanh"},
        {"version": 3},
        {"files": []},
        {"surprise": 1},
        {"preprocess": {"version": 1, "views": ["sideways"]}},
        {"preprocess": {"views": ["boxed"]}},
    ],
)
def test_a_damaged_manifest_is_an_error(changes: dict[str, Any], tmp_path: Path) -> None:
    folder = save_fake_model(tmp_path)
    edit(folder, **changes)
    with pytest.raises(ModelError, match="damaged"):
        model_store.load_manifest(folder)


def test_a_damaged_or_missing_file_is_an_error(tmp_path: Path) -> None:
    folder = save_fake_model(tmp_path)
    manifest = model_store.load_manifest(folder)
    (folder / model_store.TFLITE_FILE).write_bytes(b"fakf")
    with pytest.raises(ModelError, match="SHA-256"):
        model_store.read_verified(folder, manifest, model_store.TFLITE_FILE)
    (folder / model_store.TFLITE_FILE).unlink()
    with pytest.raises(ModelError, match="cannot read"):
        model_store.read_verified(folder, manifest, model_store.TFLITE_FILE)
    (folder / "manifest.json").write_text("{")
    with pytest.raises(ModelError, match="cannot read"):
        model_store.load_manifest(folder)


def test_an_older_manifest_has_no_look(tmp_path: Path) -> None:
    folder = save_fake_model(tmp_path)
    keys = [key for key in json.loads((folder / "manifest.json").read_text()) if key.startswith("look_")]
    assert len(keys) == 11
    edit(folder, **dict.fromkeys(keys))
    manifest = model_store.load_manifest(folder)
    assert (manifest.look_above, manifest.look_datasets, manifest.look_training) == (1.0, (), "")
    assert model_store.LOOK_FILE not in manifest.files


def test_a_model_has_both_looks_or_none(tmp_path: Path) -> None:
    looks = dict.fromkeys(model_store.LOOK_FILES, b"look")
    networks = {model_store.TFLITE_FILE: b"fake", model_store.KERAS_FILE: b"fake"}
    folder = model_store.save(tmp_path, MANIFEST, networks | looks)
    files = model_store.load_manifest(folder).files
    assert files.keys() == networks.keys() | looks.keys()
    edit(folder, files={name: digest for name, digest in files.items() if name != model_store.CLOSE_FILE})
    with pytest.raises(ModelError, match=r"only some of .*close\.tflite"):
        model_store.load_manifest(folder)


def test_the_version_changes_with_the_weights() -> None:
    model, look = {model_store.TFLITE_FILE: b"model"}, {model_store.LOOK_FILE: b"look"}
    looks = model | look | {model_store.CLOSE_FILE: b"close"}
    contents = (model, model | look, {**look, **model}, looks)
    versions = {model_store.version_of("cnn", files) for files in contents}
    assert len(versions) == 3
    assert model_store.version_of("cnn", model) == f"cnn-{model_store.digest(b'model')[:8]}"


def test_another_preprocessing_version_is_refused(tmp_path: Path) -> None:
    folder = save_fake_model(tmp_path)
    edit(folder, preprocess={"version": 99, "views": ["boxed"]})
    with pytest.raises(ModelError, match="version 99"):
        model_store.load_manifest(folder)


def test_a_model_is_replaced_only_with_overwrite(tmp_path: Path) -> None:
    folder = save_fake_model(tmp_path)
    with pytest.raises(ConfigError, match="--overwrite"):
        save_fake_model(tmp_path)
    (folder / "old.txt").touch()
    model_store.save(tmp_path, MANIFEST, {model_store.TFLITE_FILE: b"new"}, overwrite=True)
    assert (folder / model_store.TFLITE_FILE).read_bytes() == b"new"
    assert [path.name for path in tmp_path.iterdir()] == ["fake"]
    assert not (folder / "old.txt").exists()


@pytest.mark.parametrize("name", ["", "a/b", "..", "-x", "a" * 65])
def test_the_name_of_a_model_is_plain(name: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="--name"):
        model_store.check_target(tmp_path, name, False)
