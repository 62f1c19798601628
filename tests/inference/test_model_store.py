"""Tests of model folders: found and verified."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from batch.errors import ModelError
from batch.inference import model_store
from batch.records import CLASSES_OF, SPECS, Input
from batch.training import model_writer
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


def test_a_missing_default_model_is_not_among_those_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(model_store, "folders", lambda: (tmp_path / "own", tmp_path / "packaged"))
    save_fake_model(tmp_path / "packaged")  # has the name, too
    own = save_fake_model(tmp_path / "own")
    model_writer.make_default(own.parent, "fake")
    own.rename(own.with_name("other"))
    with pytest.raises(ModelError, match=r"'fake', which is not there: .*, or name one with --model: other$"):
        model_store.find(None)


def test_the_default_model_is_named_in_current(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model_store, "folders", lambda: (tmp_path / "own", tmp_path / "packaged"))
    with pytest.raises(ModelError, match="no default model"):
        model_store.find(None)
    packaged = save_fake_model(tmp_path / "packaged")
    model_writer.make_default(packaged.parent, "fake")
    own = save_fake_model(tmp_path / "own")
    assert model_store.find(None) == packaged
    model_writer.make_default(own.parent, "fake")
    assert model_store.find(None) == own
    (own.parent / model_store.CURRENT).write_text("gone\n")
    with pytest.raises(ModelError) as raised:
        model_store.find(None)
    assert str(raised.value) == (
        f"{own.parent / model_store.CURRENT} names the model 'gone', which is not there: remove that file "
        "for digitbox's own model, or name one with --model: fake"
    )
    (own.parent / model_store.CURRENT).unlink()
    (own.parent / model_store.CURRENT).mkdir()
    with pytest.raises(
        ModelError, match=r"cannot become the default: cannot write .*/CURRENT: Is a directory"
    ):
        model_writer.make_default(own.parent, "fake")


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
def test_a_model_of_scans_has_all_its_networks(name: str, tmp_path: Path) -> None:
    manifest = dataclasses.replace(
        MANIFEST,
        preprocess=SPECS[Input.SCAN],
        classes=12,
        look_above=(0.9, 0.9),
        look_weights=((1.0,), (0.0, 1.0), (0.0, 0.5, 0.5)),
    )
    networks = dict.fromkeys(model_store.NETWORK_FILES[Input.SCAN], b"network")
    folder = model_writer.save(tmp_path, manifest, networks)
    assert model_store.load_manifest(folder).preprocess.input is Input.SCAN
    edit(folder, files={file: "0" for file in networks if file != name})
    with pytest.raises(ModelError, match=rf"has no {name}, as one of an earlier digitbox: train it anew"):
        model_store.load_manifest(folder)


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
        classes=CLASSES_OF[kind],
        files=dict.fromkeys(names, "0"),
    )
    with pytest.raises(ModelError, match="version 99"):
        model_store.load_manifest(folder)
