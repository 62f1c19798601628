"""The forms of a scan: all give the same digit, and what is no scan says so."""

import io
import socket
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import cv2
import numpy as np
import numpy.typing as npt
import pandas as pd
import PIL.Image
import PIL.ImageSequence
import pytest

import digitbox
from batch.records import Reason, Status
from command import ROOT
from formats import FORMATS, two

SAMPLE = ROOT / "inbox" / "sample-01-pen.png"
DARK = two(ink=0, paper=255)


def pixels_of(flags: int = cv2.IMREAD_COLOR) -> npt.NDArray[Any]:
    pixels = cv2.imread(str(SAMPLE), flags)
    assert pixels is not None
    return pixels


def test_all_forms_of_a_scan_give_the_same_result() -> None:
    content = SAMPLE.read_bytes()
    grey = cv2.cvtColor(pixels_of(), cv2.COLOR_BGR2GRAY)
    forms: list[Any] = [
        SAMPLE,
        str(SAMPLE),
        content,
        bytearray(content),
        memoryview(content),
        io.BytesIO(content),
        grey,
        grey[:, :, None],
        np.asfortranarray(grey),
        np.ma.masked_array(grey),
    ]
    with SAMPLE.open("rb") as file:
        results = digitbox.read([*forms, file])
        assert not file.closed
    assert len({results[0], *results}) == 1
    assert (results[0].prediction, results[0].status) == (3, Status.OK)


def test_a_column_of_a_table_is_many_scans() -> None:
    table = pd.DataFrame({"file": [str(SAMPLE)] * 2})
    assert digitbox.read(table["file"]) == digitbox.read(list(table["file"].to_numpy()))


class Short(io.RawIOBase):
    """A file that gives a few bytes at a time, or None once if nothing is there yet."""

    def __init__(self, *chunks: bytes | None) -> None:
        self._chunks = list(chunks)

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1, /) -> bytes | None:
        return self._chunks.pop(0) if self._chunks else b""


def test_a_file_may_give_a_few_bytes_at_a_time() -> None:
    content = SAMPLE.read_bytes()
    chunks = [content[start : start + 100] for start in range(0, len(content), 100)]
    assert digitbox.read(Short(*chunks)) == digitbox.read(content)
    ours, theirs = socket.socketpair()
    with ours, theirs, theirs.makefile("rb", buffering=0) as file:
        ours.sendall(content)
        ours.shutdown(socket.SHUT_WR)
        assert digitbox.read(file) == digitbox.read(content)


def test_large_files_are_refused_in_pieces_too() -> None:
    reader = digitbox.Reader(max_pixels=400)
    file = Short(*[bytes(1 << 19)] * 9)
    assert reader(file).reason is Reason.TOO_LARGE
    assert file.read()  # digitbox reads no further


def test_the_bytes_of_one_scan_give_one_result_for_mypy() -> None:
    content = SAMPLE.read_bytes()
    one: digitbox.Result = digitbox.read(bytearray(content))
    other: digitbox.Result = digitbox.Reader()(memoryview(content))
    several: digitbox.Results = digitbox.read([bytearray(content), memoryview(content)])
    assert [one, other] == several


def test_a_file_of_pages_is_refused_and_its_page_is_read(tmp_path: Path) -> None:
    page = PIL.Image.fromarray(DARK)
    for name in ("pages.tif", "pages.pdf"):
        page.save(tmp_path / name, save_all=True, append_images=[page])
        result = digitbox.read(tmp_path / name)
        assert (result.status, result.reason) == (Status.REFUSED, Reason.SEVERAL_PAGES)
    with PIL.Image.open(tmp_path / "pages.tif") as image:
        image.seek(1)
        assert digitbox.read(image).prediction == 2


def refilled(pixels: npt.NDArray[Any]) -> Iterator[npt.NDArray[Any]]:
    yield pixels
    pixels[:] = 255
    yield pixels


def turned_over(path: Path) -> Iterator[PIL.Image.Image]:
    with PIL.Image.open(path) as image:
        for page in range(2):
            image.seek(page)
            yield image


def pages_of(path: Path) -> Iterator[PIL.Image.Image]:
    with PIL.Image.open(path) as image:
        yield from PIL.ImageSequence.Iterator(image)


def closed_again(path: Path) -> Iterator[PIL.Image.Image]:
    for page in range(2):
        with PIL.Image.open(path) as image:
            image.seek(page)
            yield image


