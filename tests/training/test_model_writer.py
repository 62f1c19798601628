"""Tests of model folders that are written whole."""

import dataclasses
import errno
import os
import sys
from pathlib import Path

import pytest

from batch.errors import ConfigError, ModelError
from batch.inference import model_store
from batch.storage import durable
from batch.training import model_writer
from fakes import MANIFEST, save_fake_model


def test_the_version_changes_with_each_network() -> None:
    model = {model_store.TFLITE_FILE: b"model"}
    looks = model | {model_store.LOOK_FILE: b"look"}
    versions = {
        model_writer.version_of("cnn", files)
        for files in (model, looks, looks | {model_store.LOOK_FILE: b"other"})
    }
    assert len(versions) == 3
    assert model_writer.version_of("cnn", model) == f"cnn-{model_store.digest(b'model')[:8]}"


def test_a_model_is_replaced_only_with_overwrite(tmp_path: Path) -> None:
    folder = save_fake_model(tmp_path)
    with pytest.raises(ConfigError, match="--overwrite"):
        save_fake_model(tmp_path)
    (folder / "old.txt").touch()
    model_writer.save(tmp_path, MANIFEST, {model_store.TFLITE_FILE: b"new"}, overwrite=True)
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
        model_writer.save(tmp_path, MANIFEST, {model_store.TFLITE_FILE: b"new"}, overwrite=True)
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
        model_writer.rewrite_card(folder, dataclasses.replace(MANIFEST, review_below=0.5), "new")
    assert {path: path.read_bytes() for path in folder.iterdir()} == before


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no such call")
def test_a_model_that_is_replaced_is_never_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = save_fake_model(tmp_path)

    def missing(old: Path, new: Path) -> None:
        raise AssertionError(f"there is no model while {old} becomes {new}")

    monkeypatch.setattr(os, "rename", missing)
    model_writer.save(tmp_path, MANIFEST, {model_store.TFLITE_FILE: b"new"}, overwrite=True)
    assert (folder / model_store.TFLITE_FILE).read_bytes() == b"new"
    assert [path.name for path in tmp_path.iterdir()] == ["fake"]


@pytest.mark.parametrize("name", ["", "a/b", "..", "-x", "a" * 65])
def test_the_name_of_a_model_is_plain(name: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="--name"):
        model_writer.check_target(tmp_path, name, False)


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_model_takes_the_place_of_models_only(tmp_path: Path, overwrite: bool) -> None:
    (tmp_path / "notes").touch()
    (tmp_path / "link").symlink_to("gone")
    for name in (model_store.CURRENT, "notes", "link"):
        with pytest.raises(ConfigError, match=f"{name} is not for a model: choose another --name"):
            model_writer.check_target(tmp_path, name, overwrite)
