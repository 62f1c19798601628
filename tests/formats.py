"""Writers of every format and flavour that digitbox reads, for the tests."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable
from typing import Any

import cv2
import imagecodecs
import numpy as np
import numpy.typing as npt
import pillow_heif
import tifffile
from PIL import Image as Pillow

from batch.records import Grey


def png_chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def _cv2(suffix: str, *parameters: int) -> Callable[[npt.NDArray[Any]], bytes]:
    def write(pixels: npt.NDArray[Any]) -> bytes:
        is_encoded, data = cv2.imencode(suffix, pixels, list(parameters))
        assert is_encoded
        return bytes(data)

    return write


def _pillow(kind: str, image: Pillow.Image, **options: Any) -> bytes:
    content = io.BytesIO()
    image.save(content, kind, **options)
    return content.getvalue()


def _heic(image: Pillow.Image) -> bytes:
    content = io.BytesIO()
    pillow_heif.from_pillow(image).save(content, quality=95)
    return content.getvalue()


def _one_bit(grey: Grey) -> Pillow.Image:
    return Pillow.fromarray(grey).point(lambda level: 255 if level > 127 else 0, "1")


def _colour(grey: Grey) -> Pillow.Image:
    return Pillow.fromarray(grey).convert("RGB")


def _palette(grey: Grey) -> Pillow.Image:
    return _colour(grey).quantize(16, dither=Pillow.Dither.NONE)


def _on_transparent(grey: Grey, mode: str) -> Pillow.Image:
    """Draw the ink on transparent ground; ink is what differs from the corner."""
    ground = int(grey[0, 0])
    alpha = np.abs(grey.astype(int) - ground)
    alpha = (alpha * 255 // max(1, alpha.max())).astype(np.uint8)
    ink = np.full_like(grey, 0 if ground > 127 else 255)
    bands = [ink] * (len(mode) - 1)
    return Pillow.merge(mode, [*map(Pillow.fromarray, bands), Pillow.fromarray(alpha)])


def _transparent_palette(grey: Grey) -> Pillow.Image:
    """Draw one-bit ink with a palette whose paper is transparent."""
    ground = int(grey[0, 0])
    ink = (np.abs(grey.astype(int) - ground) > 100).astype(np.uint8)
    image = Pillow.fromarray(ink).convert("P")
    level = 0 if ground > 127 else 255
    image.putpalette([128, 128, 128, level, level, level])
    image.info["transparency"] = 0
    return image


def _plain_pnm(kind: str, grey: Grey) -> bytes:
    height, width = grey.shape
    if kind == "P1":
        rows, head = [" ".join("01"[int(v < 128)] for v in row) for row in grey], "P1\n# one bit\n"
    elif kind == "P2":
        rows, head = [" ".join(map(str, row)) for row in grey.tolist()], "P2\n"
    else:
        rows, head = [" ".join(f"{v} {v} {v}" for v in row) for row in grey.tolist()], "P3\n"
    white = "" if kind == "P1" else "255\n"
    return (head + f"{width} {height}\n{white}" + "\n".join(rows) + "\n").encode()


def _raw_pnm(kind: str, grey: Grey) -> bytes:
    height, width = grey.shape
    if kind == "P4":
        return f"P4\n{width} {height}\n".encode() + np.packbits(grey < 128, axis=1).tobytes()
    if kind == "P6":
        return f"P6\n{width} {height}\n255\n".encode() + np.dstack([grey] * 3).tobytes()
    if kind == "P5-16":
        return (
            f"P5\n{width} {height}\n65535\n".encode() + (grey.astype(np.uint16) * 257).astype(">u2").tobytes()
        )
    return f"P5\n{width} {height}\n255\n".encode() + grey.tobytes()


def _low_pnm(kind: str, grey: Grey, white: int) -> bytes:
    """Write a raw PNM whose white is a smaller number than 255."""
    height, width = grey.shape
    levels = np.rint(grey / 255 * white).astype(np.uint8)
    pixels = levels if kind == "P5" else np.dstack([levels] * 3)
    return f"{kind}\n{width} {height}\n{white}\n".encode() + pixels.tobytes()


def _plain_sixteen(grey: Grey) -> bytes:
    height, width = grey.shape
    rows = [" ".join(map(str, row)) for row in _sixteen(grey).tolist()]
    return (f"P2\n{width} {height}\n65535\n" + "\n".join(rows) + "\n").encode()


def _bmp(
    depth: int, compression: int, pixels: bytes, shape: tuple[int, int], after: bytes, size: int = 40
) -> bytes:
    """Write a BMP; `after` follows the 40 bytes that every header has."""
    height, width = shape
    start = 14 + 40 + len(after)
    head = struct.pack("<2sIHHI", b"BM", start + len(pixels), 0, 0, start)
    head += struct.pack("<IiiHHIIiiII", size, width, height, 1, depth, compression, len(pixels), 0, 0, 0, 0)
    return head + after + pixels


def _run_lengths(grey: Grey) -> bytes:
    runs = b"".join(
        b"".join(b"\1" + bytes([level]) for level in row) + b"\0\0" for row in grey[::-1].tolist()
    )
    palette = b"".join(bytes([level, level, level, 0]) for level in range(256))
    return _bmp(8, 1, runs[:-2] + b"\0\1", grey.shape, palette)


def _masked(grey: Grey, fourth: Grey, alpha_mask: int | None) -> bytes:
    """Write a BMP of 32 bits with masks; without a mask for alpha, the fourth byte is unused."""
    masks = struct.pack("<III", 0xFF0000, 0xFF00, 0xFF)
    if alpha_mask is not None:
        masks += struct.pack("<I", alpha_mask) + bytes(108 - 40 - 16)
    pixels = np.dstack([grey, grey, grey, fourth])[::-1].tobytes()
    return _bmp(32, 3, pixels, grey.shape, masks, 40 if alpha_mask is None else 108)


def _transparent_bmp(grey: Grey) -> bytes:
    bands = np.asarray(_on_transparent(grey, "RGBA"))
    return _masked(bands[..., 0], bands[..., 3], 0xFF000000)


def _tiff_by_hand(grey: Grey, order: str, *, is_big: bool) -> bytes:
    """Write an uncompressed TIFF in either byte order, classic or with offsets of 64 bits."""
    height, width = grey.shape
    start = 16 if is_big else 8
    tags = [
        (256, width),
        (257, height),
        (258, 8),
        (259, 1),
        (262, 1),
        (273, start),
        (278, height),
        (279, grey.size),
    ]
    word, entries = ("Q", "Q") if is_big else ("I", "H")
    head = (b"II" if order == "<" else b"MM") + struct.pack(order + "H", 43 if is_big else 42)
    head += struct.pack(order + "HH", 8, 0) if is_big else b""
    content = head + struct.pack(order + word, start + grey.size) + grey.tobytes()
    content += struct.pack(order + entries, len(tags))
    for tag, value in tags:
        content += struct.pack(order + "HH" + word + word, tag, 16 if is_big else 4, 1, value)
    return content + bytes(8 if is_big else 4)


def pack_levels(grey: Grey, bits: int) -> bytes:
    """Return the levels of an image in 1, 2, 4 or 8 bits."""
    levels = np.rint(grey / 255 * ((1 << bits) - 1)).astype(np.uint8)
    each = np.unpackbits(levels[..., None], axis=2)[..., 8 - bits :]
    return np.packbits(each.reshape(len(grey), -1), axis=1).tobytes()


def tiff_of_bits(
    pixels: bytes, shape: tuple[int, ...], bits: list[int], photometric: int, palette: list[int] | None = None
) -> bytes:
    """Write an uncompressed TIFF of one strip whose components have these bits."""
    lists = {258: bits} | ({320: palette} if palette else {})
    tags = {256: shape[1], 257: shape[0], 259: 1, 262: photometric, 277: len(bits), 278: shape[0]}
    content, tags[279] = b"", len(pixels)
    start = 8 + 2 + 12 * (len(tags) + len(lists) + 1) + 4
    entries = {tag: (4, 1, struct.pack("<I", value)) for tag, value in tags.items()}
    for tag, values in lists.items():
        packed = struct.pack(f"<{len(values)}H", *values)
        at = struct.pack("<I", start + len(content)) if len(packed) > 4 else packed.ljust(4, b"\0")
        content += packed if len(packed) > 4 else b""
        entries[tag] = (3, len(values), at)
    entries[273] = (4, 1, struct.pack("<I", start + len(content)))
    directory = b"".join(
        struct.pack("<HHI", tag, *entries[tag][:2]) + entries[tag][2] for tag in sorted(entries)
    )
    return b"II*\0" + struct.pack("<IH", 8, len(entries)) + directory + bytes(4) + content + pixels


def _sixteen(grey: Grey) -> npt.NDArray[np.uint16]:
    return grey.astype(np.uint16) * 257


def _tifffile(pixels: npt.NDArray[Any], **options: Any) -> bytes:
    content = io.BytesIO()
    tifffile.imwrite(content, pixels, **({"photometric": "minisblack"} | options))
    return content.getvalue()


def _planes(grey: npt.NDArray[Any]) -> npt.NDArray[Any]:
    return np.stack([grey] * 3)


def _few_bits(grey: Grey, bits: int) -> bytes:
    return _tifffile(np.rint(grey / 255 * ((1 << bits) - 1)).astype(np.uint8), bitspersample=bits)


def _inks(grey: Grey) -> Grey:
    """Return cyan, magenta, yellow and black: black ink alone."""
    return np.dstack([np.zeros_like(grey)] * 3 + [255 - grey])


EXTRA_FORMATS: dict[str, Callable[[Grey], bytes]] = {
    "TIFF of 2 bits": lambda grey: _few_bits(np.where(grey > 127, 255, 0).astype(np.uint8), 2),
    "TIFF of 4 bits": lambda grey: _few_bits(grey, 4),
    "TIFF of 6 bits": lambda grey: _few_bits(grey, 6),
    "TIFF of 4 bits, white is 0": lambda grey: _tifffile(
        (255 - grey) >> 4, bitspersample=4, photometric="miniswhite"
    ),
    "TIFF of 4 bits, palette of 8 bits": lambda grey: tiff_of_bits(
        pack_levels(grey, 4), grey.shape, [4], 3, [level * 17 for level in range(16)] * 3
    ),
    "TIFF RGB of 1 bit": lambda grey: tiff_of_bits(
        pack_levels(np.repeat(grey, 3, axis=1), 1), grey.shape, [1, 1, 1], 2
    ),
    "TIFF of half floats": lambda grey: _tifffile((grey / 255).astype(np.float16)),
    "TIFF of 3 half floats": lambda grey: _tifffile(
        np.dstack([grey] * 3).astype(np.float16) / 255, photometric="rgb"
    ),
    "TIFF CMYK of 16 bits": lambda grey: _tifffile(_sixteen(_inks(grey)), photometric="separated"),
    "TIFF RGB of 16 bits in planes": lambda grey: _tifffile(
        _planes(_sixteen(grey)), photometric="rgb", planarconfig="separate"
    ),
    "TIFF RGB of floats in planes": lambda grey: _tifffile(
        _planes((grey / 255).astype(np.float32)), photometric="rgb", planarconfig="separate"
    ),
    "TIFF in tiles of 16 x 16": lambda grey: _tifffile(grey, tile=(16, 16)),
    "TIFF of 1 bit in tiles": lambda grey: _tifffile(grey > 127, tile=(32, 32)),
    "TIFF with grey and alpha": lambda grey: _tifffile(
        np.dstack([grey, np.full_like(grey, 255)]), extrasamples=["unassalpha"], planarconfig="contig"
    ),
    "TIFF with Zstandard": lambda grey: _tifffile(grey, compression="zstd"),
    "TIFF with LZMA": lambda grey: _tifffile(grey, compression="lzma"),
    "TIFF with WebP": lambda grey: _tifffile(
        np.dstack([grey] * 3), compression="webp", photometric="rgb", compressionargs={"level": 101}
    ),
}
"""Writers of files that digitbox reads with the extra `formats` alone, by name; see `FORMATS`."""

PHOTO_FORMATS: dict[str, Callable[[Grey], bytes]] = {
    "HEIC": lambda grey: _heic(_colour(grey)),
    "HEIC with transparency": lambda grey: _heic(_on_transparent(grey, "RGBA")),
    "AVIF": lambda grey: _pillow("AVIF", _colour(grey), quality=95),
    "AVIF of 10 bits": lambda grey: bytes(
        imagecodecs.avif_encode(np.dstack([grey.astype(np.uint16) << 2] * 3), bitspersample=10)
    ),
    "AVIF with transparency": lambda grey: _pillow("AVIF", _on_transparent(grey, "RGBA"), quality=95),
    "JPEG 2000": lambda grey: bytes(imagecodecs.jpeg2k_encode(grey, codecformat="jp2")),
    "JPEG 2000 in colour, without boxes": lambda grey: bytes(
        imagecodecs.jpeg2k_encode(np.dstack([grey] * 3), codecformat="j2k")
    ),
    "JPEG 2000 of 12 bits": lambda grey: bytes(
        imagecodecs.jpeg2k_encode(grey.astype(np.uint16) << 4, codecformat="jp2", bitspersample=12)
    ),
    "JPEG XL": lambda grey: bytes(imagecodecs.jpegxl_encode(grey)),
    "JPEG XL in colour": lambda grey: bytes(imagecodecs.jpegxl_encode(np.dstack([grey] * 3))),
    "JPEG XL of 16 bits, in boxes": lambda grey: bytes(
        imagecodecs.jpegxl_encode(_sixteen(grey), usecontainer=True)
    ),
}
"""Writers of photos that digitbox reads with the extra `formats` alone, by name; see `FORMATS`."""

FORMATS: dict[str, Callable[[Grey], bytes]] = {
    "png-1": lambda grey: _pillow("PNG", _one_bit(grey)),
    "png-8": _cv2(".png"),
    "png-16": lambda grey: _cv2(".png")(_sixteen(grey)),
    "png-rgb": lambda grey: _pillow("PNG", _colour(grey)),
    "png-rgb-16": lambda grey: _cv2(".png")(np.dstack([_sixteen(grey)] * 3)),
    "png-palette": lambda grey: _pillow("PNG", _palette(grey)),
    "png-palette-transparent": lambda grey: _pillow("PNG", _transparent_palette(grey)),
    "png-grey-alpha": lambda grey: _pillow("PNG", _on_transparent(grey, "LA")),
    "png-rgb-alpha": lambda grey: _pillow("PNG", _on_transparent(grey, "RGBA")),
    "png-opaque-alpha": lambda grey: _pillow("PNG", _colour(grey).convert("RGBA")),
    "jpeg-grey": _cv2(".jpg", cv2.IMWRITE_JPEG_QUALITY, 92),
    "jpeg-rgb": lambda grey: _pillow("JPEG", _colour(grey), quality=92),
    "jpeg-cmyk": lambda grey: _pillow("JPEG", _colour(grey).convert("CMYK"), quality=92),
    "jpeg-progressive": lambda grey: _pillow("JPEG", _colour(grey), quality=92, progressive=True),
    "jpeg-optimised": lambda grey: _pillow("JPEG", _colour(grey), quality=92, optimize=True),
    "tiff-g4": lambda grey: _pillow("TIFF", _one_bit(grey), compression="group4"),
    "tiff-g3": lambda grey: _pillow("TIFF", _one_bit(grey), compression="group3"),
    "tiff-lzw": lambda grey: _pillow("TIFF", Pillow.fromarray(grey), compression="tiff_lzw"),
    "tiff-deflate": lambda grey: _pillow("TIFF", _colour(grey), compression="tiff_adobe_deflate"),
    "tiff-8": lambda grey: _pillow("TIFF", Pillow.fromarray(grey)),
    "tiff-16": lambda grey: _cv2(".tiff")(_sixteen(grey)),
    "tiff-jpeg": lambda grey: _pillow("TIFF", Pillow.fromarray(grey), compression="jpeg"),
    "tiff-packbits": lambda grey: _pillow("TIFF", Pillow.fromarray(grey), compression="packbits"),
    "tiff-cmyk": lambda grey: _pillow("TIFF", _colour(grey).convert("CMYK")),
    "tiff-alpha": lambda grey: _pillow("TIFF", _on_transparent(grey, "RGBA")),
    "tiff-rgb-16": lambda grey: _tifffile(np.dstack([_sixteen(grey)] * 3), photometric="rgb"),
    "tiff-rgb-planes": lambda grey: _tifffile(_planes(grey), photometric="rgb", planarconfig="separate"),
    "tiff-float": lambda grey: _tifffile((grey / 255).astype(np.float32)),
    "tiff-float-rgb": lambda grey: _tifffile(
        np.dstack([grey] * 3).astype(np.float32) / 255, photometric="rgb"
    ),
    "tiff-tiles": lambda grey: _tifffile(grey, tile=(32, 32)),
    "tiff-white-is-0": lambda grey: _tifffile(255 - grey, photometric="miniswhite"),
    "tiff-white-is-0-16": lambda grey: _tifffile(65535 - _sixteen(grey), photometric="miniswhite"),
    "tiff-big-endian": lambda grey: _tiff_by_hand(grey, ">", is_big=False),
    "tiff-64": lambda grey: _tiff_by_hand(grey, "<", is_big=True),
    "tiff-64-big-endian": lambda grey: _tiff_by_hand(grey, ">", is_big=True),
    "bmp-1": lambda grey: _pillow("BMP", _one_bit(grey)),
    "bmp-8": _cv2(".bmp"),
    "bmp-24": lambda grey: _pillow("BMP", _colour(grey)),
    "bmp-32": lambda grey: _pillow("BMP", _colour(grey).convert("RGBA")),
    "bmp-run-lengths": _run_lengths,
    "bmp-masked": lambda grey: _masked(grey, np.zeros_like(grey), None),
    "bmp-masked-no-alpha": lambda grey: _masked(grey, np.zeros_like(grey), 0),
    "bmp-transparent": _transparent_bmp,
    "bmp-no-opacity": lambda grey: _masked(grey, np.zeros_like(grey), 0xFF000000),
    "webp-lossy": lambda grey: _pillow("WEBP", _colour(grey), quality=90),
    "webp-lossless": lambda grey: _pillow("WEBP", _colour(grey), lossless=True),
    "webp-alpha": lambda grey: _pillow("WEBP", _on_transparent(grey, "RGBA"), lossless=True),
    "webp-lossy-alpha": lambda grey: _pillow("WEBP", _on_transparent(grey, "RGBA"), quality=90),
    "gif": lambda grey: _pillow("GIF", Pillow.fromarray(grey)),
    "gif-transparent": lambda grey: _pillow("GIF", _transparent_palette(grey), transparency=0),
    "pbm-plain": lambda grey: _plain_pnm("P1", grey),
    "pgm-plain": lambda grey: _plain_pnm("P2", grey),
    "ppm-plain": lambda grey: _plain_pnm("P3", grey),
    "pbm": lambda grey: _raw_pnm("P4", grey),
    "pgm": lambda grey: _raw_pnm("P5", grey),
    "pgm-1": lambda grey: _low_pnm("P5", grey, 1),
    "pgm-15": lambda grey: _low_pnm("P5", grey, 15),
    "ppm-100": lambda grey: _low_pnm("P6", grey, 100),
    "pgm-plain-16": _plain_sixteen,
    "pgm-16": lambda grey: _raw_pnm("P5-16", grey),
    "ppm": lambda grey: _raw_pnm("P6", grey),
}
"""Writers by name: each takes uint8 (height, width) with an even ground, and returns the bytes of a file."""

SEVERAL_PAGES: dict[str, Callable[[Grey], bytes]] = {
    "tiff": lambda grey: _pillow(
        "TIFF", Pillow.fromarray(grey), save_all=True, append_images=[Pillow.fromarray(255 - grey)]
    ),
    "gif": lambda grey: _pillow(
        "GIF", Pillow.fromarray(grey), save_all=True, append_images=[Pillow.fromarray(255 - grey)]
    ),
    "webp": lambda grey: _pillow("WEBP", _colour(grey), save_all=True, append_images=[_colour(255 - grey)]),
    "png": lambda grey: _pillow("PNG", _colour(grey), save_all=True, append_images=[_colour(255 - grey)]),
    "pgm": lambda grey: _raw_pnm("P5", grey) + _raw_pnm("P5", 255 - grey),
}
"""Writers of files with two pages or frames, by name."""


def second_page_damaged() -> bytes:
    """Write a TIFF of two pages, and damage the pixels of the second."""
    data = _pillow(
        "TIFF",
        Pillow.fromarray(two()),
        save_all=True,
        append_images=[Pillow.fromarray(255 - two())],
        compression="tiff_adobe_deflate",
    )
    start = data.rindex(b"\x78\x9c") + 20
    return data[:start] + bytes(4) + data[start + 4 :]


def two(paper: int = 235, ink: int = 25, side: int = 48) -> Grey:
    """Draw a handwritten 2 on even ground: uint8 (side, side)."""
    image = np.full((side, side), paper, np.uint8)
    points = np.array([[14, 15], [19, 9], [28, 9], [32, 16], [28, 24], [15, 37], [34, 37]]) * side // 48
    cv2.polylines(image, [points.astype(np.int32)], False, ink, max(1, side // 14), cv2.LINE_AA)
    return image


def numbered_scan(number: int, kind: str = "png-8") -> bytes:
    """Write a scan that differs from those of other numbers; `number` is below 65536."""
    image = two()
    image[0, :4] = [(number >> 4 * place & 15) + 200 for place in range(4)]
    return FORMATS[kind](image)
