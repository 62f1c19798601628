"""A labelled digit rendered as the raw scan it might have come from: paper, pen, box, light, camera."""

from __future__ import annotations

import dataclasses

import cv2
import numpy as np
import numpy.typing as npt

from batch.records import Grey
from batch.training.rendering.appearance import Appearance

Field = npt.NDArray[np.float32]

SUBPIXEL_BITS = 4
INK_LEVEL = 60  # of 255; brighter is ink in the digit to render
MIN_CUT_OUT_PX = 8  # the shorter side of a scan that is cut out along the digit


def render(digit: Grey, look: Appearance, rng: np.random.Generator) -> Grey:
    """Renders a digit as a raw scan.

    Args:
        digit: uint8 (height, width), white ink on black, of any size.
        look: how the scan looks.
        rng: source of noise and of the exact place of lines and specks.

    Returns:
        uint8 (height, width), grey.
    """
    look = _cut_out(digit, look) if look.cut_out else look
    cover, digit_px = _place(digit, look, rng)
    cover = _change_pen(cover, look.pen_change_fraction * digit_px)
    if look.outlined:
        reach = max(2, round(0.04 * digit_px)) | 1
        kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (reach, reach))
        cover = cv2.dilate(cover, kernel) - cv2.erode(cover, kernel)
    if look.scattered_px:
        cover = _scattered(cover, look.scattered_px, rng)
    if look.ink >= 255.0 and look.grain == 0.0:
        scan = _reduced(_shaken(255 - _ink(cover, look, rng), look, rng), look)
    else:
        lines = _lines(look, rng)
        scan = _paper(look, rng) - np.maximum(_ink(cover, look, rng), lines)
        scan = _capture(scan, look, rng)
    picture = np.clip(scan, 0, 255).astype(np.uint8)
    if look.salt:
        chances = rng.random(picture.shape, dtype=np.float32)
        picture[chances < look.salt / 2] = 0
        picture[chances > 1 - look.salt / 2] = 255
    if look.band_fraction:
        _invert_band(picture, look.band_fraction, rng)
    if look.jpeg_quality:
        _, data = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, look.jpeg_quality])
        picture = np.asarray(cv2.imdecode(data, cv2.IMREAD_GRAYSCALE), np.uint8)
    return 255 - picture if look.inverted else picture


def _box(digit: Grey) -> tuple[int, int, int, int]:
    """Top, bottom, left and right of the ink; of the whole image where there is none."""
    rows, columns = (
        np.flatnonzero(digit.max(axis=1) > INK_LEVEL),
        np.flatnonzero(digit.max(axis=0) > INK_LEVEL),
    )
    if rows.size == 0:
        return 0, digit.shape[0], 0, digit.shape[1]
    return int(rows[0]), int(rows[-1]) + 1, int(columns[0]), int(columns[-1]) + 1


def _cut_out(digit: Grey, look: Appearance) -> Appearance:
    """A look of the digit's own shape; its longer side stays."""
    top, bottom, left, right = _box(digit)
    shape = look.stretch * (right - left) / (bottom - top)
    side = max(look.height_px, look.width_px)
    height, width = side * min(1.0, 1 / shape), side * min(1.0, shape)
    return dataclasses.replace(
        look, height_px=max(MIN_CUT_OUT_PX, round(height)), width_px=max(MIN_CUT_OUT_PX, round(width))
    )


