"""The check that the packages of an extra are installed."""

from __future__ import annotations

import importlib
import os

from batch.errors import MissingExtraError
from batch.terminal import stderr


def check_extra(command: str, *packages: str) -> None:
    """Import the packages that a command needs, without their messages.

    Raises:
        MissingExtraError: A package is not installed.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    try:
        with stderr.silence():
            for package in packages:
                importlib.import_module(package)
    except ImportError as error:
        raise MissingExtraError(command, "train") from error
