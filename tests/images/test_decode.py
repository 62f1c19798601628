import hashlib
import io
import os
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image as Pillow

from batch.config import MAX_PIXELS
from batch.errors import ImageError
from batch.images import decode as images_decode
from batch.images import pages
from batch.images.grey import from_pixels
from batch.images.pixels import Pages
from batch.records import Grey, ScanRef
from formats import FORMATS, SEVERAL_PAGES, png_chunk, two
from memory import peak_bytes


def decode(data: bytes) -> Grey:
    return images_decode.decode(data, MAX_PIXELS)


def read(path: Path | str) -> Grey:
    return images_decode.read(ScanRef(str(path), "x"), MAX_PIXELS).grey


def failure(path: Path | str, max_pixels: int = MAX_PIXELS) -> ImageError:
    with pytest.raises(ImageError) as caught:
        images_decode.read(ScanRef(str(path), "x"), max_pixels)
    return caught.value


@pytest.mark.parametrize("page", [0, 1])
def test_ctrl_c_at_the_end_of_a_file_is_not_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, page: int
) -> None:
    @contextmanager
    def interrupted(*_: object, **__: object) -> Iterator[Pages]:
        try:
            yield Pages(2 if page else 1, lambda _: iter([two()]))
        finally:
            raise KeyboardInterrupt

    (tmp_path / "a").write_bytes(b"content")
    monkeypatch.setattr(pages, "open_pages", interrupted)
    with pytest.raises(KeyboardInterrupt):
        images_decode.read(ScanRef(str(tmp_path / "a"), "a"), MAX_PIXELS, page)
    with pytest.raises(KeyboardInterrupt):
        images_decode.decode_content(b"content", MAX_PIXELS)


@pytest.mark.parametrize("inverted", [False, True], ids=["dark on light", "light on dark"])
@pytest.mark.parametrize("name", FORMATS)
def test_every_format_gives_the_same_image(name: str, inverted: bool) -> None:
    grey = 255 - two() if inverted else two()
    read = decode(FORMATS[name](grey))
    assert read.shape == grey.shape and read.dtype == np.uint8
    assert np.mean((read > 127) == (grey > 127)) > 0.995


@pytest.mark.parametrize("name", ["png-grey-alpha", "png-rgb-alpha", "webp-alpha", "gif-transparent"])
def test_transparent_ground_becomes_paper(name: str) -> None:
    assert decode(FORMATS[name](two()))[0, 0] == 255
    assert decode(FORMATS[name](255 - two()))[0, 0] == 0


def test_a_transparent_image_is_blank() -> None:
    content = io.BytesIO()
    Pillow.new("RGBA", (20, 20), (0, 0, 0, 0)).save(content, "PNG")
    assert (decode(content.getvalue()) == 255).all()


def test_twelve_bits_in_a_file_of_sixteen_use_the_whole_range() -> None:
    twelve_bits = two().astype(np.uint16) * 16  # 0 to 4095 in a 16-bit file
    read = decode(bytes(cv2.imencode(".png", twelve_bits)[1]))
    assert np.abs(read.astype(int) - two()).max() <= 1


def test_deep_pixels_keep_the_contrast_of_bytes() -> None:
    grey = np.rint(np.linspace(230, 238, 40 * 40)).astype(np.uint8).reshape(40, 40)  # blank paper in shadow
    deep: list[npt.NDArray[Any]] = [
        grey.astype(np.uint16) * 257,
        grey.astype(np.float32),
        grey.astype(np.int64),
        grey / 255,
    ]
    deep += [np.rint(grey * (white / 255)).astype(np.uint16) for white in (1023, 4095, 16383, 65535)]
    for pixels in deep:
        assert np.array_equal(from_pixels(pixels, MAX_PIXELS), grey)
        colours = from_pixels(np.dstack([pixels] * 3), MAX_PIXELS)
        assert np.array_equal(colours, grey)
        if pixels.dtype == np.uint16:
            assert np.array_equal(decode(bytes(cv2.imencode(".png", pixels)[1])), grey)


@pytest.mark.parametrize("highest", [1, 3, 7, 16, 31, 250, 1000, 3900, 65000, 1e9, 3e38])
def test_floats_of_few_or_many_bits_keep_half_of_the_contrast(highest: float) -> None:
    levels = (two().astype(np.float32) - two().min()) / np.ptp(two())
    assert np.ptp(from_pixels(levels * np.float32(highest), MAX_PIXELS)) >= 127


def test_negative_numbers_are_stretched() -> None:
    grey = from_pixels(two().astype(np.float32) / 127.5 - 1, MAX_PIXELS)
    assert grey.min() == 0 and grey.max() == 255
    assert not from_pixels(np.full((20, 20), -3), MAX_PIXELS).any()


