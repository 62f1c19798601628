"""What is checked before a training and asked after one, without one."""

import sys
from pathlib import Path

import click
import pytest

from batch.cli import train
from batch.inference import model_store
from batch.training.evaluation.compare import Verdict
from command import Digitbox


@pytest.mark.parametrize(
    ("found", "terminal", "folder", "asked"),
    [
        (Verdict.BETTER, True, "models", True),
        (Verdict.UNDECIDED, True, "models", False),
        (Verdict.TOO_FEW, True, "models", False),
        (Verdict.WORSE, True, "models", None),
        (Verdict.BETTER, False, "models", None),
        (Verdict.BETTER, True, "elsewhere", None),
    ],
)
def test_a_worse_model_is_never_offered_as_the_default(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    found: Verdict,
    terminal: bool,
    folder: str,
    asked: bool | None,
) -> None:
    questions = []

    def confirm(text: str, *, default: bool, err: bool) -> bool:
        questions.append(default)
        return True

    monkeypatch.setattr(model_store, "folders", lambda: (tmp_path / "models",))
    monkeypatch.setattr(click, "confirm", confirm)
    for stream in (sys.stdin, sys.stderr):
        monkeypatch.setattr(stream, "isatty", lambda: terminal)
    assert train._offer_default(found, tmp_path / folder / "office") is (asked is not None)
    assert questions == ([] if asked is None else [asked])


@pytest.mark.parametrize("name", ["", model_store.CURRENT])
def test_a_name_is_checked_before_the_training(
    digitbox: Digitbox, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setitem(sys.modules, "tensorflow", None)  # without it, no training begins
    result = digitbox("train", "--network", "mlp", "--name", name)
    assert (result.code, "--name" in result.err) == (2, True)
