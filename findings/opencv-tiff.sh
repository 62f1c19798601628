#!/bin/sh
# OpenCV reads some valid TIFFs wrong, without a message, and refuses others that libtiff itself reads.
#
# Seen with opencv-python-headless 5.0.0.93, on TIFFs that tifffile 2026.3.3 wrote and reads back:
# - RGB of 16 bits, stored by planes: an image of the right size with wrong pixels, and nothing on stderr.
# - grey of 16 bits with MinIsWhite: the inverse of what 8 bits give.
# - uncompressed tiles of less than 1024 bytes, 8 bits: None; with deflate, or with 16 bits: read.
# - grey of 2 or 4 bits, half floats: None. Float RGB: None as grey, read as colour.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q numpy==2.4.6 opencv-python-headless==5.0.0.93 tifffile==2026.3.3 \
    imagecodecs==2026.3.6
"$folder/venv/bin/python" - <<'PYTHON' 2>"$folder/messages" || { cat "$folder/messages"; exit 1; }
import io
import cv2, numpy as np, tifffile

print("OpenCV", cv2.__version__, "tifffile", tifffile.__version__)
ramp = np.tile(np.arange(0, 240, 5, dtype=np.uint8), (48, 1))
rgb = np.dstack([ramp, ramp.T, ramp[::-1]])


def both(pixels, flags, **options):
    """Write a TIFF, and return what tifffile and OpenCV read."""
    file = io.BytesIO()
    tifffile.imwrite(file, pixels, **options)
    assert np.array_equal(tifffile.imread(io.BytesIO(file.getvalue())), pixels)
    return cv2.imdecode(np.frombuffer(file.getvalue(), np.uint8), flags)


def expect(what, holds):
    print(what, "as found" if holds else "CHANGED")
    if not holds:
        raise SystemExit(1)


anything, colour = cv2.IMREAD_ANYDEPTH, cv2.IMREAD_ANYDEPTH | cv2.IMREAD_COLOR
planes = np.ascontiguousarray(rgb.transpose(2, 0, 1))
expected = rgb[..., ::-1]
read = both(planes, colour, photometric="rgb", planarconfig="separate")
expect("RGB of 8 bits by planes is right:", np.array_equal(read, expected))
read = both(planes.astype(np.uint16) * 257, colour, photometric="rgb", planarconfig="separate")
wrong = np.mean(read != expected.astype(np.uint16) * 257)
print(f"  {wrong:.0%} of the values of 16 bits by planes differ; shape {read.shape}, {read.dtype}")
expect("RGB of 16 bits by planes is wrong:", read.shape == (48, 48, 3) and wrong > 0.5)
read8 = both(ramp, anything, photometric="miniswhite")
read16 = both(ramp.astype(np.uint16) * 257, anything, photometric="miniswhite")
expect("MinIsWhite of 8 bits is inverted:", np.array_equal(read8, 255 - ramp))
expect("MinIsWhite of 16 bits is not:", np.array_equal(read16, ramp.astype(np.uint16) * 257))
expect("tiles of 256 bytes are refused:", both(ramp, anything, photometric="minisblack", tile=(16, 16)) is None)
deflated = both(ramp, anything, photometric="minisblack", tile=(16, 16), compression="zlib")
expect("the same tiles deflated are read:", np.array_equal(deflated, ramp))
wide = both(ramp.astype(np.uint16), anything, photometric="minisblack", tile=(16, 16))
expect("tiles of 512 bytes, 16 bits, are read:", wide is not None and np.array_equal(wide, ramp))
for bits in (2, 4):
    read = both(ramp >> (8 - bits), anything, photometric="minisblack", bitspersample=bits)
    expect(f"grey of {bits} bits is refused:", read is None)
expect("half floats are refused:", both((ramp / 255).astype(np.float16), anything, photometric="minisblack") is None)
floats = (rgb / 255).astype(np.float32)
expect("float RGB is refused as grey:", both(floats, anything, photometric="rgb") is None)
expect("float RGB is read as colour:", np.array_equal(both(floats, colour, photometric="rgb"), floats[..., ::-1]))
PYTHON
if grep -c . "$folder/messages" >/dev/null; then echo "printed for the refused ones:"; head -3 "$folder/messages"; fi
