"""Results as values, and as tables for Jupyter."""

import base64
import pickle
import re
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import pytest

import digitbox
from command import ROOT
from formats import FORMATS, two

SAMPLE = ROOT / "inbox" / "sample-01-pen.png"


def pictures(html: str) -> list[npt.NDArray[np.uint8]]:
    found = re.findall(r'<img alt="" src="data:image/png;base64,([^"]+)">', html)
    images = [cv2.imdecode(np.frombuffer(base64.b64decode(text), np.uint8), 0) for text in found]
    return [np.asarray(image, np.uint8) for image in images]


def cells(html: str) -> list[list[str]]:
    rows = re.findall(r"<tr>(<td>.*?)</tr>", html)
    return [re.findall(r"<td>(.*?)</td>", row)[1:] for row in rows]


def test_a_result_shows_its_picture() -> None:
    result = digitbox.read(SAMPLE)
    html = result._repr_html_()
    assert cells(html) == [[str(SAMPLE), "3", f"{result.confidence:.6f}", "ok", ""]]
    assert [picture.shape for picture in pictures(html)] == [(64, 64)]


@pytest.mark.parametrize("form", ["array", "bytes"])
def test_a_scan_that_is_no_file_shows_its_picture(form: str) -> None:
    pixels = two()
    result = digitbox.read(pixels if form == "array" else FORMATS["png-8"](pixels))
    expected = pixels.copy()
    pixels[:] = 0
    (picture,) = pictures(result._repr_html_())
    assert np.array_equal(picture, expected)


def test_no_markup_of_a_name_gets_through(tmp_path: Path) -> None:
    path = tmp_path / "<script>&.png"
    path.write_bytes(b"")
    html = digitbox.read(path)._repr_html_()
    assert "<script>" not in html and "&lt;script&gt;&amp;.png" in html
    assert pictures(html) == []
    assert cells(html)[0][1:] == ["", "", "failed", "empty"]


def test_a_file_that_is_gone_shows_no_picture(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(SAMPLE.read_bytes())
    result = digitbox.read(path)
    path.unlink()
    assert pictures(result._repr_html_()) == []


def test_a_long_list_shows_its_beginning() -> None:
    results = digitbox.Results([digitbox.read(SAMPLE)] * 27)
    html = results._repr_html_()
    assert len(pictures(html)) == 25
    assert html.endswith("<p>and 2 more</p>")
    assert "more" not in digitbox.Results(results[:25])._repr_html_()


def test_results_are_values_and_travel() -> None:
    results = digitbox.read([SAMPLE, two()])
    travelled = pickle.loads(pickle.dumps(results))
    assert travelled == results and isinstance(travelled, digitbox.Results)
    assert travelled[0].file == str(SAMPLE)
    assert cells(travelled._repr_html_())[0] == cells(results._repr_html_())[0]
    assert len({digitbox.read(SAMPLE), digitbox.read(SAMPLE.read_bytes())}) == 1
