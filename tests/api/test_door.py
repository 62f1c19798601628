"""What Python programs import: the names, the examples and the types."""

import doctest
import importlib
import pkgutil
import re
from types import ModuleType

import pytest

import batch.api
import digitbox
from batch import __version__
from command import ROOT


def modules() -> list[ModuleType]:
    names = [module.name for module in pkgutil.iter_modules(batch.api.__path__, "batch.api.")]
    return [digitbox, batch.api, *map(importlib.import_module, names)]


@pytest.mark.parametrize("module", modules(), ids=lambda module: module.__name__)
def test_the_examples_in_the_docstrings_run(module: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    assert doctest.testmod(module, report=True).failed == 0


@pytest.mark.parametrize("name", ["read", "read_results", "run", "Reader", "Result", "Results"])
def test_what_people_call_has_examples(name: str) -> None:
    assert ">>> " in (getattr(digitbox, name).__doc__ or "")


def test_every_name_is_there() -> None:
    assert all(hasattr(digitbox, name) for name in digitbox.__all__)
    assert digitbox.__version__ == __version__


def test_type_checkers_find_the_same_names() -> None:
    stubs = (ROOT / "batch" / "stubs" / "__init__.pyi").read_text(encoding="utf-8")
    assert sorted(re.findall(r" as (\w+)$", stubs, re.MULTILINE)) == sorted(digitbox.__all__)
