"""The rendering of a digit as a raw scan that it might come from: paper, pen, box, light, camera."""

from __future__ import annotations

import dataclasses

import cv2
import numpy as np
import numpy.typing as npt

from batch.records import Grey
from batch.training.rendering.appearance import Appearance

Field = npt.NDArray[np.float32]

SUBPIXEL_BITS = 4  # lines are placed to a sixteenth of a pixel
INK_LEVEL = 60  # brighter pixels of the digit to render, 0 to 255, are ink
MIN_CUT_OUT_PX = 8  # the shorter side of a scan that is cut out along the digit


def render(digit: Grey, appearance: Appearance, rng: np.random.Generator) -> Grey:
    """Render a digit as a raw scan.

    Args:
        digit: Digit of any size, uint8 (height, width), white ink on black.
        appearance: Appearance of the scan.
        rng: Source of noise and of the exact place of lines and specks.

    Returns:
        The grey scan, uint8 (height, width).
    """
    if appearance.cut_out:
        appearance = _cut_out(digit, appearance)
    cover, digit_px = _place(digit, appearance, rng)
    cover = _change_pen(cover, appearance.pen_change_fraction * digit_px)
    if appearance.outlined:
        outline_px = max(2, round(0.04 * digit_px)) | 1
        kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (outline_px, outline_px))
        cover = cv2.dilate(cover, kernel) - cv2.erode(cover, kernel)
    if appearance.ink >= 255.0 and appearance.grain == 0.0:
        scan = _reduce(_shake(255 - _ink(cover, appearance, rng), appearance, rng), appearance)
    else:
        lines = _lines(appearance, rng)
        scan = _paper(appearance, rng) - np.maximum(_ink(cover, appearance, rng), lines)
        scan = _capture(scan, appearance, rng)
    picture = np.clip(scan, 0, 255).astype(np.uint8)
    if appearance.salt:
        chances = rng.random(picture.shape, dtype=np.float32)
        picture[chances < appearance.salt / 2] = 0
        picture[chances > 1 - appearance.salt / 2] = 255
    if appearance.band_fraction:
        _invert_band(picture, appearance.band_fraction, rng)
    if appearance.jpeg_quality:
        _, data = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, appearance.jpeg_quality])
        picture = np.asarray(cv2.imdecode(data, cv2.IMREAD_GRAYSCALE), np.uint8)
    return 255 - picture if appearance.inverted else picture


def _box(digit: Grey) -> tuple[int, int, int, int]:
    """Return top, bottom, left and right of the ink, or of the whole image if there is no ink."""
    left, top, width, height = cv2.boundingRect((digit > INK_LEVEL).astype(np.uint8))
    if not width:
        return 0, digit.shape[0], 0, digit.shape[1]
    return top, top + height, left, left + width


def _cut_out(digit: Grey, appearance: Appearance) -> Appearance:
    """Give the scan the digit's own shape. The longer side of the scan stays."""
    top, bottom, left, right = _box(digit)
    shape = appearance.stretch * (right - left) / (bottom - top)
    side = max(appearance.height_px, appearance.width_px)
    height, width = side * min(1.0, 1 / shape), side * min(1.0, shape)
    return dataclasses.replace(
        appearance, height_px=max(MIN_CUT_OUT_PX, round(height)), width_px=max(MIN_CUT_OUT_PX, round(width))
    )


