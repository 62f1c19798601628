"""Scans that only the extra `formats` reads, on a machine without it: digitbox names the extra."""

import io
import json
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from batch.records import Reason
from command import Digitbox
from formats import EXTRA_FORMATS, FORMATS, PHOTO_FORMATS, two
from scene import Scene

NAMED = "some scans need the extra 'formats': pip install 'digitbox[formats]', and read them again"
FILES = {
    "a.heic": PHOTO_FORMATS["HEIC"],
    "b.avif": PHOTO_FORMATS["AVIF"],
    "c.jp2": PHOTO_FORMATS["JPEG 2000"],
    "d.jxl": PHOTO_FORMATS["JPEG XL"],
    "e.tif": EXTRA_FORMATS["TIFF of 6 bits"],
}


@pytest.fixture(autouse=True)
def without_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("imagecodecs", "pi_heif", "tifffile"):
        monkeypatch.setitem(sys.modules, module, None)


@pytest.fixture(scope="module")
def contents() -> dict[str, bytes]:
    return {name: write(two()) for name, write in FILES.items()}


@pytest.fixture(scope="module")
def two_pages() -> bytes:
    """Return a TIFF of which only the second page needs the extra."""
    import tifffile

    file = io.BytesIO()
    with tifffile.TiffWriter(file) as writer:
        writer.write(two())
        writer.write((two() / 255).astype(np.float16))
    return file.getvalue()


@pytest.mark.parametrize("name", FILES)
def test_a_run_names_the_extra(
    digitbox: Digitbox, inbox: Path, contents: dict[str, bytes], name: str
) -> None:
    (inbox / name).write_bytes(contents[name])
    result = digitbox("run", "--verbose")
    assert [(row["status"], row["reason"]) for row in result.rows] == [("failed", "unsupported")]
    assert f"{name}: failed, unsupported, needs the extra 'formats'" in result.err.splitlines()
    assert f"digitbox: warning: {NAMED}" in result.err.splitlines()


def test_a_run_names_it_for_a_page(digitbox: Digitbox, inbox: Path, two_pages: bytes) -> None:
    (inbox / "a.tif").write_bytes(two_pages)
    result = digitbox("run", "--verbose")
    assert [(row["page"], row["reason"]) for row in result.rows] == [("1", ""), ("2", "unsupported")]
    assert "a.tif, page 2: failed, unsupported, needs the extra 'formats'" in result.err.splitlines()
    assert f"digitbox: warning: {NAMED}" in result.err.splitlines()


def test_a_quiet_run_names_it_once(digitbox: Digitbox, inbox: Path, contents: dict[str, bytes]) -> None:
    for name, data in contents.items():
        (inbox / name).write_bytes(data)
    (inbox / "f.png").write_bytes(FORMATS["png-8"](two()))
    result = digitbox("run", "--quiet", "--rows-per-file", "2")
    assert (result.code, result.err.splitlines()) == (3, [f"digitbox: warning: {NAMED}"])


def test_nobody_needs_it_for_what_it_does_not_read(digitbox: Digitbox, inbox: Path) -> None:
    (inbox / "a.svg").write_text("<svg xmlns='http://www.w3.org/2000/svg'/>")
    result = digitbox("run", "--verbose")
    assert [row["reason"] for row in result.rows] == ["unsupported"]
    assert "extra" not in result.err


def test_the_file_beside_a_failed_scan_names_it(digitbox: Digitbox, inbox: Path) -> None:
    (inbox / "a.heic").write_bytes(FILES["a.heic"](two()))
    digitbox("run", "--after", "move", "--settle", "0")
    (reason,) = Path("outbox", "failed").rglob("*.json")
    assert json.loads(reason.read_text())["extra"] == "formats"


def test_a_watcher_names_it_once(scene: Scene, contents: dict[str, bytes]) -> None:
    for number, (name, data) in enumerate(contents.items()):
        scene.ticking.at(1 + 20 * number, partial(scene.drop, name, data))
    scene.watch(200)
    scene.check()
    assert [row["reason"] for row in scene.rows] == [Reason.UNSUPPORTED] * len(FILES)
    assert scene.log.of("extra") == [NAMED]
