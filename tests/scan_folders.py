"""Folders of scans: write them, and say what is in them."""

from pathlib import Path


def fill(folder: Path, **contents: bytes) -> None:
    """Write scans into a folder, whose names get the suffix of a PNG."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in contents.items():
        (folder / f"{name}.png").write_bytes(content)


def names(folder: Path) -> list[str]:
    """Return the paths of all files below a folder, relative to it."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
