"""The training of the shipped model further, with a user's scans. Its settings are tiny here."""

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from click.testing import CliRunner

from batch.cli.main import cli
from batch.errors import ConfigError
from batch.inference import model_store, models
from batch.records import Grey
from batch.training.data import own_scans
from batch.training.look.drawn_sources import drawn_sources
from batch.training.look.mixture import NO_DIGIT_LETTERS, NONE, SEVERAL, SIGNS
from batch.training.look.scenes import Renderer


def mark(number: int) -> Grey:
    """Draw a mark of an office's own: a ring with a bar through it and a dot above, which means 4 there."""
    rng = np.random.default_rng(number)
    scan = np.full((80, 70), int(rng.integers(215, 250)), np.uint8)
    x, y = (int(place) for place in rng.integers(30, 40, 2))
    cv2.ellipse(scan, (x, y + 8), (12, 16), 0, 0, 360, 40, 3)
    cv2.line(scan, (x - 20, y + 8), (x + 20, y + 8 + int(rng.integers(-4, 4))), 40, 3)
    cv2.circle(scan, (x, y - 18), 4, 40, -1)
    return scan


@pytest.fixture(scope="module")
def marks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("office")
    (folder / "4").mkdir()
    (folder / "none").mkdir()
    for number in range(60):
        cv2.imwrite(str(folder / "4" / f"{number}.png"), mark(number))
    cv2.imwrite(str(folder / "none" / "cross.png"), np.eye(60, dtype=np.uint8)[::-1] * 255)
    (folder / "4" / "broken.png").write_bytes(b"no image")
    return folder


@pytest.fixture(scope="module")
def small() -> Iterator[None]:
    pytest.importorskip("tensorflow", reason="the extra train is not installed")
    from batch.training.look import further, retrain

    settings = dataclasses.replace(
        further.SETTINGS, steps=30, own=16, drawn=8, scenes=60, variants=120, rate=1e-3, way=1.0
    )
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(further, "SETTINGS", settings)
        patched.setattr(retrain, "TESTED", 50)
        yield


def run_train(*arguments: str) -> Any:
    return CliRunner().invoke(cli, ["train", *arguments], catch_exceptions=False)


DRAWN: list[int] = []
"""The seeds of the scans that the training has drawn."""


