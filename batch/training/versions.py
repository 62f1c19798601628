"""The versions of the programs that made a model, for its manifest."""

from __future__ import annotations

from importlib import metadata

from batch import __version__

LIBRARIES = ("tensorflow", "keras", "numpy")


def made_with() -> dict[str, str]:
    """Return the versions of digitbox and of the libraries of the training, by name."""
    return {"digitbox": __version__, **{name: metadata.version(name) for name in LIBRARIES}}
