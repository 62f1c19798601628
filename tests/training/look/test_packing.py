"""The packing of made-up data sets, and what it holds out."""

from pathlib import Path

import numpy as np
import pytest

import look_sources
from batch.errors import InputError
from batch.training.look.packing import HELD_OUT_UNIPEN_WRITERS, DataPaths, pack, smooth_stroke
from batch.training.look.sources import Packed, Sources


@pytest.fixture
def packed() -> Packed:
    return look_sources.packed()


@pytest.mark.parametrize("name", ["digits", "others"])
def test_no_writer_is_in_training_and_held_out(packed: Packed, name: str) -> None:
    training, held_out = (set(getattr(Sources(packed, part), name).by_writer) for part in (False, True))
    assert not training & held_out
    assert held_out == set(packed["held_writers"].tolist())
    assert len(held_out) == HELD_OUT_UNIPEN_WRITERS
    assert training | held_out == set(range(look_sources.WRITERS))


@pytest.mark.parametrize("name", ["mnist", "usps", "swiss"])
def test_no_picture_is_in_training_and_held_out(packed: Packed, name: str) -> None:
    parts = [
        {image.tobytes() for images in Sources(packed, part).raw[name] for image in images}
        for part in (False, True)
    ]
    assert not parts[0] & parts[1]
    assert len(parts[0]) + len(parts[1]) == len(packed[name])
    assert parts[1]


def test_packing_is_repeatable(packed: Packed, tmp_path: Path) -> None:
    again = pack(DataPaths.in_folder(look_sources.write(tmp_path)))
    assert again.keys() == packed.keys()
    for name, array in packed.items():
        np.testing.assert_array_equal(again[name], array)


def test_a_swiss_scan_is_decoded_as_the_scans_that_are_read(tmp_path: Path) -> None:
    folder = look_sources.write(tmp_path)
    path = next(folder.rglob("swiss_pen/*.png"))
    path.write_bytes(path.read_bytes()[:-40])  # OpenCV reads that
    with pytest.raises(InputError, match=r"\.png: truncated"):
        pack(DataPaths.in_folder(folder))


def test_strokes_keep_their_ends_and_lose_stairs() -> None:
    stairs = np.repeat(np.arange(0, 1000, 20), 2).astype(np.float32)
    stroke = np.stack([stairs[1:], stairs[:-1]], 1)
    thin = smooth_stroke(stroke)
    assert len(thin) < len(stroke) / 5
    np.testing.assert_allclose(thin[[0, -1]], stroke[[0, -1]])
    assert smooth_stroke(stroke[:1]).shape == (1, 2)


def test_a_missing_data_set_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"unipen_digits\.npz"):
        pack(DataPaths.in_folder(tmp_path))
