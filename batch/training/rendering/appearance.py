"""The appearance of a rendered scan, and appearances drawn at random.

Shares and ranges were set by looking at renders beside real scans. As in reality, most effects are mild, and
several meet in a scan.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

MIN_DIGIT_PX = 9  # nobody reads smaller ones


@dataclass(frozen=True, slots=True, kw_only=True)
class Appearance:
    """The appearance of a scan.

    Levels are brightness, 0 to 255. Fractions are of the digit's or the scan's height. A contrast is a
    difference to the paper: how much darker, in levels.

    Attributes:
        height_px: Height of the scan in pixels.
        width_px: Width of the scan in pixels.
        digit_fraction: Height of the digit over that of the scan, or width over width, whichever is larger.
        cut_out: Whether the scan is cut out along the digit and has its shape. The longer side stays.
        offset: Place of the digit's middle, x and y, -0.5 to 0.5 of the free room.
        stretch: Width over height, relative to the digit before it is rendered.
        rotation_deg: Clockwise rotation of the digit, in degrees.
        slant: Shear of the digit to the left.
        elastic_fraction: Depth of slow random bends, as a fraction of the digit's height.
        ink_edge: Level of the digit, 0 to 1, that becomes the edge of the stroke; lower is bolder.
        ink_softness: Width of that edge in levels, 0 to 1; None keeps the digit's own grey.
        pen_change_fraction: How far stroke edges move, as a fraction of the digit's height; inwards if
            negative.
        paper: Level of the paper.
        ink: Contrast of the ink.
        ink_texture: Deviation of the ink's contrast from pixel to pixel, as a fraction of it.
        ink_blotches: Deviation of the ink's contrast from patch to patch, as a fraction of it.
        grain: Deviation of the paper's noise, in levels.
        light: Gradient across and down the scan, and fall-off to its corners, as fractions of the paper.
        shadow: Depth of a shadow with an edge across the scan, as a fraction of the paper.
        stains: Deviation of slow changes of the paper, in levels.
        borders: Contrast of printed borders top, bottom, left and right; 0 for none.
        border_width_fraction: Width of the borders.
        border_margin_fraction: Distance of the borders from the edge of the scan.
        border_height_fraction: Height of the side borders, from the bottom: 1 for a box, less for the tines
            of a comb.
        borders_dashed: Whether the borders are dashed.
        borders_overshoot: Whether the borders run to the edge of the scan.
        line_slope: Slope of borders and ruled lines.
        ruling_step_fraction: Distance of ruled lines; 0 for none.
        ruling: Contrast of ruled lines.
        squared: Whether ruled lines run both ways.
        neighbours: Number of neighbouring digits whose strokes reach into the scan.
        specks: Number of dots.
        print: Contrast of printed characters above and below, as a fraction of the ink's.
        bleed: Contrast of writing on the back of the paper, as a fraction of the ink's.
        drops: Number of grey blots.
        salt: Share of the pixels that are black or white by accident.
        outlined: Whether only the outline of the strokes is drawn.
        band_fraction: Part of the width or height, somewhere, that is inverted; 0 for none.
        blur_px: Deviation of the blur, in pixels.
        motion_px: Length of the camera's motion, in pixels.
        resolution: The fraction that the scan is shrunk to.
        enlarged: Whether the shrunk scan is brought back to its size.
        fax: Whether the scan is one bit deep.
        jpeg_quality: Quality of a JPEG compression, 1 to 100; 0 for none.
        inverted: Whether ink is light on dark.
    """

    height_px: int = 80
    width_px: int = 80
    digit_fraction: float = 0.65
    cut_out: bool = False
    offset: tuple[float, float] = (0.0, 0.0)
    stretch: float = 1.0
    rotation_deg: float = 0.0
    slant: float = 0.0
    elastic_fraction: float = 0.0
    ink_edge: float = 0.45
    ink_softness: float | None = 0.3
    pen_change_fraction: float = 0.0
    paper: float = 235.0
    ink: float = 180.0
    ink_texture: float = 0.0
    ink_blotches: float = 0.0
    grain: float = 1.5
    light: tuple[float, float, float] = (0.0, 0.0, 0.0)
    shadow: float = 0.0
    stains: float = 0.0
    borders: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 0.0)
    border_width_fraction: float = 0.03
    border_margin_fraction: float = 0.04
    border_height_fraction: float = 1.0
    borders_dashed: bool = False
    borders_overshoot: bool = False
    line_slope: float = 0.0
    ruling_step_fraction: float = 0.0
    ruling: float = 0.0
    squared: bool = False
    neighbours: int = 0
    specks: int = 0
    print: float = 0.0
    bleed: float = 0.0
    drops: int = 0
    salt: float = 0.0
    outlined: bool = False
    band_fraction: float = 0.0
    blur_px: float = 0.0
    motion_px: float = 0.0
    resolution: float = 1.0
    enlarged: bool = False
    fax: bool = False
    jpeg_quality: int = 0
    inverted: bool = False


def random_appearance(rng: np.random.Generator) -> Appearance:
    """Draw the appearance of a scan. About one in eight is clean like MNIST, the others on paper."""

    def uniform(low: float, high: float) -> float:
        return float(rng.uniform(low, high))

    def chance(share: float) -> bool:
        return bool(rng.random() < share)

    height = int(rng.choice([28, 36, 48, 64, 64, 80, 80, 96, 112, 128]))
    width = height if chance(0.55) else int(height * uniform(0.7, 1.35))
    clean = chance(0.12)
    fraction = uniform(0.35, 0.9) if chance(0.8) else uniform(0.2, 0.4) if chance(0.6) else uniform(0.9, 1.06)
    fraction = max(fraction, 1.2 * MIN_DIGIT_PX / min(height, width))
    if clean:
        fraction = uniform(0.55, 0.95)
    resolution = uniform(0.3, 0.6) if height >= 64 and not clean and chance(0.15) else 1.0
    if chance(0.06):  # scans with few pixels are often cut out tightly
        fraction = uniform(0.85, 1.05) if chance(0.6) else fraction
        resolution = min(1.0, uniform(1.0, 2.0) * MIN_DIGIT_PX / (fraction * min(height, width)))
    cut_out = chance(0.05)
    if cut_out:
        fraction = uniform(0.9, 1.04)
    max_offset = 0.5 if chance(0.12) else 0.34  # at 0.5 the digit touches the edge
    pen = rng.random()
    if pen < 0.22:
        pen_change = -uniform(0.01, 0.045)
    elif pen < 0.4:
        pen_change = uniform(0.02, 0.09) / 2
    else:
        pen_change = 0.0
    shape = {
        "height_px": height,
        "width_px": width,
        "digit_fraction": fraction,
        "cut_out": cut_out,
        "offset": (uniform(-max_offset, max_offset), uniform(-max_offset, max_offset)),
        "stretch": float(np.exp(rng.normal(0, 0.1) if chance(0.8) else rng.uniform(-0.45, 0.35))),
        "rotation_deg": uniform(-38, 38) if chance(0.1) else float(rng.normal(0, 6)),
        "slant": uniform(-0.6, 0.6) if chance(0.1) else float(rng.normal(0, 0.12)),
        "elastic_fraction": uniform(0.01, 0.045) if chance(0.5) else 0.0,
        "ink_edge": uniform(0.25, 0.65),
        "ink_softness": uniform(0.15, 0.5),
        "pen_change_fraction": pen_change,
        "outlined": chance(0.02),
        "motion_px": uniform(1, 0.12 * height) if chance(0.07) else 0.0,
        "drops": int(rng.integers(1, 8)) if chance(0.08) else 0,
        "salt": uniform(0.02, 0.2) if chance(0.04) else 0.0,
        "band_fraction": uniform(0.1, 0.6) if chance(0.02) else 0.0,
        "resolution": resolution,
        "enlarged": chance(0.5),
    }
    if clean:
        shape["ink_softness"] = shape["ink_softness"] if chance(0.7) else None
        return Appearance(**shape, paper=255.0, ink=255.0, grain=0.0, inverted=chance(0.5))  # type: ignore[arg-type]
    paper = uniform(150, 252) if chance(0.75) else uniform(70, 160)
    pencil = chance(0.3)
    ink = paper * (uniform(0.08, 0.45) if pencil else uniform(0.35, 0.95))
    has_side = [chance(0.5) for _ in range(4)] if chance(0.7) else [True] * 4
    form = rng.random()
    boxed, ruled = form < 0.45, 0.45 <= form < 0.6
    comb = chance(0.12)
    if comb:
        has_side = [False, chance(0.85), True, True]
    border_contrast = paper * uniform(0.3, 1.0)
    blur = uniform(0.3, 1.0) if chance(0.8) else uniform(1.0, 2.0)
    return Appearance(
        **shape,  # type: ignore[arg-type]
        paper=paper,
        ink=ink,
        ink_texture=uniform(0.1, 0.35) if pencil else 0.0,
        ink_blotches=uniform(0.0, 0.2) if pencil or chance(0.5) else 0.0,
        grain=min(uniform(0.3, 3.0) * (1.0 if chance(0.8) else 2.5), ink / 7),
        light=(uniform(-0.25, 0.25), uniform(-0.25, 0.25), uniform(0, 0.15)) if chance(0.7) else (0, 0, 0),
        shadow=uniform(0.1, 0.5) if chance(0.2) else 0.0,
        stains=uniform(1, 5) * min(1.0, ink / 60) if chance(0.35) else 0.0,
        borders=(
            border_contrast * has_side[0] * boxed,
            border_contrast * has_side[1] * boxed,
            border_contrast * has_side[2] * boxed,
            border_contrast * has_side[3] * boxed,
        ),
        border_width_fraction=uniform(0.01, 0.06) if chance(0.85) else uniform(0.06, 0.12),
        border_margin_fraction=uniform(-0.02, 0.09) if chance(0.8) else uniform(0.05, 0.16),
        border_height_fraction=uniform(0.2, 0.7) if comb else 1.0,
        borders_dashed=chance(0.06),
        borders_overshoot=chance(0.5) and not comb,
        line_slope=float(rng.normal(0, 0.02)),
        ruling_step_fraction=uniform(0.15, 0.6) if ruled else 0.0,
        ruling=min(ink * uniform(0.15, 0.65), paper * 0.5),
        squared=chance(0.5),
        neighbours=int(rng.integers(1, 3)) if chance(0.16) else 0,
        print=uniform(0.2, 1.1) if chance(0.08) else 0.0,
        bleed=uniform(0.05, 0.25) if chance(0.06) else 0.0,
        specks=int(rng.integers(1, 8)) if chance(0.2) else 0,
        blur_px=max(0.3, blur * height / 64) if chance(0.45) else 0.0,
        fax=chance(0.06),
        jpeg_quality=int(rng.integers(25, 85)) if chance(0.12) else 0,
        inverted=chance(0.15),
    )
