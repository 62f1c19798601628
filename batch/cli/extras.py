"""Whether what a command needs is installed."""

from __future__ import annotations

import importlib
import os

from batch.errors import MissingExtraError
from batch.terminal import stderr


def check_extra(what: str, *packages: str) -> None:
    """Imports what a command needs, quietly, or says which extra brings it."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    try:
        with stderr.silence():
            for package in packages:
                importlib.import_module(package)
    except ImportError as error:
        raise MissingExtraError(what, "train") from error
