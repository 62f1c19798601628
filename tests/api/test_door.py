"""What Python programs import: the names, the examples and the types."""

import doctest
import importlib
import pkgutil
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from types import ModuleType

import pytest

import batch.api
import digitbox
from batch import __version__
from command import ROOT, environment


def modules() -> list[ModuleType]:
    names = [module.name for module in pkgutil.iter_modules(batch.api.__path__, "batch.api.")]
    return [digitbox, batch.api, *map(importlib.import_module, names)]


@pytest.mark.parametrize("module", modules(), ids=lambda module: module.__name__)
def test_the_examples_in_the_docstrings_run(module: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    assert doctest.testmod(module, report=True).failed == 0


def blocks(language: str) -> list[str]:
    page = (ROOT / "docs" / "python.md").read_text(encoding="utf-8")
    return re.findall(rf"```{language}\n(.*?)```", page, re.DOTALL)


@pytest.mark.usefixtures("unlogged")
def test_the_examples_of_the_page_run(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(tempfile, "mkdtemp", lambda: str(tmp_path))
    names: dict[str, object] = {}
    for block in blocks("python"):
        exec(block, names)
    out, err = capsys.readouterr()
    assert out.startswith("3 0.99") and "no model 'gone'" in out
    assert err == ""
    for block in blocks("py"):  # needs packages that the tests do not have
        compile(block, "docs/python.md", "exec")


@pytest.mark.parametrize("name", ["read", "read_results", "run", "Reader", "Result", "Results"])
def test_what_people_call_has_examples(name: str) -> None:
    assert ">>> " in (getattr(digitbox, name).__doc__ or "")


@pytest.mark.parametrize("call", [digitbox.read, digitbox.read_results, digitbox.run, digitbox.Reader])
def test_programs_can_catch_the_errors_that_are_told(call: object) -> None:
    told = re.findall(r"^ +(\w+Error): ", call.__doc__ or "", re.MULTILINE)
    assert told and set(told) <= set(digitbox.__all__)


def test_the_command_ends_without_loading_the_rest() -> None:
    command = [sys.executable, "-X", "importtime", "-m", "digitbox", "--version"]
    result = subprocess.run(command, capture_output=True, text=True, check=True, env=environment())
    assert result.stdout.startswith("digitbox, version")
    assert "batch.api" not in result.stderr


def test_every_name_is_there() -> None:
    assert all(hasattr(digitbox, name) for name in digitbox.__all__)
    assert digitbox.__version__ == __version__


def test_type_checkers_find_the_same_names() -> None:
    stubs = (ROOT / "batch" / "stubs" / "__init__.pyi").read_text(encoding="utf-8")
    assert sorted(re.findall(r" as (\w+)$", stubs, re.MULTILINE)) == sorted(digitbox.__all__)
