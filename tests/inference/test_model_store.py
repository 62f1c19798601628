"""Tests of model folders: found, verified, saved whole."""

import dataclasses
import errno
import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from batch.errors import ConfigError, ModelError
from batch.inference import model_store
from batch.records import CLASSES, SPECS, Input
from batch.storage import durable
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


def test_a_name_is_no_folder_that_others_can_write_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """A folder of that name may have come with the scans."""
    monkeypatch.chdir(tmp_path)
    save_fake_model(tmp_path)
    assert model_store.find("fake") == Path("fake")
    tmp_path.chmod(0o777)
    with pytest.raises(ModelError, match="no model 'fake'"):
        model_store.find("fake")
    assert "the folder fake is passed over, since others can write to it" in capfd.readouterr().err
    packaged = save_fake_model(tmp_path / "packaged")
    monkeypatch.setattr(model_store, "folders", lambda: (packaged.parent,))
    assert model_store.find("fake") == packaged
    assert model_store.find("./fake") == Path("fake")


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
        {"look_above": ["high"]},
        {"look_above": [0.9]},
        {"look_above": 3},
        {"look_weights": [[1.0]]},
        {"look_weights": 1.0},
        {"classes": 12},
        {"output": "tanh"},
        {"version": 3},
        {"files": []},
        {"surprise": 1},
        {"preprocess": {"version": 1, "input": "sideways"}},
        {"preprocess": {"input": "digit"}},
        {"preprocess": 3},
        {"files": {"model.tflite": "0"}},
    ],
)
def test_a_damaged_manifest_is_an_error(changes: dict[str, Any], tmp_path: Path) -> None:
    folder = save_fake_model(tmp_path)
    edit(folder, **changes)
    with pytest.raises(ModelError, match="damaged"):
        model_store.load_manifest(folder)


def test_the_manifest_of_an_older_digitbox_lacks_what_came_later(tmp_path: Path) -> None:
    folder = save_fake_model(tmp_path)
    edit(folder, numbers_look_slope=None)
    assert "numbers_look_slope" not in (folder / model_store.MANIFEST).read_text()
    assert model_store.load_manifest(folder).numbers_look_slope == 0


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


@pytest.mark.parametrize("name", model_store.NETWORK_FILES[Input.SCAN])
def test_a_model_of_scans_has_two_networks(name: str, tmp_path: Path) -> None:
    manifest = dataclasses.replace(
        MANIFEST,
        preprocess=SPECS[Input.SCAN],
        classes=12,
        look_above=(0.9, 0.9),
        look_weights=((1.0,), (0.0, 1.0), (0.0, 0.5, 0.5)),
    )
    networks = dict.fromkeys(model_store.NETWORK_FILES[Input.SCAN], b"network")
    folder = model_store.save(tmp_path, manifest, networks)
    assert model_store.load_manifest(folder).preprocess.input is Input.SCAN
    edit(folder, files={file: "0" for file in networks if file != name})
    with pytest.raises(ModelError, match=f"without {name}"):
        model_store.load_manifest(folder)


def test_the_version_changes_with_each_network() -> None:
    model = {model_store.TFLITE_FILE: b"model"}
    looks = model | {model_store.LOOK_FILE: b"look"}
    versions = {
        model_store.version_of("cnn", files)
        for files in (model, looks, looks | {model_store.LOOK_FILE: b"other"})
    }
    assert len(versions) == 3
    assert model_store.version_of("cnn", model) == f"cnn-{model_store.digest(b'model')[:8]}"


@pytest.mark.parametrize("spec", [{"version": 2, "views": ["boxed", "context"]}, {"views": []}])
def test_a_model_of_an_earlier_digitbox_is_refused(spec: dict[str, Any], tmp_path: Path) -> None:
    folder = save_fake_model(tmp_path)
    edit(folder, preprocess=spec, look_above=None, student_above=0.9)
    with pytest.raises(ModelError, match=r"one of an earlier digitbox.*train it anew"):
        model_store.load_manifest(folder)


@pytest.mark.parametrize("kind", list(Input))
def test_another_preprocessing_version_is_refused(kind: Input, tmp_path: Path) -> None:
    folder = save_fake_model(tmp_path)
    names = model_store.NETWORK_FILES[kind]
    edit(
        folder,
        preprocess={"version": 99, "input": kind},
        classes=CLASSES[kind],
        files=dict.fromkeys(names, "0"),
    )
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


def test_a_model_stays_if_the_new_one_cannot_take_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = save_fake_model(tmp_path)
    before = (folder / model_store.TFLITE_FILE).read_bytes()
    rename, calls = os.rename, []

    def fail_once(old: Path, new: Path) -> None:
        calls.append(new)
        if len(calls) == 2:
            raise KeyboardInterrupt
        rename(old, new)

    monkeypatch.setattr(durable, "exchange", lambda *_: False)
    monkeypatch.setattr(os, "rename", fail_once)
    with pytest.raises(KeyboardInterrupt):
        model_store.save(tmp_path, MANIFEST, {model_store.TFLITE_FILE: b"new"}, overwrite=True)
    assert (folder / model_store.TFLITE_FILE).read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["fake"]


def test_a_card_is_on_the_disk_before_it_replaces_the_old_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = save_fake_model(tmp_path)
    before = {path: path.read_bytes() for path in folder.iterdir()}

    def fail(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(ModelError, match="No space left on device"):
        model_store.rewrite_card(folder, dataclasses.replace(MANIFEST, review_below=0.5), "new")
    assert {path: path.read_bytes() for path in folder.iterdir()} == before


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no such call")
def test_a_model_that_is_replaced_is_never_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = save_fake_model(tmp_path)

    def missing(old: Path, new: Path) -> None:
        raise AssertionError(f"there is no model while {old} becomes {new}")

    monkeypatch.setattr(os, "rename", missing)
    model_store.save(tmp_path, MANIFEST, {model_store.TFLITE_FILE: b"new"}, overwrite=True)
    assert (folder / model_store.TFLITE_FILE).read_bytes() == b"new"
    assert [path.name for path in tmp_path.iterdir()] == ["fake"]


@pytest.mark.parametrize("name", ["", "a/b", "..", "-x", "a" * 65])
def test_the_name_of_a_model_is_plain(name: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="--name"):
        model_store.check_target(tmp_path, name, False)


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_model_takes_the_place_of_models_only(tmp_path: Path, overwrite: bool) -> None:
    (tmp_path / "notes").touch()
    (tmp_path / "link").symlink_to("gone")
    for name in (model_store.CURRENT, "notes", "link"):
        with pytest.raises(ConfigError, match=f"{name} is not for a model: choose another --name"):
            model_store.check_target(tmp_path, name, overwrite)