def test_sixteen_bits_with_alpha() -> None:
    ink = np.zeros((48, 48), np.uint16)
    alpha = (235 - two()).astype(np.uint16) * 312
    data = bytes(cv2.imencode(".png", np.dstack([ink, ink, ink, alpha]))[1])
    assert np.mean((decode(data) > 127) == (two() > 127)) > 0.99


def test_memory_of_a_large_scan_is_bounded() -> None:
    side = 1000
    data = bytes(cv2.imencode(".png", np.full((side, side, 4), 30_000, np.uint16))[1])
    # 8 of these bytes a pixel are those of the file.
    assert peak_bytes(lambda: decode(data)) < 25 * side * side


@pytest.mark.parametrize("side", [4, 8, 4000])
def test_small_and_large_images_are_decoded(side: int) -> None:
    image = np.full((side, side), 200, np.uint8)
    assert decode(bytes(cv2.imencode(".png", image)[1])).shape == (side, side)


def test_a_tiny_image_is_refused() -> None:
    with pytest.raises(ImageError) as caught:
        decode(bytes(cv2.imencode(".png", np.zeros((3, 50), np.uint8))[1]))
    assert caught.value.reason == "too_small"


@pytest.mark.parametrize("name", SEVERAL_PAGES)
def test_several_pages_are_refused(name: str) -> None:
    with pytest.raises(ImageError) as caught:
        decode(SEVERAL_PAGES[name](two()))
    assert caught.value.reason == "several_pages"


def test_the_name_does_not_decide_the_format(tmp_path: Path) -> None:
    path = tmp_path / "really a jpeg.png"
    path.write_bytes(FORMATS["jpeg-grey"](two()))
    assert read(path).shape == (48, 48)


