#!/bin/sh
# Sauvola's threshold in scikit-image loses faint strokes if the same image has floats instead of bytes.
#
# Seen with scikit-image 0.26.0 on a pencil stroke of five pixels, 50 levels darker than its paper. As uint8,
# `threshold_sauvola` finds over half of the stroke with its own window of 15 pixels. As floats of 0 to 1 (of
# `img_as_float` or `rgb2gray`), it finds a tenth. By its documentation, `r` is "half of the image dtype range". There,
# that of floats is -1 to 1, so `r` is twice as large as for bytes. With `r=0.5` both find the same. Of a grey stroke
# of 40 pixels, neither finds the inside: it becomes an outline.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q scikit-image==0.26.0 numpy==2.4.6
"$folder/venv/bin/python" - <<'PYTHON'
from importlib.metadata import version

import numpy as np
from skimage import img_as_float
from skimage.filters import threshold_sauvola

print("scikit-image", version("scikit-image"))


def expect(what, holds):
    print(what, "as found" if holds else "CHANGED")
    if not holds:
        raise SystemExit(1)


def stroke(width, ink, paper=220):
    """Return an image with an upright stroke of this width, and where it is."""
    image = np.random.default_rng(0).normal(paper, 2, (200, 200))
    is_drawn = np.zeros((200, 200), bool)
    is_drawn[40:160, 100 - width // 2 : 100 + (width + 1) // 2] = True
    image[is_drawn] += ink - paper
    return image.clip(0, 255).astype(np.uint8), is_drawn


def share(image, where, **options):
    return float(np.mean((image <= threshold_sauvola(image, **options))[where]))


pencil, drawn = stroke(5, 170)
as_bytes, as_floats = share(pencil, drawn), share(img_as_float(pencil), drawn)
print(f"  found of a pencil stroke: {as_bytes:.0%} as bytes, {as_floats:.0%} as floats")
expect("over half as bytes:", as_bytes > 0.5)
expect("less than a fifth as floats:", as_floats < 0.2)
half = share(img_as_float(pencil), drawn, r=0.5)
expect("with r=0.5, the same as bytes:", abs(half - as_bytes) < 0.02)
wider = [share(image, drawn, window_size=25) for image in (pencil, img_as_float(pencil))]
expect("with a window of 25 pixels they differ, too:", wider[0] - wider[1] > 0.1)
pen, drawn = stroke(40, 60)
inside = np.zeros_like(drawn)
inside[60:140, 95:105] = True
expect("the inside of a wide stroke is paper:", share(pen, inside) == share(img_as_float(pen), inside) == 0)
expect("with a window of 101 pixels it is ink:", share(pen, inside, window_size=101) > 0.99)
PYTHON
