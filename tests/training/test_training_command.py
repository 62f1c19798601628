"""A tiny training of the default model from made-up sources; the figures do not matter here."""

import json
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

import look_sources
from batch.inference import model_store, models
from batch.lengths import ANY
from batch.preprocessing.number_line import WIDTHS_PX
from batch.training import model_writer
from batch.training.__main__ import main
from batch.training.evaluation.number_scans import LAYOUTS
from batch.training.look import weigh
from batch.training.look.evaluate import NUMBERS
from batch.training.look.model_folder import KERAS_FILES, LITERT_FILES
from batch.training.work_folder import load
from command import ROOT

STEPS = 24
OPTIONS = (
    *("--images", f"{16 * STEPS}", "--batch", "16", "--workers", "1"),
    *("--places", "64", "--held-out", "150", "--scenes", "100"),
    *("--fields", "400", "--held-out-fields", "150"),
)


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return look_sources.write(tmp_path_factory.mktemp("sources"))


def start(sources: Path, out: Path, *options: str) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "batch.training", str(sources), str(out), *OPTIONS, *options]
    return subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True)


@pytest.fixture(scope="module")
def trained(sources: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, int, str]:
    """A training that was killed and started again: its folder, the step of the kill, its lines."""
    out = tmp_path_factory.mktemp("out")
    process = start(sources, out, "--checkpoint-seconds", "0")
    while process.poll() is None:
        done = steps(out)
        if 0 < done < STEPS:
            process.send_signal(signal.SIGKILL)
            break
        time.sleep(0.02)  # a poll: the checkpoint is the only thing that says how far it is
    process.communicate()
    again = start(sources, out)
    _, lines = again.communicate()
    assert again.returncode == 0, lines
    return out, done, lines


def steps(out: Path) -> int:
    try:
        with np.load(out / "checkpoint.npz") as checkpoint:  # all of its weights would take seconds
            return int(checkpoint["progress"][0])
    except FileNotFoundError:
        return 0


@pytest.mark.slow
def test_a_killed_training_goes_on(trained: tuple[Path, int, str]) -> None:
    out, done, lines = trained
    assert 0 < done < STEPS
    assert "going on after" in lines
    state = load(out / "checkpoint.npz")
    assert state["progress"].tolist()[:2] == [STEPS, 2]


@pytest.mark.slow
def test_a_training_writes_all_files(trained: tuple[Path, int, str]) -> None:
    import keras

    from batch.training.look import convert
    from batch.training.look.networks import NETWORKS

    out, _, _ = trained
    content: dict[str, Any] = json.loads((out / "look.json").read_text())
    assert content["training"]["images"] == 16 * STEPS
    assert content["held_out"]["n"] == 150
    assert content["numbers"].keys() == LAYOUTS.keys()
    assert all(content["numbers"][layout]["n"] == NUMBERS for layout in LAYOUTS)
    assert content["thresholds"].keys() == {"0.003", "0.001"}
    assert content["temperature"] > 0
    pictures = load(out / "held_out.npz")["records"]["picture"]
    for name, network in NETWORKS.items():
        model = keras.saving.load_model(out / "cnn" / KERAS_FILES[name])
        logits = convert.keras_outputs(model, pictures)["logits"]
        int8 = (out / "cnn" / LITERT_FILES[name]).read_bytes()
        int8_logits = convert.litert_outputs(int8, pictures, network)["logits"]
        assert np.abs(int8_logits - logits).mean() < 0.15 * logits.std()
    assert sorted(path.name for path in out.iterdir()) == [
        "checkpoint.npz",
        "close.json",
        "cnn",
        "data.json",
        "held_out.npz",
        "log.jsonl",
        "look.json",
        "numbers",
        "options.json",
        "place",
        "sources.npz",
    ]


@pytest.mark.slow
def test_a_training_ends_with_a_model(trained: tuple[Path, int, str], tmp_path: Path) -> None:
    folder = tmp_path / "cnn"
    shutil.copytree(trained[0] / "cnn", folder)
    manifest = model_store.load_manifest(folder)
    assert f"{16 * STEPS} pictures" in manifest.look_training
    assert "place of the digit saw 64 pictures" in manifest.look_training
    assert "100 held-out scenes" in manifest.look_fit
    assert manifest.look_fit in (folder / "card.md").read_text()
    assert models.load(folder).looks is not None
    arguments = [str(folder), str(trained[0] / "sources.npz"), "--scenes", "120"]
    result = CliRunner().invoke(weigh.main, arguments)
    assert result.exit_code == 0, result.output
    anew = model_store.load_manifest(folder)
    assert (anew.version, anew.files) == (manifest.version, manifest.files)
    assert anew.look_fit == result.stdout.strip() and "120 held-out scenes" in result.stdout


@pytest.mark.slow
def test_the_model_of_a_training_reads_numbers(trained: tuple[Path, int, str]) -> None:
    folder = trained[0] / "cnn"
    manifest = model_store.load_manifest(folder)
    model_store.read_verified(folder, manifest, model_store.NUMBERS_FILE)
    assert manifest.numbers_version == model_writer.numbers_version_of("cnn", manifest.files)
    assert manifest.numbers_metrics.keys() >= {"all", "number"}
    assert "## Numbers" in (folder / "card.md").read_text(encoding="utf-8")
    reader = models.load(folder, digits=ANY).numbers
    assert reader is not None
    assert len(reader.spell([np.full((40, width), 48, np.uint8) for width in WIDTHS_PX])) == len(WIDTHS_PX)


@pytest.mark.slow
def test_a_finished_training_changes_nothing(sources: Path, trained: tuple[Path, int, str]) -> None:
    out = trained[0]
    before = model_store.load_manifest(out / "cnn")
    result = CliRunner().invoke(main, [str(sources), str(out), *OPTIONS])
    assert (result.exit_code, result.stdout) == (0, f"{out / 'cnn'}\n"), result.exception
    assert model_store.load_manifest(out / "cnn") == before


@pytest.mark.slow
def test_numbers_are_trained_alone(
    sources: Path, trained: tuple[Path, int, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from batch.training.numbers import convert

    monkeypatch.setattr(convert, "CALIBRATION", 60)
    model, out = tmp_path / "office", tmp_path / "out"
    shutil.copytree(trained[0] / "cnn", model)
    before = model_store.load_manifest(model)
    shutil.copytree(trained[0] / "numbers", out / "numbers")  # its training is done
    result = CliRunner().invoke(main, [str(sources), str(out), *OPTIONS, "--numbers-of", str(model)])
    assert (result.exit_code, result.stdout) == (0, f"{model}\n"), result.exception
    after = model_store.load_manifest(model)
    assert after.version == before.version  # rows of single digits stay what they are
    assert after.numbers_version.startswith("cnn-numbers-")


@pytest.mark.slow
def test_other_options_need_another_folder(sources: Path, trained: tuple[Path, int, str]) -> None:
    result = CliRunner().invoke(main, [str(sources), str(trained[0]), *OPTIONS, "--seed", "2"])
    assert result.exit_code == 2
    out = trained[0]
    assert result.stderr == f"error: {out} holds a training with other options; name another folder\n"