def png(width: int, height: int, pixels: bytes, depth: int = 8) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, depth, 0, 0, 0, 0)
    parts = (b"IHDR", header), (b"tRNS", b"\0\0"), (b"IDAT", pixels), (b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(png_chunk(*part) for part in parts)


WIDE = 60_000
BOMBS = {
    "bmp": struct.pack("<2sIHHI", b"BM", 154, 0, 0, 54)
    + struct.pack("<IiiHHIIiiII", 40, WIDE, WIDE, 1, 24, 0, 0, 0, 0, 0, 0)
    + b"\1" * 100,
    "tiff": struct.pack("<4sIH", b"II*\0", 8, 4)
    + b"".join(
        struct.pack("<HHII", tag, 4, 1, value)
        for tag, value in [(256, WIDE), (257, WIDE), (273, 8), (279, 9)]
    )
    + bytes(4),
    "jpeg": FORMATS["jpeg-grey"](two()).replace(struct.pack(">HH", 48, 48), struct.pack(">HH", WIDE, WIDE)),
    "pgm in full": b"P5\n60000 60000\n255\n" + b"\1" * 100,
    "pgm in text": b"P2\n60000 60000\n255\n" + b"1 " * 100,
    "png": png(60_000, 60_000, zlib.compress(bytes(1000))),
    "pgm": b"P5\n1 70000000\n255\n" + b"\1" * 70_000_000,
    "gif": b"GIF89a\x60\xea\x60\xea\0\0\0,\0\0\0\0\x60\xea\x60\xea\0\2\1\0\0;",
    "webp": b"RIFF\x1a\0\0\0WEBPVP8L\x0d\0\0\0\x2f" + struct.pack("<I", 16383 | 16383 << 14) + b"\1" * 9,
}


@pytest.mark.parametrize("name", BOMBS)
def test_pixels_are_counted_before_decoding(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cv2, "imdecode", lambda *_: pytest.fail("decoded"))
    with pytest.raises(ImageError) as caught:
        decode(BOMBS[name])
    assert caught.value.reason == "too_large"


def test_a_file_that_is_too_large_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "sparse.png"
    with path.open("wb") as file:
        file.truncate(1 << 40)
    assert failure(path).reason == "too_large"


@pytest.mark.parametrize("depth", [0, 3, 5, 32, 255])
def test_a_png_of_unknown_bits_is_damaged(depth: int) -> None:
    with pytest.raises(ImageError) as caught:
        decode(png(48, 48, zlib.compress(bytes(48 * 49)), depth))
    assert caught.value.reason == "damaged"


def test_missing_pixels_of_a_png_are_damage() -> None:
    rows = b"".join(b"\0" + row.tobytes() for row in two())
    for pixels in (zlib.compress(rows)[:100], zlib.compress(rows[: len(rows) // 2])):
        with pytest.raises(ImageError) as caught:
            decode(png(48, 48, pixels))
        assert caught.value.reason == "damaged"


def test_missing_pixels_of_a_jpeg_are_damage(capfd: pytest.CaptureFixture[str]) -> None:
    data = FORMATS["jpeg-grey"](two())
    middle = len(data) * 3 // 4
    for cut in (data[:middle] + b"\xff\xd9", data[:middle] + data[middle + 100 :]):
        with pytest.raises(ImageError) as caught:
            decode(cut)
        assert caught.value.reason == "damaged"
    assert capfd.readouterr().err == ""


@pytest.mark.skipif(not hasattr(os, "memfd_create"), reason="only Linux has memfd")
@pytest.mark.parametrize(
    ("size", "reduced"),
    [((4000, 3000), (1000, 750)), ((5200, 200), (5200, 200)), ((5200, 400), (2600, 200)), ((600, 600),) * 2],
)
def test_a_large_jpeg_is_decoded_smaller(size: tuple[int, int], reduced: tuple[int, int]) -> None:
    """A number in a wide field keeps enough of its height."""
    data = cv2.imencode(".jpg", np.full(size[::-1], 200, np.uint8))[1].tobytes()
    assert decode(data).shape[::-1] == reduced


def test_a_jpeg_needs_no_temporary_file(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_space(**_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("tempfile.mkstemp", no_space)
    decode(FORMATS["jpeg-grey"](two()))


def test_the_hash_is_of_the_bytes_that_were_read(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    data = FORMATS["png-8"](two())
    path.write_bytes(data)
    assert images_decode.read(ScanRef(str(path), "x"), MAX_PIXELS).sha256 == hashlib.sha256(data).hexdigest()
    path.write_bytes(data[:-5])
    error = failure(path)
    assert (error.reason, error.sha256) == ("truncated", hashlib.sha256(data[:-5]).hexdigest())


@pytest.mark.parametrize("name", ["png-8", "pgm"])  # files smaller than their pixels, or as large
def test_a_chunk_has_few_large_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setattr(images_decode, "CHUNK_BYTES", 2 * two().nbytes)
    contents = [FORMATS[name](two())] * 3 + [b"", b"hello, world"] + [FORMATS[name](two())] * 2
    refs = []
    for number, content in enumerate(contents):
        (tmp_path / str(number)).write_bytes(content)
        refs.append(ScanRef(str(tmp_path / str(number)), str(number)))
    chunks = list(images_decode.in_chunks(images_decode.read_all(refs, MAX_PIXELS, 1)))
    assert list(map(len, chunks)) == [2, 4, 1]
    read = [file for chunk in chunks for file in chunk]
    assert [ref.name for ref, _ in read] == [ref.name for ref in refs]
    assert [image.reason for _, image in read if isinstance(image, ImageError)] == ["empty", "not_an_image"]


def test_an_error_keeps_no_pixels_alive(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(FORMATS["png-8"](two())[:-5])
    ((_, error),) = images_decode.read_all([ScanRef(str(tmp_path / "a.png"), "a")], MAX_PIXELS, 1)
    assert isinstance(error, ImageError)
    assert (error.__traceback__, error.__cause__, error.__context__) == (None, None, None)


def test_a_file_that_cannot_be_read_has_a_reason(tmp_path: Path) -> None:
    (tmp_path / "empty.png").touch()
    (tmp_path / "folder.png").mkdir()
    (tmp_path / "link.png").symlink_to(tmp_path / "empty.png")
    os.mkfifo(tmp_path / "pipe.png")
    assert failure(tmp_path / "empty.png").reason == "empty"
    assert failure(tmp_path / "folder.png").reason == "not_a_file"
    assert failure(tmp_path / "link.png").reason == "not_a_file"
    assert failure(tmp_path / "pipe.png").reason == "not_a_file"
    assert failure(tmp_path / "gone.png").reason == "vanished"
    assert failure(tmp_path / "empty.png" / "inside.png").reason == "vanished"


def test_permission_denied_is_unreadable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(FORMATS["png-8"](two()))

    def deny(*_: object) -> int:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "open", deny)  # root may read what permissions forbid
    assert failure(path).reason == "unreadable"


def test_a_file_that_grows_while_it_is_read_is_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(FORMATS["png-8"](two()))
    fstat, calls = os.fstat, []

    def grow(descriptor: int) -> os.stat_result:
        calls.append(descriptor)
        if len(calls) == 2:
            with path.open("ab") as file:
                file.write(b"more")
        return fstat(descriptor)

    monkeypatch.setattr(os, "fstat", grow)
    assert failure(path).reason == "changed"