def _place(digit: Grey, appearance: Appearance, rng: np.random.Generator) -> tuple[Field, float]:
    """Put the digit on the canvas.

    Returns:
        How much of each pixel is ink, 0 to 1, and the digit's height in pixels.
    """
    top, bottom, left, right = _box(digit)
    height, width = bottom - top, right - left
    scale = appearance.digit_fraction * min(appearance.height_px / height, appearance.width_px / width)
    angle = np.radians(appearance.rotation_deg)
    rotation = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    shear = np.array([[1.0, appearance.slant], [0.0, 1.0]])
    forward = rotation @ shear @ np.diag([scale * appearance.stretch, scale])
    middle = np.array(
        [
            appearance.width_px / 2 + (appearance.width_px - width * scale) * appearance.offset[0],
            appearance.height_px / 2 + (appearance.height_px - height * scale) * appearance.offset[1],
        ]
    )
    shift = middle - forward @ np.array([(left + right) / 2, (top + bottom) / 2])
    size = appearance.width_px, appearance.height_px
    if appearance.elastic_fraction:
        y, x = np.mgrid[0 : appearance.height_px, 0 : appearance.width_px].astype(np.float32)
        x, y = x - np.float32(shift[0]), y - np.float32(shift[1])
        back = np.linalg.inv(forward).astype(np.float32)
        depth = appearance.elastic_fraction * height
        bend_x, bend_y = (
            cv2.resize(rng.standard_normal((4, 4), dtype=np.float32), size, interpolation=cv2.INTER_CUBIC)
            * np.float32(depth)
            for _ in range(2)
        )
        from_x = back[0, 0] * x + back[0, 1] * y + bend_x
        from_y = back[1, 0] * x + back[1, 1] * y + bend_y
        placed = cv2.remap(digit, from_x, from_y, cv2.INTER_CUBIC)
    else:
        placed = cv2.warpAffine(digit, np.column_stack([forward, shift]), size, flags=cv2.INTER_CUBIC)
    cover = placed.astype(np.float32) / 255
    if appearance.ink_softness is not None:
        cover = np.clip((cover - appearance.ink_edge) / appearance.ink_softness + 0.5, 0, 1)
    return cover, float(height * scale)


def _change_pen(cover: Field, change_px: float) -> Field:
    if change_px == 0.0:
        return cover
    if change_px > 0:
        kernel_px = max(2, round(2 * change_px)) + 1
        return cv2.dilate(cover, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (kernel_px, kernel_px)))
    radius_px = int(-change_px)
    kernel = (
        cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius_px + 1, 2 * radius_px + 1))
        if radius_px > 1
        else np.ones((2, 2), np.uint8)
    )
    thin = cv2.erode(cover, kernel)
    # A hairline that would break up stays as it is.
    return thin if np.count_nonzero(thin > 0.6) > 0.3 * np.count_nonzero(cover > 0.6) else cover