def _place(digit: Grey, look: Appearance, rng: np.random.Generator) -> tuple[Field, float]:
    """Puts the digit on the canvas: how much of a pixel is ink, 0 to 1; the digit's height in pixels."""
    top, bottom, left, right = _box(digit)
    height, width = bottom - top, right - left
    scale = look.digit_fraction * min(look.height_px / height, look.width_px / width)
    turn = np.radians(look.rotation_deg)
    rotation = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    shear = np.array([[1.0, look.slant], [0.0, 1.0]])
    forward = rotation @ shear @ np.diag([scale * look.stretch, scale])
    middle = np.array(
        [
            look.width_px / 2 + (look.width_px - width * scale) * look.offset[0],
            look.height_px / 2 + (look.height_px - height * scale) * look.offset[1],
        ]
    )
    shift = middle - forward @ np.array([(left + right) / 2, (top + bottom) / 2])
    size = look.width_px, look.height_px
    if look.elastic_fraction:
        y, x = np.mgrid[0 : look.height_px, 0 : look.width_px].astype(np.float32)
        x, y = x - np.float32(shift[0]), y - np.float32(shift[1])
        back = np.linalg.inv(forward).astype(np.float32)
        depth = look.elastic_fraction * height
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
    if look.ink_softness is not None:
        cover = np.clip((cover - look.ink_edge) / look.ink_softness + 0.5, 0, 1)
    return cover, float(height * scale)


def _change_pen(cover: Field, change_px: float) -> Field:
    if change_px == 0.0:
        return cover
    if change_px > 0:
        reach = max(2, round(2 * change_px)) + 1
        return cv2.dilate(cover, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (reach, reach)))
    reach = int(-change_px)
    kernel = (
        cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1, 2 * reach + 1))
        if reach > 1
        else np.ones((2, 2), np.uint8)
    )
    thin = cv2.erode(cover, kernel)
    # A hairline that would break up stays as it is.
    return thin if np.count_nonzero(thin > 0.6) > 0.3 * np.count_nonzero(cover > 0.6) else cover


def _scattered(cover: Field, reach_px: float, rng: np.random.Generator) -> Field:
    y, x = np.mgrid[0 : cover.shape[0], 0 : cover.shape[1]].astype(np.float32)
    dy, dx = rng.standard_normal((2, *cover.shape), dtype=np.float32) * np.float32(reach_px)
    drawn = cv2.remap(cover, x + dx, y + dy, cv2.INTER_LINEAR)
    return np.asarray(cv2.GaussianBlur(drawn, (0, 0), max(0.4, 0.5 * reach_px)), np.float32)


