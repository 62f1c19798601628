"""Tests of a batch's way: scans in, outcomes out."""

import pickle
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from batch.config import MAX_PIXELS
from batch.images import pixels
from batch.inference.classifier import DigitReader
from batch.inference.reader import Reader
from batch.records import Grey, ScanRef
from formats import FORMATS, two


def test_one_outcome_for_each_scan_in_order(tmp_path: Path, fake_model: Path) -> None:
    files = {
        "two.png": FORMATS["png-8"](two()),
        "blank.png": FORMATS["png-8"](np.full((40, 40), 240, np.uint8)),
        "tiny.png": FORMATS["png-8"](two()[:3]),
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
        ("refused", "too_small", None),
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
    assert isinstance(model.network, DigitReader)
    assert model.network.thresholds.review_below == 0.7


def test_a_reader_gives_a_sign_of_life_before_each_image(
    tmp_path: Path, fake_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    refs = []
    for number in range(4):
        (tmp_path / f"{number}.png").write_bytes(FORMATS["png-8"](two(paper=200 + number)))
        refs.append(ScanRef(str(tmp_path / f"{number}.png"), f"{number}.png"))
    events: list[str] = []
    decode_page = pixels.decode_page

    def noting(*arguments: Any, **options: Any) -> Grey:
        events.append("decode")
        return decode_page(*arguments, **options)

    monkeypatch.setattr(pixels, "decode_page", noting)
    Reader(fake_model, "litert", None, MAX_PIXELS)(refs, lambda: events.append("beat"))
    assert " ".join(events).count("beat decode") == events.count("decode") == 4
