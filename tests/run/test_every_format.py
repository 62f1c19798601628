"""A folder with a file of every kind, and the model that ships: one right row for each page."""

import csv
from collections import defaultdict
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import pytest

import digitbox
import pdfs
from formats import EXTRA_FORMATS, FORMATS, PHOTO_FORMATS, SEVERAL_PAGES

pytestmark = pytest.mark.slow
PDFS = {
    f"pdf-{kind}": lambda grey, kind=kind: pdfs.write(pdfs.scan(grey, kind=kind), pdfs.scan(255 - grey))
    for kind in ("flate", "jpeg", "g4")
}
SEVERAL = {f"pages-{name}": write for name, write in SEVERAL_PAGES.items()} | PDFS
SUFFIXES = {"JPEG XL": "jxl", "JPEG 20": "jp2"}


def suffix_of(name: str) -> str:
    """Return the suffix that programs give to a file of this kind."""
    kind = SUFFIXES.get(name[:7], name.replace("-", " ").split()[name.startswith("pages")])
    return kind.lower()


@pytest.mark.parametrize("has_suffix", [True, False])
def test_a_folder_with_every_format(
    has_suffix: bool, tmp_path: Path, mnist_test: tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]
) -> None:
    images, labels = mnist_test
    inbox, expected = tmp_path / "in", {}
    inbox.mkdir()
    kinds = FORMATS | EXTRA_FORMATS | PHOTO_FORMATS | SEVERAL
    for number, (name, write) in enumerate(kinds.items()):
        digit = cv2.resize(images[number], (56, 56), interpolation=cv2.INTER_LINEAR)
        file = f"{name}.{suffix_of(name)}" if has_suffix else name
        (inbox / file).write_bytes(write(255 - np.asarray(digit, np.uint8)))
        expected[file] = [str(labels[number])] * (2 if name in SEVERAL else 1)
    assert digitbox.run(inbox, tmp_path / "out", workers=1).exit_code == 0
    found = defaultdict(list)
    for path in (tmp_path / "out").glob("*.csv"):
        for row in csv.DictReader(path.read_text(encoding="utf-8").splitlines()):
            found[row["file"]].append(row["prediction"])
            assert row["page"] == (str(len(found[row["file"]])) if len(expected[row["file"]]) > 1 else "")
    assert found == expected