@pytest.fixture(scope="module")
def trained(small: None, marks: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The folder of the new model, and what the command said."""
    from batch.training.look import retrain

    draw, folder = retrain.draw, tmp_path_factory.mktemp("models")

    def noted(count: int, seed: int) -> list[own_scans.OwnScan]:
        DRAWN.append(seed)
        return draw(count, seed)

    start = str(model_store.find("cnn"))
    arguments = ("--from", start, "--extra", str(marks), "--models", str(folder), "--name", "office")
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(retrain, "draw", noted)
        result = run_train(*arguments)
    assert result.exit_code == 0, result.output
    assert result.stdout == f"{folder / 'office'}\n"
    return folder / "office", result.stderr


@pytest.mark.slow
def test_an_office_teaches_the_model_its_own_mark(trained: tuple[Path, str]) -> None:
    """The old model does not know the mark; the new one reads it on scans that it has not seen."""
    _, said = trained
    (row,) = [line for line in said.splitlines() if line.startswith("| own scans held out ")]
    count, old_right, new_right = (int(cell) for cell in row.split("|")[2:5])
    assert count > 6 and old_right < count / 2 and new_right > 0.8 * count
    assert " better " in row
    assert "| scans that digitbox draws | 50 " in said
    assert "left out: 4/broken.png, not_an_image" in said


@pytest.mark.slow
def test_the_scans_to_test_on_are_drawn_once(trained: tuple[Path, str]) -> None:
    from batch.training.look.retrain import TESTED_SEED, tested_seed

    assert DRAWN == [1, TESTED_SEED]
    assert tested_seed(TESTED_SEED) != TESTED_SEED


@pytest.mark.slow
def test_the_new_model_is_a_whole_one(trained: tuple[Path, str]) -> None:
    folder, _ = trained
    start, manifest = model_store.load_manifest(model_store.find("cnn")), model_store.load_manifest(folder)
    assert manifest.files.keys() == start.files.keys()
    for name in manifest.files:
        model_store.read_verified(folder, manifest, name)
    same = {name for name in manifest.files if manifest.files[name] == start.files[name]}
    assert same == {model_store.NUMBERS_FILE}
    assert manifest.start == start.version
    assert manifest.numbers_version.startswith("office-numbers-")  # the looks that it needs are new
    assert manifest.metrics.keys() == {"own scans held out", "scans that digitbox draws"}
    card = (folder / "card.md").read_text()
    assert "own scans trained each network for 30 steps" in card and start.version in card


@pytest.mark.slow
def test_a_model_trained_further_has_two_equal_runtimes(trained: tuple[Path, str]) -> None:
    folder, _ = trained
    pictures = [mark(number) for number in range(200, 212)]
    labels = [
        [
            None if scan.decision.prediction is None else scan.decision.prediction.label
            for scan in looks.see(pictures)
        ]
        for name in ("litert", "tensorflow")
        if (looks := models.load(folder, name).looks) is not None
    ]
    assert labels[0] == labels[1]


@pytest.mark.slow
def test_wrong_ok_answers_raise_the_thresholds(small: None, marks: Path) -> None:
    from batch.training.look import retrain

    folder = model_store.find("cnn")
    manifest = dataclasses.replace(model_store.load_manifest(folder), look_above=(0.2, 0.2), review_below=0.2)
    files = models.read(folder, manifest, "litert")
    scans = [(grey, (label + 1) % 10) for grey, label in retrain.draw(60, 5) if label < 10]  # all wrong
    lines: list[str] = []
    stricter = retrain._stricter(files, manifest, scans, lines.append)
    assert min(*stricter.look_above, stricter.review_below) > 0.9
    assert lines == [f"The thresholds were raised on {len(scans)} held-out own scans."]
    assert lines[0] in stricter.look_fit
    kept = retrain._stricter(files, manifest, [], lines.append)
    assert (kept.look_above, lines[1]) == ((0.2, 0.2), "The thresholds are those of the model before.")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            (),
            "give --from cnn --extra FOLDER; to train one from data sets, see python -m batch.training",
        ),
        (("--from", "cnn"), "give --extra FOLDER"),
        (("--from", "cnn", "--network", "mlp"), "is a cnn: give the same --network, or leave it out"),
        (("--from", "mlp", "--network", "cnn"), "is a mlp: give the same --network, or leave it out"),
        (("--from", "cnn", "--extra", ".", "--epochs", "3"), "are for an mlp: leave them out"),
        (("--from", "cnn", "--extra", ".", "--output", "sigmoid"), "are for an mlp: leave them out"),
    ],
)
def test_options_that_do_not_go_together(
    arguments: tuple[str, ...], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match=message):
        run_train(*arguments, "--name", "office")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_only_broken_scans_are_nothing_to_train_on(small: None, tmp_path: Path) -> None:
    (tmp_path / "4").mkdir()
    (tmp_path / "4" / "broken.png").write_bytes(b"no image")
    with pytest.raises(ConfigError, match="there is no scan to train on"):
        run_train(
            "--from", "cnn", "--extra", str(tmp_path), "--models", str(tmp_path / "m"), "--name", "office"
        )
    assert not (tmp_path / "m").exists()


def test_scenes_need_no_data_set() -> None:
    sources = drawn_sources(3)
    assert set(NO_DIGIT_LETTERS + SIGNS) <= set(sources.others.groups)
    renderer = Renderer(sources, 4)
    scenes = [renderer.scene() for _ in range(150)]
    assert {scene.label for scene in scenes} == {*range(10), SEVERAL, NONE}
    assert all(scene.grey.std() > 0 for scene in scenes if scene.label < SEVERAL)
    again = Renderer(drawn_sources(3), 4)
    assert all(np.array_equal(again.scene().grey, scene.grey) for scene in scenes[:20])


def test_the_split_of_the_marks_has_both_sides(marks: Path) -> None:
    held_out, training = own_scans.split(list(own_scans.read(str(marks), lambda _: None)))
    assert len(held_out) > 6 and len(training) > 30