@pytest.mark.parametrize(
    "scans",
    [
        lambda _: refilled(DARK.copy()),
        lambda _: refilled(DARK.copy()[:, :, None]),
        lambda _: refilled(np.dstack([DARK] * 3)),
        lambda _: refilled(DARK / np.float32(255)),
        turned_over,
        pages_of,
        closed_again,
    ],
)
def test_an_iterator_may_yield_the_same_object_again(
    tmp_path: Path, scans: Callable[[Path], Iterator[Any]]
) -> None:
    path = tmp_path / "pages.tif"
    first, second = PIL.Image.fromarray(DARK), PIL.Image.new("L", DARK.shape[::-1], 255)
    first.save(path, save_all=True, append_images=[second])
    results = list(digitbox.read(scans(path), channels="RGB"))
    assert [result.prediction for result in results] == [2, None]
    assert [result.reason for result in results] == [None, Reason.BLANK]


def test_digitbox_keeps_no_image_of_an_iterator() -> None:
    images_seen: list[weakref.ref[PIL.Image.Image]] = []
    counts = []

    def images() -> Iterator[PIL.Image.Image]:
        for _ in range(5):
            image = PIL.Image.new("RGB", (40, 40), "white")
            images_seen.append(weakref.ref(image))
            yield image
            del image
            counts.append(sum(seen() is not None for seen in images_seen))

    assert len(list(digitbox.read(images()))) == 5
    assert max(counts) <= 1  # the last one


def test_colours_are_taken_in_the_order_that_is_said() -> None:
    pixels = pixels_of()
    result = digitbox.read(pixels, channels="BGR")
    assert result.prediction == 3
    assert digitbox.read(pixels[:, :, ::-1], channels="RGB") == result
    opaque = np.dstack([pixels, np.full(pixels.shape[:2], 255, np.uint8)])
    assert digitbox.read(opaque, channels="BGR") == result
    assert digitbox.read(opaque[:, :, [2, 1, 0, 3]], channels="RGB") == result


@pytest.mark.parametrize("kind", ["u1", "u2", ">u2", "i8", "f2", "f4", ">f8", "?"])
def test_arrays_of_many_types_are_read(kind: str) -> None:
    ink = np.where(DARK > 127, 1, 0)
    scaled = ink * {"u1": 255, "u2": 65535, ">u2": 65535, "i8": 7}.get(kind, 1)
    assert digitbox.read(scaled.astype(kind)) == digitbox.read((ink * 255).astype(np.uint8))


def test_floats_to_one_are_the_levels_of_bytes() -> None:
    grey = pixels_of(cv2.IMREAD_GRAYSCALE)
    assert 0 < grey.min() < grey.max() < 255
    assert digitbox.read(grey / 255) == digitbox.read(grey)
    assert digitbox.read((grey / 255).astype(np.float32)) == digitbox.read(grey)
    colours = pixels_of()
    assert digitbox.read(colours / 255, channels="BGR") == digitbox.read(colours, channels="BGR")


@pytest.mark.parametrize("kind", ["u2", "f4"])
def test_blank_paper_in_shadow_is_blank_in_any_type(kind: str) -> None:
    paper = np.rint(np.linspace(230, 238, 100)).astype(np.uint8)[None].repeat(120, 0)
    assert digitbox.read(paper).reason == Reason.BLANK
    assert digitbox.read(paper.astype(kind) * (257 if kind == "u2" else 1)).reason == Reason.BLANK


@pytest.mark.parametrize("mode", [*"1LIFP", "RGB", "RGBA", "RGBa", "LA", "La", "CMYK", "I;16"])
def test_images_of_pillow_are_read(mode: str) -> None:
    image = PIL.Image.fromarray(DARK)
    if mode == "I;16":
        converted = PIL.Image.fromarray(DARK.astype(np.uint16) * 257)
    else:
        way = {"P": "RGB", "La": "LA", "RGBa": "RGBA"}.get(mode, mode)
        converted = image.convert(way).convert(mode)
    assert converted.mode == mode
    assert digitbox.read(converted).prediction == digitbox.read(DARK).prediction == 2