def _invert_band(picture: Grey, fraction: float, rng: np.random.Generator) -> None:
    """Invert a band across the scan in place, as at a dark print or at the edge of another paper."""
    turned = picture if rng.random() < 0.5 else picture.T
    width = max(1, round(fraction * turned.shape[1]))
    # Most bands lie inside, and some run over an edge.
    start = int(rng.integers(-width // 2, turned.shape[1] - width // 2))
    band = slice(max(0, start), start + width)
    turned[:, band] = 255 - turned[:, band]


def _noise(rng: np.random.Generator, height: int, width: int, step_px: int = 1) -> Field:
    """Draw standard normal noise, correlated over `step_px` pixels."""
    noise = rng.standard_normal((height // step_px + 2, width // step_px + 2), dtype=np.float32)
    if step_px > 1:
        size = width + 2 * step_px, height + 2 * step_px
        noise = np.asarray(cv2.resize(noise, size, interpolation=cv2.INTER_CUBIC), np.float32)
    return noise[:height, :width]


def _paper(appearance: Appearance, rng: np.random.Generator) -> Field:
    height, width = appearance.height_px, appearance.width_px
    paper = np.full((height, width), appearance.paper, np.float32)
    across, down, corners = appearance.light
    if any(appearance.light) or appearance.shadow:
        y = np.linspace(-1, 1, height, dtype=np.float32)[:, None]
        x = np.linspace(-1, 1, width, dtype=np.float32)[None]
        light = 1 + across * x + down * y - corners * (x * x + y * y)
        if appearance.shadow:
            angle = rng.uniform(0, 2 * np.pi)
            distance = x * np.cos(angle) + y * np.sin(angle) - rng.uniform(-0.7, 0.7)
            light = light * (1 - appearance.shadow / (1 + np.exp(-distance / rng.uniform(0.03, 0.2))))
        paper *= light.astype(np.float32)
    if appearance.stains:
        paper += _noise(rng, height, width, int(rng.integers(6, 20))) * np.float32(appearance.stains)
    return paper


def _line(canvas: Field, start: tuple[float, float], end: tuple[float, float], width_px: float) -> None:
    unit = 2**SUBPIXEL_BITS
    ends = [(int(x * unit), int(y * unit)) for x, y in (start, end)]
    cv2.line(canvas, *ends, 1.0, max(1, round(width_px)), cv2.LINE_AA, SUBPIXEL_BITS)  # type: ignore[call-overload]


def _lines(appearance: Appearance, rng: np.random.Generator) -> Field:
    """Draw printed lines, and return how much darker than the paper they are, in levels."""
    height, width = appearance.height_px, appearance.width_px
    lines = np.zeros((height, width), np.float32)
    tilt_x, tilt_y = appearance.line_slope * width / 2, appearance.line_slope * height / 2
    if any(appearance.borders):
        margin = appearance.border_margin_fraction + rng.normal(0, 0.02, 4)
        pen = max(1.0, height * appearance.border_width_fraction) * rng.uniform(0.6, 1.4, 4)
        x0, y0 = margin[0] * width, margin[1] * height
        x1, y1 = (1 - margin[2]) * width, (1 - margin[3]) * height
        left, up, right, down = (0, 0, width, height) if appearance.borders_overshoot else (x0, y0, x1, y1)
        side_up = down - appearance.border_height_fraction * (down - up)
        top_side, bottom_side, left_side, right_side = (side > 0 for side in appearance.borders)
        if top_side:
            _line(lines, (left, y0 - tilt_x), (right, y0 + tilt_x), pen[0])
        if bottom_side:
            _line(lines, (left, y1 - tilt_x), (right, y1 + tilt_x), pen[1])
        if left_side:
            _line(lines, (x0 + tilt_y, side_up), (x0 - tilt_y, down), pen[2])
        if right_side:
            _line(lines, (x1 + tilt_y, side_up), (x1 - tilt_y, down), pen[3])
        if appearance.borders_dashed:
            dash_px = max(3, round(height * rng.uniform(0.04, 0.09)))
            y, x = np.mgrid[0:height, 0:width] // dash_px
            lines[(x + y) % 2 == 1] = 0
        lines *= np.float32(max(appearance.borders))
    elif appearance.ruling_step_fraction:
        step = height * appearance.ruling_step_fraction
        pen_px = 1 if rng.random() < 0.8 else 2
        for y in np.arange(rng.uniform(0, step), height, step):
            _line(lines, (0, y - tilt_x), (width, y + tilt_x), pen_px)
        if appearance.squared:
            for x in np.arange(rng.uniform(0, step), width, step):
                _line(lines, (x + tilt_y, 0), (x - tilt_y, height), pen_px)
        lines *= np.float32(appearance.ruling)
    return lines


def _ink(cover: Field, appearance: Appearance, rng: np.random.Generator) -> Field:
    """Draw the ink of the digit and around it, and return how much darker than the paper it is, in levels."""
    height, width = cover.shape
    ink = cover * np.float32(appearance.ink)
    if appearance.ink_texture or appearance.ink_blotches:
        factor = 1 + appearance.ink_texture * _noise(rng, height, width)
        factor = factor + appearance.ink_blotches * _noise(rng, height, width, 4)
        ink *= np.clip(factor, 0.15, 1.6)
    for _ in range(appearance.neighbours):
        ink = np.maximum(ink, _neighbour(cover, appearance, rng))
    if appearance.print:
        ink = np.maximum(ink, _print(appearance, rng))
    if appearance.bleed:
        back = _neighbour(cover, appearance, rng, min_reach=0.5)[:, ::-1]
        back = cv2.GaussianBlur(back, (0, 0), 0.02 * height + 0.5)
        ink = np.maximum(ink, back * np.float32(appearance.bleed))
    for _ in range(appearance.specks):
        radius = 0 if height < 70 else int(rng.integers(0, 2))
        place = int(rng.integers(width)), int(rng.integers(height))
        cv2.circle(ink, place, radius, float(appearance.ink * rng.uniform(0.4, 1)), -1)
    for _ in range(appearance.drops):
        blot = np.zeros_like(ink)
        size = tuple(int(side) for side in rng.integers(1, max(2, height // 12) + 1, 2))
        place = int(rng.integers(width)), int(rng.integers(height))
        depth = float(appearance.ink * rng.uniform(0.2, 0.7))
        cv2.ellipse(blot, place, size, float(rng.uniform(0, 180)), 0, 360, depth, -1, cv2.LINE_AA)
        ink = np.asarray(np.maximum(ink, blot), np.float32)
    return ink


def _neighbour(
    cover: Field, appearance: Appearance, rng: np.random.Generator, min_reach: float = 0.0
) -> Field:
    """Draw the ink of another digit of the same hand, which lies partly in the scan.

    Args:
        cover: How much of each pixel is ink of the digit itself, 0 to 1.
        appearance: Appearance of the scan.
        rng: Source of the place.
        min_reach: How far into the scan it comes at least, as a fraction of the side.
    """
    height, width = cover.shape
    turned = cover[:: int(rng.choice((-1, 1))), :: int(rng.choice((-1, 1)))]
    columns, rows = np.flatnonzero(turned.max(axis=0) > 0.5), np.flatnonzero(turned.max(axis=1) > 0.5)
    if not columns.size:
        return np.zeros_like(cover)
    # The near end of the neighbour lies a little inside one edge of the scan.
    inside = min_reach + rng.uniform(0.0, 0.14)
    x, y = rng.uniform(-0.2, 0.2, 2) * (width, height)
    side = int(rng.choice(4, p=(0.35, 0.35, 0.15, 0.15)))
    if side == 0:
        x = inside * width - columns[-1]
    elif side == 1:
        x = (1 - inside) * width - columns[0]
    elif side == 2:
        y = inside * height - rows[-1]
    else:
        y = (1 - inside) * height - rows[0]
    shift = np.array([[1, 0, x], [0, 1, y]], np.float64)
    return np.asarray(cv2.warpAffine(turned, shift, (width, height)) * np.float32(appearance.ink), np.float32)


def _print(appearance: Appearance, rng: np.random.Generator) -> Field:
    """Draw the ink of printed characters above and below the digit."""
    height, width = appearance.height_px, appearance.width_px
    printed = np.zeros((height, width), np.uint8)
    scale = height * rng.uniform(0.1, 0.2) / 22  # the font's capitals are 22 pixels high
    text = "".join(rng.choice(list("ABEHKMNRSTUabdeghknrst0123456789.,:- "), 16))
    for bottom in (rng.uniform(0.0, 0.16), rng.uniform(0.98, 1.2)):
        place = int(-rng.uniform(0, 1) * height), int(bottom * height)
        thickness = max(1, round(2.5 * scale))
        cv2.putText(printed, text, place, cv2.FONT_HERSHEY_SIMPLEX, scale, 255, thickness, cv2.LINE_AA)
    return printed * np.float32(appearance.ink * appearance.print / 255)


def _shake(scan: Field, appearance: Appearance, rng: np.random.Generator) -> Field:
    """Move the camera along a straight line."""
    if appearance.motion_px < 1:
        return scan
    angle, radius = rng.uniform(0, np.pi), int(appearance.motion_px / 2) + 1
    kernel = np.zeros((2 * radius + 1, 2 * radius + 1), np.float32)
    x, y = float(np.cos(angle) * radius), float(np.sin(angle) * radius)
    _line(kernel, (radius - x, radius - y), (radius + x, radius + y), 1)
    return np.asarray(
        cv2.filter2D(scan, -1, kernel / kernel.sum(), borderType=cv2.BORDER_REPLICATE), np.float32
    )


def _reduce(scan: Field, appearance: Appearance) -> Field:
    """Reduce the resolution, and bring the scan back to its size if the appearance says so."""
    if appearance.resolution >= 1:
        return scan
    height, width = scan.shape
    size = max(8, round(width * appearance.resolution)), max(8, round(height * appearance.resolution))
    small = cv2.resize(scan, size, interpolation=cv2.INTER_AREA)
    if appearance.enlarged:
        small = cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR)
    return np.asarray(small, np.float32)


def _capture(scan: Field, appearance: Appearance, rng: np.random.Generator) -> Field:
    """Add the effects of the lens and of the sensor."""
    scan = _shake(scan, appearance, rng)
    if appearance.blur_px:
        scan = np.asarray(cv2.GaussianBlur(scan, (0, 0), appearance.blur_px), np.float32)
    scan = _reduce(scan, appearance)
    scan = scan + _noise(rng, *scan.shape) * np.float32(appearance.grain)
    if appearance.fax:
        local = cv2.blur(scan, (31, 31))
        scan = np.where(scan < local - 0.3 * appearance.ink, 0, 255).astype(np.float32)
    return scan
