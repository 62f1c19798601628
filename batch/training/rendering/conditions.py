"""Named conditions of scans, each with one difficulty, for robustness and benchmarks."""

from __future__ import annotations

from collections.abc import Mapping

from batch.training.rendering.appearance import Appearance

BOX = (130.0, 130.0, 130.0, 130.0)

CONDITIONS: Mapping[str, Appearance] = {
    "plain": Appearance(),
    "shadow": Appearance(shadow=0.4, light=(0.2, -0.2, 0.1)),
    "tinted": Appearance(paper=120, ink=80, stains=3),
    "ruled": Appearance(ruling_step_fraction=0.3, ruling=40, line_slope=0.01),
    "squared": Appearance(ruling_step_fraction=0.22, ruling=40, squared=True),
    "box": Appearance(borders=BOX, digit_fraction=0.6),
    "partial box": Appearance(borders=(0, 130, 130, 0), border_margin_fraction=0.02, borders_overshoot=True),
    "specks and noise": Appearance(specks=8, grain=8),
    "faint pencil": Appearance(paper=215, ink=28, ink_texture=0.3, grain=2.5),
    "hairline": Appearance(pen_change_fraction=-0.035, height_px=120, width_px=120),
    "marker": Appearance(pen_change_fraction=0.05),
    "low resolution": Appearance(resolution=0.25, height_px=88, width_px=88),
    "blur": Appearance(blur_px=2.5),
    "JPEG": Appearance(jpeg_quality=20, grain=3),
    "fax": Appearance(fax=True, specks=4),
    "small, in a corner": Appearance(height_px=128, width_px=128, digit_fraction=0.2, offset=(0.35, -0.35)),
    "touching the edge": Appearance(digit_fraction=0.8, offset=(0.5, 0.0)),
    "cut out tightly": Appearance(digit_fraction=1.0, cut_out=True),
    "phone photo": Appearance(
        height_px=320,
        width_px=260,
        digit_fraction=0.3,
        rotation_deg=8,
        shadow=0.3,
        light=(0.2, 0.15, 0.12),
        grain=5,
        blur_px=1.5,
        jpeg_quality=60,
    ),
    "small, in a photo": Appearance(
        height_px=500,
        width_px=380,
        digit_fraction=0.1,
        shadow=0.3,
        light=(0.2, 0.15, 0.12),
        grain=4,
        blur_px=1.2,
        jpeg_quality=70,
    ),
    "stretched": Appearance(stretch=1.5),
    "slanted": Appearance(slant=0.35),
    "light on dark": Appearance(inverted=True),
}
