"""PDFs as scanners, phones and programs write them, and damaged ones."""

import base64
import dataclasses
import tracemalloc
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from unittest.mock import Mock

import imagecodecs
import numpy as np
import pytest

import pdfs
from batch.config import MAX_PIXELS
from batch.errors import ImageError
from batch.images import decode, pdf, pdf_data
from batch.records import Grey, Image
from batch.terminal import stderr
from formats import two

KINDS = ["flate", "jpeg", "g4"]


def pages(data: bytes, max_pixels: int = MAX_PIXELS) -> list[Image | ImageError]:
    return list(decode.decode_pages(data, max_pixels))


def greys(data: bytes) -> list[Grey]:
    images = pages(data)
    assert all(isinstance(image, Image) for image in images), images
    return [image.grey for image in images if isinstance(image, Image)]


def reasons(data: bytes, max_pixels: int = MAX_PIXELS) -> list[str]:
    return [page.reason if isinstance(page, ImageError) else "" for page in pages(data, max_pixels)]


def far(image: Grey, other: Grey) -> int:
    """Return the largest difference between two images, 255 if they differ in size."""
    return int(np.abs(image.astype(int) - other).max()) if image.shape == other.shape else 255


@pytest.mark.parametrize("side", [48, 617])
@pytest.mark.parametrize("kind", KINDS)
def test_a_scan_keeps_its_pixels(kind: str, side: int) -> None:
    grey = two(255, 0, side)
    (image,) = greys(pdfs.write(pdfs.scan(grey, kind=kind)))
    limit = {"flate": 0, "jpeg": 40, "g4": 127}[kind]
    assert far(image, grey) <= limit and np.mean((image > 127) == (grey > 127)) > 0.999


@pytest.mark.parametrize("dpi", [72, 204, 600, 1000.5])
def test_a_page_has_the_resolution_of_its_scan(dpi: float) -> None:
    (image,) = greys(pdfs.write(pdfs.scan(two(), dpi=dpi)))
    assert far(image, two()) == 0


PAPER = pdfs.image(np.full((4, 4), 255, np.uint8))


def layer(grey: Grey, kind: str) -> list[tuple[str, bytes]]:
    """Return ink in the mask of an image of one pixel, or in a stencil. It comes last."""
    height, width = grey.shape
    size = f"/Width {width}/Height {height}/Filter/FlateDecode"
    bits = f"{size}/ImageMask true/BitsPerComponent 1", zlib.compress(pdfs.packed(grey, 1))
    levels = f"{size}/ColorSpace/DeviceGray/BitsPerComponent 8", zlib.compress((255 - grey).tobytes())
    ink = f"/Width 1/Height 1/ColorSpace/DeviceGray/BitsPerComponent 8/{kind} 4 0 R", b"\0"  # 4 is the mask
    return [bits] if kind == "ImageMask" else [levels if kind == "SMask" else bits, ink]


@pytest.mark.parametrize("has_paper", [True, False])
@pytest.mark.parametrize("kind", ["SMask", "Mask", "ImageMask"])
def test_ink_in_a_mask_keeps_its_pixels(kind: str, has_paper: bool) -> None:
    """Scanners that divide a page into ink and paper keep the paper, and the colours of the ink, small."""
    grey = np.where(two() > 127, 255, 0).astype(np.uint8)
    height, width = grey.shape
    images = [PAPER, *layer(grey, kind)]
    place = f"q {width} 0 0 {height} 0 0 cm"
    drawing = f"{place} /I0 Do Q " * has_paper + f"{place} /I{len(images) - 1} Do Q"
    (image,) = greys(pdfs.write(pdfs.PdfPage(width, height, drawing, images)))
    assert far(image, grey) == 0