def test_an_image_of_pillow_is_turned_upright_and_put_on_paper(tmp_path: Path) -> None:
    turned = PIL.Image.fromarray(np.rot90(DARK).copy())
    exif = PIL.Image.Exif()
    exif[0x0112] = 6  # turn by 90 degrees clockwise
    turned.save(tmp_path / "turned.png", exif=exif)
    with PIL.Image.open(tmp_path / "turned.png") as image:
        assert digitbox.read(image) == digitbox.read(DARK)
    clear = np.zeros((*DARK.shape, 4), np.uint8)  # black ink on black that is transparent
    clear[..., 3] = 255 - DARK
    assert digitbox.read(PIL.Image.fromarray(clear)).prediction == 2
    palette = PIL.Image.fromarray(np.where(DARK > 127, 1, 0).astype(np.uint8), "L").convert("P")
    palette.putpalette([0, 0, 0, 0, 0, 0])
    palette.info["transparency"] = 1
    assert digitbox.read(palette).prediction == 2


def test_an_image_of_pillow_with_damaged_exif_is_a_result() -> None:
    exif = PIL.Image.Exif()
    exif[0x010F], exif[0x0112] = "text", 6
    numbers = exif.tobytes().replace(b"\x01\x0f\x00\x02", b"\x01\x55\x00\x02")  # a number that is text
    assert numbers != exif.tobytes()
    content = io.BytesIO()
    PIL.Image.fromarray(DARK).save(content, "JPEG", exif=numbers)
    with PIL.Image.open(content) as image:
        assert digitbox.read(image).reason is Reason.DAMAGED


@pytest.mark.parametrize("close", [lambda image: image.close(), lambda image: image.__exit__()])
def test_a_closed_image_of_pillow_is_a_result(close: Callable[[PIL.Image.Image], None]) -> None:
    image = PIL.Image.open(SAMPLE)
    close(image)
    results = digitbox.read([image, SAMPLE])
    assert [result.reason for result in results] == [Reason.DAMAGED, None]


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        (b"no image", Reason.NOT_AN_IMAGE),
        (b"", Reason.EMPTY),
        (io.BytesIO(b""), Reason.EMPTY),
        (FORMATS["png-8"](two())[:90], Reason.TRUNCATED),
        ("gone.png", Reason.VANISHED),
        ("a\0b.png", Reason.VANISHED),
        ("../\ud800.png", Reason.VANISHED),
        (str(ROOT), Reason.NOT_A_FILE),
        (np.zeros((3, 3), np.uint8), Reason.TOO_SMALL),
        (np.zeros((0, 9), np.uint8), Reason.EMPTY),
        (np.zeros((0, 9), np.float32), Reason.EMPTY),
        (np.full((20, 20), np.nan, np.float32), Reason.DAMAGED),
        (PIL.Image.new("L", (3, 3)), Reason.TOO_SMALL),
        (PIL.Image.new("L", (0, 0)), Reason.EMPTY),
    ],
)
def test_a_scan_that_cannot_be_read_is_a_result(source: digitbox.Source, reason: Reason) -> None:
    result = digitbox.read(source)
    assert (result.prediction, result.confidence, result.reason) == (None, None, reason)
    assert result.file == (source if isinstance(source, str) else "")


def test_files_that_cannot_be_read_are_results(tmp_path: Path) -> None:
    closed = SAMPLE.open("rb")
    closed.close()
    with (tmp_path / "new").open("wb") as writable:
        results = digitbox.read([closed, writable])
    assert [result.reason for result in results] == [Reason.UNREADABLE] * 2
    (tmp_path / "cut.png").write_bytes(SAMPLE.read_bytes()[:900])
    with PIL.Image.open(tmp_path / "cut.png") as image:
        assert digitbox.read(image).reason is Reason.DAMAGED


def test_large_scans_are_refused_before_they_are_decoded() -> None:
    reader = digitbox.Reader(max_pixels=400)
    too_many = bytes(8 * 400 + (1 << 20) + 1)
    sources: list[digitbox.Source] = [
        PIL.Image.new("L", (21, 20)),
        np.zeros((21, 20), np.uint8),
        io.BytesIO(too_many),
    ]
    assert [result.reason for result in reader(sources)] == [Reason.TOO_LARGE] * 3


