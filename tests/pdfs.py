"""Writers of PDFs, for the tests: by hand, so that a test can say what each page has."""

from __future__ import annotations

import io
import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from PIL import Image as Pillow

from batch.records import Grey
from formats import pack_levels

DPI = 300


@dataclass(frozen=True)
class PdfPage:
    """A page of a PDF.

    Attributes:
        width_pt: Width in points.
        height_pt: Height in points.
        drawing: What draws it, in the language of PDF; `/I0 Do` draws its first image in a unit square.
        images: Each with its dictionary and its data.
        more: More of its own dictionary.
    """

    width_pt: float
    height_pt: float
    drawing: str
    images: Sequence[tuple[str, bytes]] = ()
    more: str = ""


def write(*pages: PdfPage, trailer: str = "", more: Sequence[str] = ()) -> bytes:
    """Write a PDF.

    Args:
        pages: Its pages.
        trailer: More of its trailer.
        more: More objects; the first is `3 0 R`.
    """
    objects = [b"<</Type/Catalog/Pages 2 0 R>>", b"", *map(str.encode, more)]
    kids = []
    for page in pages:
        names = []
        for place, (dictionary, data) in enumerate(page.images):
            objects.append(_stream(f"/Type/XObject/Subtype/Image{dictionary}", data))
            names.append(f"/I{place} {len(objects)} 0 R")
        objects.append(_stream("", page.drawing.encode()))
        objects.append(
            f"<</Type/Page/Parent 2 0 R/MediaBox[0 0 {page.width_pt} {page.height_pt}]{page.more}"
            f"/Resources<</XObject<<{''.join(names)}>>>>/Contents {len(objects)} 0 R>>".encode()
        )
        kids.append(f"{len(objects)} 0 R")
    objects[1] = f"<</Type/Pages/Count {len(pages)}/Kids[{' '.join(kids)}]>>".encode()
    content, offsets = bytearray(b"%PDF-1.7\n"), []
    for number, body in enumerate(objects, 1):
        offsets.append(len(content))
        content += f"{number} 0 obj\n".encode() + body + b"\nendobj\n"
    table = "".join(f"{offset:010d} 00000 n \n" for offset in offsets)
    end = f"trailer\n<</Size {len(objects) + 1}/Root 1 0 R{trailer}>>\nstartxref\n{len(content)}\n%%EOF\n"
    return bytes(content) + f"xref\n0 {len(objects) + 1}\n0000000000 65535 f \n{table}{end}".encode()


def scan(grey: Grey, *, kind: str = "flate", dpi: float = DPI, more: str = "") -> PdfPage:
    """Return a page of one image, as a scanner writes it.

    Args:
        grey: The image.
        kind: How it is compressed: `flate`, `jpeg` or `g4`.
        dpi: Dots an inch.
        more: More of the page's dictionary, e.g. `/Rotate 90`.
    """
    return _page(grey.shape[0], grey.shape[1], *image(grey, kind), dpi=dpi, more=more)


def coloured(rgb: Grey) -> PdfPage:
    """Return a page of one image in colour, (height, width, 3)."""
    height, width = rgb.shape[:2]
    dictionary = f"/Width {width}/Height {height}/ColorSpace/DeviceRGB/BitsPerComponent 8/Filter/FlateDecode"
    return _page(height, width, dictionary, zlib.compress(rgb.tobytes()))


def stored(grey: Grey, data: bytes, filters: str, bits: int = 8, colours: str = "/DeviceGray") -> PdfPage:
    """Return a page of one image whose data are ready.

    Args:
        grey: What has the size of the image.
        data: The data.
        filters: What undoes them, e.g. `/ASCIIHexDecode/FlateDecode`.
        bits: Bits of a component.
        colours: The colour space.
    """
    height, width = grey.shape
    size = f"/Width {width}/Height {height}/ColorSpace{colours}/BitsPerComponent {bits}/Filter[{filters}]"
    return _page(height, width, size, data)


def packed(grey: Grey, bits: int) -> bytes:
    """Return the levels of an image in 1, 2, 4, 8 or 16 bits."""
    return (grey.astype(">u2") * 257).tobytes() if bits == 16 else pack_levels(grey, bits)


def _page(height: int, width: int, dictionary: str, data: bytes, dpi: float = DPI, more: str = "") -> PdfPage:
    size = width * 72 / dpi, height * 72 / dpi
    return PdfPage(*size, f"q {size[0]} 0 0 {size[1]} 0 0 cm /I0 Do Q", [(dictionary, data)], more)


def image(grey: Grey, kind: str = "flate") -> tuple[str, bytes]:
    """Return the dictionary and the data of an image; see `scan`."""
    height, width = grey.shape
    size = f"/Width {width}/Height {height}/ColorSpace/DeviceGray"
    if kind == "flate":
        return f"{size}/BitsPerComponent 8/Filter/FlateDecode", zlib.compress(grey.tobytes())
    if kind == "jpeg":
        data = bytes(cv2.imencode(".jpg", grey, [cv2.IMWRITE_JPEG_QUALITY, 95])[1])
        return f"{size}/BitsPerComponent 8/Filter/DCTDecode", data
    tiff = io.BytesIO()
    Pillow.fromarray(grey).point(lambda level: 255 if level > 127 else 0, "1").save(
        tiff, "TIFF", compression="group4"
    )
    with Pillow.open(tiff) as opened:
        (start,), (length,) = opened.tag_v2[273], opened.tag_v2[279]  # type: ignore[attr-defined]
        black = "true" if opened.tag_v2[262] == 1 else "false"  # type: ignore[attr-defined]
    parameters = f"/DecodeParms<</K -1/Columns {width}/Rows {height}/BlackIs1 {black}>>"
    data = tiff.getvalue()[start : start + length]
    return f"{size}/BitsPerComponent 1/Filter/CCITTFaxDecode{parameters}", data


def cards(count: int, grey: Grey) -> bytes:
    """Write a PDF of cards: each has the image, in turn as a JPEG and as a fax."""
    return write(*(scan(grey, kind="g4" if number % 2 else "jpeg") for number in range(count)))


def strips(grey: Grey, height_px: int = 16, kind: str = "flate") -> PdfPage:
    """Return a page whose image is cut into strips; see `scan`."""
    height, width = grey.shape
    scale = 72 / DPI
    drawing, images = "", []
    for place, top in enumerate(range(0, height, height_px)):
        strip = np.ascontiguousarray(grey[top : top + height_px])
        bottom = height - top - len(strip)
        drawing += f"q {width * scale} 0 0 {len(strip) * scale} 0 {bottom * scale} cm /I{place} Do Q "
        images.append(image(strip, kind))
    return PdfPage(width * scale, height * scale, drawing, images)


def _stream(dictionary: str, data: bytes) -> bytes:
    return f"<<{dictionary}/Length {len(data)}>>\nstream\n".encode() + data + b"\nendstream"