@pytest.mark.parametrize("strips", [1, 8])
@pytest.mark.parametrize("kind", ["SMask", "Mask", "ImageMask"])
def test_ink_cropped_to_the_writing_keeps_its_pixels(kind: str, strips: int) -> None:
    grey = np.where(two() > 127, 255, 0).astype(np.uint8)
    height, width = grey.shape
    images = [PAPER, *layer(grey, kind)]
    drawing = "".join(
        f"q {4 * width} 0 0 {4 * height / strips} 0 {4 * height / strips * strip} cm /I0 Do Q "
        for strip in range(strips)
    )
    drawing += f"q {width} 0 0 {height} {width} {height} cm /I{len(images) - 1} Do Q"
    data = pdfs.write(pdfs.PdfPage(4 * width, 4 * height, drawing, images))
    (image,) = greys(data)
    assert reasons(data, 16 * width * height - 1) == [""]  # a small stamp is no reason to fail
    assert image.shape == (4 * height, 4 * width)
    assert far(image[2 * height : 3 * height, width : 2 * width], grey) == 0


def test_a_mask_that_is_not_there_counts_for_nothing() -> None:
    grey = two()
    page = pdfs.scan(grey)
    ((dictionary, data),) = page.images
    (image,) = greys(pdfs.write(replace(page, images=[(f"{dictionary}/SMask 99 0 R", data)])))
    assert far(image, grey) == 0


