"""Files of several pages or frames, whatever their format."""

import io
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image as Pillow

from batch.config import MAX_PIXELS
from batch.errors import ImageError
from batch.images import container, decode, pages, pixels
from batch.records import Image, Reason, ScanRef
from formats import FORMATS, SEVERAL_PAGES, two


def read(data: bytes, first: int = 1) -> list[Image | ImageError]:
    return list(decode.decode_pages(data, MAX_PIXELS, first=first))


@pytest.mark.parametrize("name", SEVERAL_PAGES)
def test_each_page_is_an_image(name: str) -> None:
    first, second = read(SEVERAL_PAGES[name](two()))
    assert isinstance(first, Image) and isinstance(second, Image)
    assert [(first.page, first.pages), (second.page, second.pages)] == [(1, 2), (2, 2)]
    assert np.mean((first.grey > 127) == (two() > 127)) > 0.99
    assert np.mean((second.grey > 127) != (two() > 127)) > 0.99


@pytest.mark.parametrize("name", SEVERAL_PAGES)
def test_a_page_can_be_read_alone(name: str) -> None:
    data = SEVERAL_PAGES[name](two())
    (image,) = read(data, first=2)
    assert isinstance(image, Image) and np.array_equal(image.grey, read(data)[1].grey)  # type: ignore[union-attr]


def test_a_page_that_is_not_there_is_none() -> None:
    assert read(SEVERAL_PAGES["tiff"](two()), first=3) == read(FORMATS["png-8"](two()), first=2) == []


