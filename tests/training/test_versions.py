from importlib import metadata

import numpy as np
import pytest

import batch
from batch.training import versions


def test_a_manifest_names_digitbox_and_the_libraries() -> None:
    made_with = versions.made_with()
    assert list(made_with) == ["digitbox", "tensorflow", "keras", "numpy"]
    assert (made_with["digitbox"], made_with["numpy"]) == (metadata.version("digitbox"), np.__version__)


def test_a_checkout_that_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    def version(name: str) -> str:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "version", version)
    assert batch.__version__ == "0+unknown"