class Upload:
    """An upload of a web framework, whose `read` must be awaited."""

    async def read(self, _: int = -1) -> bytes:
        return b""


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (np.zeros(3, np.uint8), r"shape \(3,\) is no image: give \(height, width\)"),
        (np.zeros((2, 28, 28), np.uint8), r"not one image: for several, give list\(array\)"),
        (np.zeros((2, 28, 28, 3), np.uint8), r"not one image: for several, give list\(array\)"),
        (np.zeros((28, 28, 3), np.uint8), "give channels='BGR' if it is from OpenCV"),
        (np.array(["a.png"]), r"an array of <U5 has no pixels: .* or list\(array\) for several scans"),
        (np.zeros((9, 9), complex), "an array of complex128 has no pixels"),
        (np.array([SAMPLE]), r"an array of object has no pixels: give numbers, or list\(array\) for several"),
        (pd.DataFrame({"file": [str(SAMPLE)]}), r"from DataFrame: give a column of it, e.g. list\(table"),
        ({"bytes": b"", "path": None}, r"from dict: give one of its values, or several, e.g. list\(mapping"),
        ([{"bytes": b"", "path": None}], "from dict: give one of its values"),
        (7, "cannot read a scan from int: give a path, bytes"),
        (None, "cannot read a scan from NoneType"),
        ([None], "cannot read a scan from NoneType"),
        (io.StringIO("text"), "the file gave str and not bytes: open it with mode 'rb'"),
        (Upload(), "the file gave coroutine and not bytes"),
        (Mock(), "the file gave Mock and not bytes"),  # it has all attributes, also those of a table
        (Short(None), "not all bytes of the file are there: read it to its end, and give its bytes"),
        (Short(b"a few", None), "not all bytes of the file are there"),
    ],
)
def test_what_is_no_scan_is_an_error_that_says_so(source: Any, message: str) -> None:
    with pytest.raises(digitbox.ConfigError, match=message):
        digitbox.read(source)


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("s3://user:secret@bucket/a.png", "no credentials and no query in an s3:// address"),
        ("s3://bucket/a.png?token=secret", "no credentials and no query in an s3:// address"),
        ("https://user:secret@example.org/a.png", "cannot read or write https:// addresses"),
        ("file://server/secret.png", "write three slashes"),
        ("s3:///secret.png", "name the bucket"),
        ("file:///a%00.png", "no file can have the name"),
    ],
)
def test_addresses_are_checked_and_not_repeated(address: str, message: str) -> None:
    for source in (address, [address], iter([address])):
        with pytest.raises(digitbox.ConfigError, match=message) as caught:
            list(digitbox.read(source))
        assert "secret" not in str(caught.value)
    with pytest.raises(digitbox.ConfigError, match=message) as caught:
        digitbox.read_results(address)
    assert "secret" not in str(caught.value)


def test_an_address_of_a_file_is_its_path(tmp_path: Path) -> None:
    path = tmp_path / "a scan.png"
    path.write_bytes(SAMPLE.read_bytes())
    result = digitbox.read(path.as_uri())
    assert (result.prediction, result.file) == (3, path.as_uri())
    assert "%20" in result.file
    assert "data:image/png" in result._repr_html_()


def test_a_path_that_is_there_may_begin_with_a_tilde(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`Path(".").rglob` gives such paths, without the `./` that would tell them from those of a home."""
    monkeypatch.chdir(tmp_path)
    path = Path("~", "a.png")
    path.parent.mkdir()
    path.write_bytes(SAMPLE.read_bytes())
    result = digitbox.read(path)
    assert (result.prediction, result.file) == (3, "~/a.png")
    with pytest.raises(digitbox.ConfigError, match="begins with ~"):
        digitbox.read(Path("~", "b.png"))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "ascii", "latin-1"])
def test_a_file_that_is_open_as_text_is_an_error(encoding: str) -> None:
    with (
        SAMPLE.open(encoding=encoding) as file,
        pytest.raises(digitbox.ConfigError, match="open it with mode 'rb', or give its bytes"),
    ):
        digitbox.read(file)


@pytest.mark.parametrize("channels", ["rgb", "", np.array(["RGB", "BGR"])])
@pytest.mark.parametrize("source", [np.full((28, 28), 255, np.uint8), SAMPLE, b""])
def test_an_unknown_order_of_channels_is_an_error(source: Any, channels: Any) -> None:
    with pytest.raises(digitbox.ConfigError, match="channels must be 'BGR' or 'RGB', not "):
        digitbox.read(source, channels=channels)
