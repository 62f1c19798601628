#!/bin/sh
# Two PNGs with the same pixels give different greys in OpenCV, if one says that its colours are sRGB.
#
# Seen with opencv-python-headless 5.0.0.93: an sRGB or gAMA chunk changes the result of IMREAD_ANYDEPTH and of
# IMREAD_GRAYSCALE for a coloured PNG by up to 67 of 255 levels; IMREAD_COLOR gives the same colours. The
# transparent grey of a grey PNG (tRNS) is dropped even with IMREAD_UNCHANGED, at 1, 8 and 16 bits, where the
# transparent colour of an RGB PNG becomes an alpha channel.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q numpy==2.4.6 opencv-python-headless==5.0.0.93 pillow==13.0.0
"$folder/venv/bin/python" - <<'PYTHON'
import io, struct, zlib
import cv2, numpy as np, PIL
from PIL import Image

print("OpenCV", cv2.__version__, "Pillow", PIL.__version__)


def chunk(kind, body):
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(pixels, extra=b""):
    data = cv2.imencode(".png", pixels)[1].tobytes()
    data = data[:33] + extra + data[33:]  # after IHDR
    Image.open(io.BytesIO(data)).load()  # Pillow finds it valid
    return data


def read(data, flags):
    return cv2.imdecode(np.frombuffer(data, np.uint8), flags)


def expect(what, holds):
    print(what, "as found" if holds else "CHANGED")
    if not holds:
        raise SystemExit(1)


colours = np.random.default_rng(0).integers(0, 256, (40, 40, 3), np.uint8)
plain = png(colours)
for name, extra in {"sRGB": chunk(b"sRGB", b"\0"), "gAMA": chunk(b"gAMA", struct.pack(">I", 45455))}.items():
    marked = png(colours, extra)
    for flag in ("IMREAD_ANYDEPTH", "IMREAD_GRAYSCALE"):
        difference = cv2.absdiff(read(plain, getattr(cv2, flag)), read(marked, getattr(cv2, flag))).max()
        print(f"  {name}, {flag}: up to {difference} levels")
        expect("the grey differs:", difference > 20)
    same = np.array_equal(read(plain, cv2.IMREAD_COLOR), read(marked, cv2.IMREAD_COLOR))
    expect("the colours are the same:", same)
grey = colours[..., 0].copy()
grey[:20] = 200
for pixels, body in ((grey, struct.pack(">H", 200)), (grey.astype(np.uint16), struct.pack(">H", 200))):
    marked = png(pixels, chunk(b"tRNS", body))
    expect(f"{pixels.dtype} grey loses its transparency:", read(marked, cv2.IMREAD_UNCHANGED).ndim == 2)
colours[:20] = (200, 20, 10)
marked = read(png(colours, chunk(b"tRNS", struct.pack(">3H", 10, 20, 200))), cv2.IMREAD_UNCHANGED)
expect("RGB keeps it:", marked.shape == (40, 40, 4) and marked[0, 0, 3] == 0)
PYTHON
