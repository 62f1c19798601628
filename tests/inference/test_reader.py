"""Tests of a batch's way: scans in, outcomes out."""

import pickle
import shutil
from pathlib import Path

import numpy as np

from batch.config import MAX_PIXELS
from batch.inference.reader import Reader
from batch.records import ScanRef
from formats import FORMATS, two


def test_one_outcome_for_each_scan_in_order(tmp_path: Path, fake_model: Path) -> None:
    files = {
        "two.png": FORMATS["png-8"](two()),
        "blank.png": FORMATS["png-8"](np.full((40, 40), 240, np.uint8)),
        "empty.png": b"",
        "pages.tif": FORMATS["tiff-8"](two())[:50],
        "text.png": b"hello, world",
        "two.jpg": FORMATS["jpeg-grey"](255 - two()),
    }
    refs = []
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
        refs.append(ScanRef(str(tmp_path / name), name))
    reader = pickle.loads(pickle.dumps(Reader(fake_model, "litert", None, MAX_PIXELS)))
    outcomes = reader(refs)
    assert [(o.ref.path, o.ref.name) for o in outcomes] == [(ref.path, ref.name) for ref in refs]
    assert [o.ref.size_bytes for o in outcomes] == [len(content) for content in files.values()]
    assert [(o.status, o.reason, o.label) for o in outcomes] == [
        ("ok", None, 0),
        ("refused", "blank", None),
        ("failed", "empty", None),
        ("failed", "truncated", None),
        ("failed", "not_an_image", None),
        ("ok", None, 0),
    ]
    assert all(outcome.sha256 for outcome in outcomes if outcome.reason != "empty")


def test_a_checked_reader_needs_no_model_folder(fake_model: Path) -> None:
    reader = Reader(fake_model, "litert", 0.7, MAX_PIXELS)
    assert reader.check().version == "fake-1"
    shutil.rmtree(fake_model)
    model = pickle.loads(pickle.dumps(reader)).load()
    assert model.thresholds.review_below == 0.7