def _invert_band(picture: Grey, fraction: float, rng: np.random.Generator) -> None:
    """Inverts a band from top to bottom or from side to side, where two papers or a print meet."""
    part = picture if rng.random() < 0.5 else picture.T
    width = max(1, round(fraction * part.shape[1]))
    # Most bands lie inside, some run over an edge.
    start = int(rng.integers(-width // 2, part.shape[1] - width // 2))
    inside = slice(max(0, start), start + width)
    part[:, inside] = 255 - part[:, inside]


def _noise(rng: np.random.Generator, height: int, width: int, step_px: int = 1) -> Field:
    """Standard normal noise, correlated over `step_px`."""
    noise = rng.standard_normal((height // step_px + 2, width // step_px + 2), dtype=np.float32)
    if step_px > 1:
        size = width + 2 * step_px, height + 2 * step_px
        noise = np.asarray(cv2.resize(noise, size, interpolation=cv2.INTER_CUBIC), np.float32)
    return noise[:height, :width]


def _paper(look: Appearance, rng: np.random.Generator) -> Field:
    height, width = look.height_px, look.width_px
    paper = np.full((height, width), look.paper, np.float32)
    across, down, corners = look.light
    if any(look.light) or look.shadow:
        y = np.linspace(-1, 1, height, dtype=np.float32)[:, None]
        x = np.linspace(-1, 1, width, dtype=np.float32)[None]
        light = 1 + across * x + down * y - corners * (x * x + y * y)
        if look.shadow:
            turn = rng.uniform(0, 2 * np.pi)
            distance = x * np.cos(turn) + y * np.sin(turn) - rng.uniform(-0.7, 0.7)
            light = light * (1 - look.shadow / (1 + np.exp(-distance / rng.uniform(0.03, 0.2))))
        paper *= light.astype(np.float32)
    if look.stains:
        paper += _noise(rng, height, width, int(rng.integers(6, 20))) * np.float32(look.stains)
    return paper


def _line(canvas: Field, start: tuple[float, float], end: tuple[float, float], width_px: float) -> None:
    unit = 2**SUBPIXEL_BITS
    ends = [(int(x * unit), int(y * unit)) for x, y in (start, end)]
    cv2.line(canvas, *ends, 1.0, max(1, round(width_px)), cv2.LINE_AA, SUBPIXEL_BITS)  # type: ignore[call-overload]


def _lines(look: Appearance, rng: np.random.Generator) -> Field:
    """Printed lines: how much darker than the paper, in levels."""
    height, width = look.height_px, look.width_px
    lines = np.zeros((height, width), np.float32)
    tilt_x, tilt_y = look.line_slope * width / 2, look.line_slope * height / 2
    if any(look.borders):
        margin = look.border_margin_fraction + rng.normal(0, 0.02, 4)
        pen = max(1.0, height * look.border_width_fraction) * rng.uniform(0.6, 1.4, 4)
        x0, y0 = margin[0] * width, margin[1] * height
        x1, y1 = (1 - margin[2]) * width, (1 - margin[3]) * height
        left, up, right, down = (0, 0, width, height) if look.borders_overshoot else (x0, y0, x1, y1)
        side_up = down - look.border_height_fraction * (down - up)
        top_side, bottom_side, left_side, right_side = (side > 0 for side in look.borders)
        if top_side:
            _line(lines, (left, y0 - tilt_x), (right, y0 + tilt_x), pen[0])
        if bottom_side:
            _line(lines, (left, y1 - tilt_x), (right, y1 + tilt_x), pen[1])
        if left_side:
            _line(lines, (x0 + tilt_y, side_up), (x0 - tilt_y, down), pen[2])
        if right_side:
            _line(lines, (x1 + tilt_y, side_up), (x1 - tilt_y, down), pen[3])
        if look.borders_dashed:
            dash_px = max(3, round(height * rng.uniform(0.04, 0.09)))
            y, x = np.mgrid[0:height, 0:width] // dash_px
            lines[(x + y) % 2 == 1] = 0
        lines *= np.float32(max(look.borders))
    elif look.ruling_step_fraction:
        step = height * look.ruling_step_fraction
        pen_px = 1 if rng.random() < 0.8 else 2
        for y in np.arange(rng.uniform(0, step), height, step):
            _line(lines, (0, y - tilt_x), (width, y + tilt_x), pen_px)
        if look.squared:
            for x in np.arange(rng.uniform(0, step), width, step):
                _line(lines, (x + tilt_y, 0), (x - tilt_y, height), pen_px)
        lines *= np.float32(look.ruling)
    return lines


def _ink(cover: Field, look: Appearance, rng: np.random.Generator) -> Field:
    """Ink of the digit and of what lies about it: how much darker than the paper, in levels."""
    height, width = cover.shape
    ink = cover * np.float32(look.ink)
    if look.ink_texture or look.ink_blotches:
        strength = 1 + look.ink_texture * _noise(rng, height, width)
        strength = strength + look.ink_blotches * _noise(rng, height, width, 4)
        ink *= np.clip(strength, 0.15, 1.6)
    for _ in range(look.neighbours):
        ink = np.maximum(ink, _neighbour(cover, look, rng))
    if look.print:
        ink = np.maximum(ink, _print(look, rng))
    if look.bleed:
        back = cv2.GaussianBlur(_neighbour(cover, look, rng, reach=0.5)[:, ::-1], (0, 0), 0.02 * height + 0.5)
        ink = np.maximum(ink, back * np.float32(look.bleed))
    for _ in range(look.specks):
        radius = 0 if height < 70 else int(rng.integers(0, 2))
        place = int(rng.integers(width)), int(rng.integers(height))
        cv2.circle(ink, place, radius, float(look.ink * rng.uniform(0.4, 1)), -1)
    for _ in range(look.drops):
        blot = np.zeros_like(ink)
        size = tuple(int(side) for side in rng.integers(1, max(2, height // 12) + 1, 2))
        place = int(rng.integers(width)), int(rng.integers(height))
        depth = float(look.ink * rng.uniform(0.2, 0.7))
        cv2.ellipse(blot, place, size, float(rng.uniform(0, 180)), 0, 360, depth, -1, cv2.LINE_AA)
        ink = np.asarray(np.maximum(ink, blot), np.float32)
    return ink


def _neighbour(cover: Field, look: Appearance, rng: np.random.Generator, reach: float = 0.0) -> Field:
    """Ink of another digit of the same hand, of which a part is in the scan.

    Args:
        cover: how much of a pixel is ink of the digit itself.
        look: how the scan looks.
        rng: source of the place.
        reach: how far into the scan it comes at least, as a fraction of the side.
    """
    height, width = cover.shape
    turned = cover[:: int(rng.choice((-1, 1))), :: int(rng.choice((-1, 1)))]
    columns, rows = np.flatnonzero(turned.max(axis=0) > 0.5), np.flatnonzero(turned.max(axis=1) > 0.5)
    if not columns.size:
        return np.zeros_like(cover)
    # Its near end lies a little inside one edge of the scan.
    inside = reach + rng.uniform(0.0, 0.14)
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
    return np.asarray(cv2.warpAffine(turned, shift, (width, height)) * np.float32(look.ink), np.float32)


def _print(look: Appearance, rng: np.random.Generator) -> Field:
    """Ink of printed characters above or below the digit."""
    height, width = look.height_px, look.width_px
    printed = np.zeros((height, width), np.uint8)
    scale = height * rng.uniform(0.1, 0.2) / 22  # the font's capitals are 22 pixels high
    text = "".join(rng.choice(list("ABEHKMNRSTUabdeghknrst0123456789.,:- "), 16))
    for bottom in (rng.uniform(0.0, 0.16), rng.uniform(0.98, 1.2)):
        place = int(-rng.uniform(0, 1) * height), int(bottom * height)
        thickness = max(1, round(2.5 * scale))
        cv2.putText(printed, text, place, cv2.FONT_HERSHEY_SIMPLEX, scale, 255, thickness, cv2.LINE_AA)
    return printed * np.float32(look.ink * look.print / 255)


def _shaken(scan: Field, look: Appearance, rng: np.random.Generator) -> Field:
    """Motion of the camera along a straight line."""
    if look.motion_px < 1:
        return scan
    turn, reach = rng.uniform(0, np.pi), int(look.motion_px / 2) + 1
    kernel = np.zeros((2 * reach + 1, 2 * reach + 1), np.float32)
    x, y = float(np.cos(turn) * reach), float(np.sin(turn) * reach)
    _line(kernel, (reach - x, reach - y), (reach + x, reach + y), 1)
    return np.asarray(
        cv2.filter2D(scan, -1, kernel / kernel.sum(), borderType=cv2.BORDER_REPLICATE), np.float32
    )


def _reduced(scan: Field, look: Appearance) -> Field:
    """The scan with fewer pixels, perhaps brought back to its size."""
    if look.resolution >= 1:
        return scan
    height, width = scan.shape
    size = max(8, round(width * look.resolution)), max(8, round(height * look.resolution))
    small = cv2.resize(scan, size, interpolation=cv2.INTER_AREA)
    if look.enlarged:
        small = cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR)
    return np.asarray(small, np.float32)


def _capture(scan: Field, look: Appearance, rng: np.random.Generator) -> Field:
    """What the lens and the sensor make of it."""
    scan = _shaken(scan, look, rng)
    if look.blur_px:
        scan = np.asarray(cv2.GaussianBlur(scan, (0, 0), look.blur_px), np.float32)
    scan = _reduced(scan, look)
    scan = scan + _noise(rng, *scan.shape) * np.float32(look.grain)
    if look.fax:
        local = cv2.blur(scan, (31, 31))
        scan = np.where(scan < local - 0.3 * look.ink, 0, 255).astype(np.float32)
    return scan
