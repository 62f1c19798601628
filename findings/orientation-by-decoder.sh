#!/bin/sh
# Whether OpenCV turns a scan upright depends on the flag, the format and how a TIFF is stored.
#
# Seen with opencv-python-headless 5.0.0.93: EXIF is applied to JPEG, PNG and WebP with IMREAD_ANYDEPTH, and to none
# with IMREAD_UNCHANGED, the only flag that keeps alpha: a phone's or an editor's PNG with alpha comes out on its
# side. A TIFF in strips is turned with both flags. A TIFF in tiles comes out in pieces: each tile is turned alone.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q numpy==2.4.6 opencv-python-headless==5.0.0.93 pillow==13.0.0 tifffile==2026.3.3
"$folder/venv/bin/python" - <<'PYTHON'
import io
import cv2, numpy as np, PIL, tifffile
from PIL import Image, ImageOps

print("OpenCV", cv2.__version__, "Pillow", PIL.__version__, "tifffile", tifffile.__version__)
stored = np.zeros((64, 96), np.uint8)
stored[8:24, 8:88] = 255  # a bar near the top
upright = np.rot90(stored, -1)  # orientation 6: the file lies on its left side
exif = Image.Exif()
exif[0x0112] = 6


def expect(what, holds):
    print(what, "as found" if holds else "CHANGED")
    if not holds:
        raise SystemExit(1)


def looks(image):
    """Return how OpenCV's image lies."""
    grey = image if image.ndim == 2 else image[..., 0]
    for name, expected in (("upright", upright), ("stored", stored)):
        if grey.shape == expected.shape and np.mean((grey > 127) == (expected > 127)) > 0.98:
            return name
    return "in pieces"


def read(data, flag):
    return looks(cv2.imdecode(np.frombuffer(data, np.uint8), flag))


for kind, options in (("PNG", {}), ("WEBP", {"lossless": True}), ("JPEG", {"quality": 95})):
    file = io.BytesIO()
    Image.fromarray(stored).convert("RGB").save(file, kind, exif=exif, **options)
    turned = ImageOps.exif_transpose(Image.open(io.BytesIO(file.getvalue()))).convert("L")
    assert looks(np.asarray(turned)) == "upright"  # Pillow turns it
    found = [read(file.getvalue(), flag) for flag in (cv2.IMREAD_ANYDEPTH, cv2.IMREAD_UNCHANGED)]
    expect(f"{kind} {found}:", found == ["upright", "stored"])
for layout, options, expected in (("strips", {}, "upright"), ("tiles", {"tile": (32, 32)}, "in pieces")):
    file = io.BytesIO()
    tags = [(274, "H", 1, 6, True)]
    tifffile.imwrite(file, stored, photometric="minisblack", extratags=tags, **options)
    found = [read(file.getvalue(), flag) for flag in (cv2.IMREAD_ANYDEPTH, cv2.IMREAD_UNCHANGED)]
    print(f"TIFF in {layout}: {found}")
    expect(f"TIFF in {layout} with IMREAD_ANYDEPTH is {expected}:", found[0] == expected)
PYTHON