@pytest.mark.parametrize("name", SEVERAL_PAGES)
def test_half_a_file_has_no_page(name: str) -> None:
    data = SEVERAL_PAGES[name](two())
    for content in (data[: len(data) * 3 // 4], data[: len(data) * 3 // 4] + bytes(len(data) // 4)):
        assert [(image.page, isinstance(image, ImageError)) for image in read(content)] == [(0, True)]


def tiff(*images: Pillow.Image, **options: str) -> bytes:
    content = io.BytesIO()
    images[0].save(content, "TIFF", save_all=True, append_images=images[1:], **options)
    return content.getvalue()


def test_pages_of_a_tiff_may_differ_in_size_kind_and_orientation() -> None:
    grey = two()
    turned = Pillow.Exif()
    turned[0x112] = 6
    content = io.BytesIO()
    Pillow.fromarray(np.rot90(grey).copy()).save(content, "TIFF", tiffinfo=turned)
    images = [
        Pillow.fromarray(grey),
        Pillow.fromarray(two(side=90)).convert("RGB"),
        Pillow.fromarray(grey).convert("1", dither=Pillow.Dither.NONE),
        Pillow.open(content),
    ]
    found = read(tiff(*images))
    for image, side in zip(found, (48, 90, 48, 48), strict=True):
        assert isinstance(image, Image)
        expected = two(side=side)
        assert image.grey.shape == expected.shape
        assert np.mean((image.grey > 127) == (expected > 127)) > 0.98


def test_a_page_that_cannot_be_read_costs_no_other_page() -> None:
    data = bytearray(tiff(*(Pillow.fromarray(two()) for _ in range(3))))
    unusual = (259).to_bytes(2, "little") + (3).to_bytes(2, "little") + (1).to_bytes(4, "little")
    places = [place for place in range(len(data)) if data.startswith(unusual, place)]
    data[places[1] + 8 : places[1] + 10] = (1234).to_bytes(2, "little")
    assert [image.reason if isinstance(image, ImageError) else "" for image in read(bytes(data))] == [
        "",
        "unsupported",
        "",
    ]


def test_a_tiny_page_costs_no_other_page() -> None:
    tiny, scan = read(tiff(Pillow.fromarray(two()[:3]), Pillow.fromarray(two())))
    assert isinstance(tiny, ImageError) and tiny.reason == "too_small" and isinstance(scan, Image)


def test_pages_are_decoded_when_somebody_asks_for_them(monkeypatch: pytest.MonkeyPatch) -> None:
    decoded = []
    imdecode = cv2.imdecode

    def noting(content: npt.NDArray[np.uint8], flags: int) -> npt.NDArray[np.uint8]:
        decoded.append(len(content))
        return np.asarray(imdecode(content, flags), np.uint8)

    monkeypatch.setattr(cv2, "imdecode", noting)
    images = decode.decode_pages(tiff(*(Pillow.fromarray(two()) for _ in range(50))), MAX_PIXELS)
    for _ in range(3):
        next(images)
    assert len(decoded) == 3


@pytest.mark.parametrize("count", [3, 0.5])
def test_frames_come_a_few_at_a_time(count: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pages, "FRAMES_BYTES", int(4 * 48 * 48 * count))
    frames = [Pillow.fromarray(two(paper=200 + number)) for number in range(10)]
    content = io.BytesIO()
    frames[0].save(content, "GIF", save_all=True, append_images=frames[1:])
    found = [int(image.grey[0, 0]) for image in read(content.getvalue()) if isinstance(image, Image)]
    assert found == list(range(200, 210))


def test_a_small_limit_bounds_the_frames_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    decoded: list[int] = []
    decode_frames = pixels.decode_frames

    def noting(*arguments: Any) -> Any:
        frames = decode_frames(*arguments)
        decoded.append(len(frames))
        return frames

    monkeypatch.setattr(pixels, "decode_frames", noting)
    frames = [Pillow.fromarray(two(paper=200 + number)) for number in range(10)]
    content = io.BytesIO()
    frames[0].save(content, "GIF", save_all=True, append_images=frames[1:])
    assert len(list(decode.decode_pages(content.getvalue(), 48 * 48))) == 10
    assert decoded == [2] * 5


def test_a_lack_of_memory_for_a_frame_has_its_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr(pixels, "to_grey", fail)
    reasons = {page.reason for page in read(SEVERAL_PAGES["gif"](two())) if isinstance(page, ImageError)}
    assert reasons == {Reason.NO_MEMORY}


@pytest.mark.parametrize("count", [1, 3])
def test_frames_that_are_not_square_stay_below_the_limit(count: int) -> None:
    frames = [Pillow.fromarray(two(paper=200 + number, side=100)) for number in range(count)]
    content = io.BytesIO()
    frames[0].save(content, "GIF", save_all=True, append_images=frames[1:])
    data = bytearray(content.getvalue())
    data[12] = 255  # a pixel is more than four times as wide as high
    found = list(decode.decode_pages(bytes(data), 100 * 100))
    assert [image.grey.shape for image in found if isinstance(image, Image)] == [(24, 100)] * count


def test_too_many_pages_are_too_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(container, "MAX_PAGES", 1)
    for name, write in SEVERAL_PAGES.items():
        (error,) = read(write(two()))
        assert isinstance(error, ImageError) and (error.page, error.reason) == (0, "too_large"), name
    monkeypatch.setattr(container, "MAX_PAGES", 2)
    assert all(len(read(write(two()))) == 2 for write in SEVERAL_PAGES.values())


def test_an_image_for_programs_without_frames_is_no_page() -> None:
    frames = [Pillow.fromarray(two(paper=200 + number)) for number in range(3)]
    content = io.BytesIO()
    frames[0].save(content, "PNG", save_all=True, append_images=frames[1:], default_image=True)
    found = [int(image.grey[0, 0]) for image in read(content.getvalue()) if isinstance(image, Image)]
    assert found == [201, 202]


def test_several_pages_are_announced_first(tmp_path: Path) -> None:
    path = tmp_path / "two.tif"
    path.write_bytes(SEVERAL_PAGES["tiff"](two()))
    found = [page for _, page in decode.read_pages(ScanRef(str(path), "two.tif"), MAX_PIXELS)]
    assert [(page.page, page.pages) for page in found] == [(0, 2), (1, 2), (2, 2)]
    assert isinstance(found[0], ImageError) and found[0].reason == "several_pages"
    path.write_bytes(FORMATS["png-8"](two()))
    found = [page for _, page in decode.read_pages(ScanRef(str(path), "two.tif"), MAX_PIXELS)]
    assert [(page.page, page.pages) for page in found] == [(0, 1)]