@pytest.mark.parametrize("turn", [90, 180, 270])
def test_a_turned_page_is_upright(turn: int) -> None:
    grey = two()[:40]
    (image,) = greys(pdfs.write(pdfs.scan(grey, more=f"/Rotate {turn}")))
    assert far(image, np.rot90(grey, -turn // 90)) == 0


def test_a_turned_image_is_drawn_as_the_page_says() -> None:
    grey = two()[:40]
    page = pdfs.scan(grey)
    # The image lies on its side, and the page turns it back.
    turned = pdfs.PdfPage(
        page.height_pt,
        page.width_pt,
        f"q 0 {page.width_pt} -{page.height_pt} 0 {page.height_pt} 0 cm /I0 Do Q",
        page.images,
    )
    (image,) = greys(pdfs.write(turned))
    assert far(image, np.rot90(grey)) == 0


def test_a_cropped_page_shows_what_is_left() -> None:
    grey = two()
    side_pt = 48 * 72 / 300
    (image,) = greys(pdfs.write(pdfs.scan(grey, more=f"/CropBox[0 {side_pt / 2} {side_pt} {side_pt}]")))
    assert far(image, grey[:24]) == 0


@pytest.mark.parametrize("side", [90, 81, 82, 83])  # the last strip has 10 rows, or 1 to 3
@pytest.mark.parametrize("kind", KINDS)
def test_an_image_in_strips_is_one(kind: str, side: int) -> None:
    grey = two(255, 0, side)
    (image,) = greys(pdfs.write(pdfs.strips(grey, kind=kind)))
    assert image.shape == grey.shape and np.abs(image.astype(int) - grey).mean() < 5


def test_a_tiny_page_is_too_small() -> None:
    assert reasons(pdfs.write(pdfs.scan(two()[:3], kind="jpeg"))) == ["too_small"]


def test_lines_are_drawn_with_300_dots_an_inch() -> None:
    (image,) = greys(pdfs.write(pdfs.PdfPage(72, 36, "5 w 10 10 m 60 30 l S")))
    assert image.shape == (150, 300) and image.min() < 50


def test_a_huge_page_of_lines_is_drawn_smaller() -> None:
    (image,) = greys(pdfs.write(pdfs.PdfPage(14_000, 7_000, "")))
    assert 19_000_000 < image.size < 21_000_000


def test_ink_in_a_colour_as_bright_as_the_paper_is_seen() -> None:
    drawing = ".4 .62 .4 rg 0 0 72 72 re f .85 .45 .45 RG 8 w 20 20 m 50 50 l S"
    (image,) = greys(pdfs.write(pdfs.PdfPage(72, 72, drawing)))
    assert int(image.max()) - int(image.min()) > 60


@pytest.mark.parametrize("ink", [(30, 40, 160), (245, 125, 170)], ids=["dark", "as bright as the paper"])
def test_the_inverse_of_a_coloured_page_is_inverse(ink: tuple[int, int, int]) -> None:
    weight = two(0, 255)[..., None] / 255
    image = np.rint((140, 175, 120) * (1 - weight) + np.array(ink) * weight).astype(np.uint8)
    image += np.random.default_rng(0).integers(0, 9, image.shape, np.uint8)
    (grey,), (inverse,) = (greys(pdfs.write(pdfs.coloured(rgb))) for rgb in (image, 255 - image))
    assert np.array_equal(grey, 255 - inverse) and np.ptp(grey) > 60


def test_pages_of_all_sizes_have_numbers() -> None:
    sizes = [48, 90, 30]
    data = pdfs.write(*(pdfs.scan(two(side=side)) for side in sizes))
    images = pages(data)
    assert [(image.page, image.pages) for image in images] == [(1, 3), (2, 3), (3, 3)]
    assert [image.grey.shape[0] for image in images if isinstance(image, Image)] == sizes
    assert len({image.sha256 for image in images}) == 1


def test_a_pdf_of_one_page_has_no_page_number() -> None:
    (image,) = pages(pdfs.write(pdfs.scan(two())))
    assert image.page == 0


def test_a_page_can_be_read_alone() -> None:
    data = pdfs.write(pdfs.scan(two()), pdfs.scan(255 - two()))
    images = list(decode.decode_pages(data, MAX_PIXELS, first=2))
    assert [image.page for image in images] == [2]


ENCRYPTED = f"/Encrypt<</Filter/Standard/V 1/R 2/P -4/O<{'41' * 32}>/U<{'42' * 32}>>>/ID[<01><01>]"


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"%PDF-1.7\n", "truncated"),
        (b"%PDF-1.7\n%%EOF\n", "damaged"),
        (pdfs.write(pdfs.scan(two()))[:-40], "truncated"),
        (pdfs.write(pdfs.scan(two()))[:600] + bytes(900), "truncated"),
        (
            b"%PDF-1.7\n1 0 obj\n<</Linearized 1/L 99999>>\nendobj\n" + pdfs.write(pdfs.scan(two())),
            "truncated",
        ),
        (pdfs.write(), "empty"),
        (
            pdfs.write().replace(b"<</Type/Pages/Count 0/Kids[]>>", b"<</Count 0/Kids[]/Type /Pages>>"),
            "empty",
        ),
        (b"%PDF-1.7\n1 0 obj\n<</Type/Outlines/Count 0>>\nendobj\n%%EOF\n", "damaged"),
        (pdfs.write(pdfs.scan(two()), trailer=ENCRYPTED), "encrypted"),
    ],
    ids=[
        "only a start",
        "only an end",
        "cut",
        "zeros",
        "web",
        "no page",
        "no page, either",
        "no tree of pages",
        "password",
    ],
)
def test_a_pdf_that_cannot_be_read_has_a_reason(data: bytes, reason: str) -> None:
    for _ in range(2):  # PDFium remembers errors
        assert reasons(data) == [reason]


def test_text_may_stand_before_and_after_a_pdf() -> None:
    data = pdfs.write(pdfs.scan(two()))
    assert reasons(b"\r\n" * 50 + data + b"\n" * 100) == [""]


@pytest.mark.parametrize("kind", ["flate", "jpeg"])
def test_a_page_whose_image_is_damaged_fails_alone(kind: str) -> None:
    noisy = np.random.default_rng(1).integers(0, 255, (60, 60), np.uint8)
    data = pdfs.image(noisy, kind)[1]
    damaged = bytearray(pdfs.write(pdfs.scan(two()), pdfs.scan(noisy, kind=kind), pdfs.scan(two())))
    middle = damaged.index(data) + len(data) // 2
    damaged[middle : middle + 40] = bytes(40) if kind == "flate" else b"\xff\xd9" + bytes(38)
    assert [bool(reason) for reason in reasons(bytes(damaged))] == [False, True, False]


@pytest.mark.parametrize("length", [0, 1, 3, 20, 160])
def test_a_jpeg_that_ends_in_its_header_is_damage(length: int) -> None:
    dictionary, data = pdfs.image(two(), "jpeg")
    page = pdfs.scan(two(), kind="jpeg")
    cut = pdfs.PdfPage(page.width_pt, page.height_pt, page.drawing, [(dictionary, data[:length])])
    assert [bool(reason) for reason in reasons(pdfs.write(page, cut, page))] == [False, True, False]


@pytest.mark.parametrize("bits", [1, 2, 4, 8, 16])
def test_an_image_of_any_depth_is_read(bits: int) -> None:
    palette = "".join(
        f"{level * 255 // ((1 << min(bits, 8)) - 1):02x}" * 3 for level in range(1 << min(bits, 8))
    )
    indexed = f"[/Indexed/DeviceRGB {(1 << min(bits, 8)) - 1}<{palette}>]"
    grey = two(255, 0)
    data = zlib.compress(pdfs.packed(grey, bits))
    kinds = {"/DeviceGray": data, indexed: data}
    kinds["/DeviceRGB"] = zlib.compress(pdfs.packed(np.repeat(grey, 3, axis=1), bits))
    for colours, content in kinds.items():
        if bits < 16 or colours != indexed:
            page = pdfs.stored(grey, content, "/FlateDecode", bits, colours)
            (image,) = greys(pdfs.write(page))
            assert np.mean((image > 127) == (grey > 127)) > 0.99
            cut = pdfs.stored(grey, content[: len(content) // 2], "/FlateDecode", bits, colours)
            assert reasons(pdfs.write(cut)) == ["truncated"]


@pytest.mark.parametrize("place", ["<<{}>>", "3 0 R", "[<<{}>>]", "[ 3 0 R ]", "[null 3 0 R]", "4 0 R"])
@pytest.mark.parametrize(("bits", "reason"), [(1, ""), (2, "unsupported"), (4, "unsupported"), (8, "")])
def test_differences_of_small_pixels_are_no_noise(bits: int, reason: str, place: str) -> None:
    grey = two(255, 0)
    step = 255 // ((1 << bits) - 1)
    levels = np.rint(grey / step).astype(np.uint8)
    differences = (np.diff(levels, axis=1, prepend=0) % (1 << bits)).astype(np.uint8)
    parameters = f"/Predictor 2/Columns {grey.shape[1]}/BitsPerComponent {bits}"
    data = zlib.compress(pdfs.packed(differences * step, bits))
    colours = f"/DeviceGray/DecodeParms {place.format(parameters)}"
    filters = "/FlateDecode"
    if "null" in place:
        data, filters = data.hex().encode() + b">", f"/ASCIIHexDecode{filters}"
    page = pdfs.stored(grey, data, filters, bits, colours)
    if place in ("<<{}>>", "3 0 R"):
        page = replace(page, images=[(page.images[0][0].replace("[/FlateDecode]", filters), data)])
    others = (
        pdfs.scan(np.full((64, 64), 255, np.uint8)),
        pdfs.scan(grey, kind="jpeg"),  # of the same size, but without a predictor
        pdfs.scan(grey, kind="g4"),
        pdfs.stored(grey, zlib.compress(pdfs.packed(grey, 1)), "/FlateDecode", 1),
    )
    file = pdfs.write(page, *others, more=[f"<<{parameters}>>", f"[<<{parameters}>>]"])
    assert reasons(file) == [reason, "", "", "", ""]
    if not reason:
        assert np.array_equal(greys(file)[0] > 127, grey > 127)


NOISY = np.random.default_rng(1).integers(0, 255, (60, 60), np.uint8)
JPEG, FLATE, RAW = pdfs.image(NOISY, "jpeg")[1], zlib.compress(NOISY.tobytes()), NOISY.tobytes()
JPX = bytes(imagecodecs.jpeg2k_encode(NOISY, codecformat="jp2"))
CODED: dict[str, tuple[bytes, Callable[[bytes], bytes]]] = {
    "/ASCIIHexDecode/FlateDecode": (FLATE, lambda data: data.hex().encode() + b">"),
    "/ASCII85Decode/FlateDecode": (FLATE, lambda data: base64.a85encode(data) + b"~>"),
    "/ASCII85Decode/DCTDecode": (JPEG, lambda data: base64.a85encode(data, wrapcol=60) + b"~>"),
    "/FlateDecode/DCTDecode": (JPEG, zlib.compress),
    "/FlateDecode/FlateDecode": (FLATE, zlib.compress),
    "/JPXDecode": (JPX, bytes),
}


@pytest.mark.parametrize("filters", CODED)
def test_half_of_the_data_is_truncated(filters: str) -> None:
    data, encode = CODED[filters]
    pages = [pdfs.stored(NOISY, encode(part), filters) for part in (data, data[: len(data) // 2])]
    assert reasons(pdfs.write(*pages)) == ["", "truncated"]


@pytest.mark.parametrize("filters", ["", "/FlateDecode"])
def test_less_than_a_bit_a_pixel_is_truncated(filters: str) -> None:
    encode = zlib.compress if filters else bytes
    pages = [pdfs.stored(NOISY, encode(part), filters) for part in (RAW, RAW[:479])]
    assert reasons(pdfs.write(*pages)) == ["", "truncated"]


def test_of_compressed_data_the_checksum_may_be_missing() -> None:
    pages = [pdfs.stored(NOISY, FLATE[:end], "/FlateDecode") for end in (-4, -1, -5)]
    assert reasons(pdfs.write(*pages)) == ["", "", "truncated"]


def test_a_wrong_checksum_or_header_is_damage() -> None:
    wrong = FLATE[:-4] + bytes(4), b"\0\0" + FLATE[2:]
    assert (
        reasons(pdfs.write(*(pdfs.stored(NOISY, data, "/FlateDecode") for data in wrong))) == ["damaged"] * 2
    )


def test_more_data_than_pixels_need_are_not_undone() -> None:
    content = zlib.compress(bytes(64 << 20))
    tracemalloc.start()
    assert reasons(pdfs.write(pdfs.stored(NOISY, content, "/FlateDecode"))) == [""]
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 16 << 20
    text = b"z" * (4 << 20)
    assert reasons(pdfs.write(pdfs.stored(NOISY, text, "/ASCII85Decode"))) == ["damaged"]


@pytest.mark.parametrize("name", [b"DCTDecoda", b"\x9f\xff\xfeDecode"], ids=["unknown", "no text"])
def test_an_unknown_filter_is_damage(name: bytes) -> None:
    data = pdfs.write(pdfs.scan(two(), kind="jpeg")).replace(b"DCTDecode", name)
    assert reasons(data) == ["damaged"]


def test_a_large_image_is_refused_before_it_is_drawn() -> None:
    data = pdfs.write(pdfs.scan(two()), pdfs.scan(two(side=90)))
    assert reasons(data, max_pixels=50 * 50) == ["", "too_large"]


def test_a_blank_page_is_white() -> None:
    (image,) = greys(pdfs.write(pdfs.PdfPage(20, 10, "")))
    assert image.min() == 255


def test_a_pdf_is_opened_only_in_the_turn_of_stderr() -> None:
    data = pdfs.write(pdfs.scan(two(), kind="jpeg"))
    with ThreadPoolExecutor(1) as other, pdf.open_document(data):
        assert not other.submit(stderr.turn.acquire, blocking=False).result()


def test_an_image_that_pages_draw_often_is_checked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    check = Mock(wraps=pdf_data.check_data)
    monkeypatch.setattr(pdf_data, "check_data", check)
    page = pdfs.scan(two())
    often = dataclasses.replace(page, drawing=page.drawing + "\n" + page.drawing)
    other = pdfs.scan(np.ascontiguousarray(two()[::-1]))
    pages = list(decode.decode_pages(pdfs.write(often, page, other), MAX_PIXELS))
    assert len(pages) == 3 and not any(isinstance(read, ImageError) for read in pages)
    assert check.call_count == 2
