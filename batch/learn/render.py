"""A labelled digit rendered as the raw scan it might have come from: paper, pen, box, light, camera.

A `Look` says everything about the scan but the digit; `random_look` draws one for training, in which
most effects are mild and several meet, as in reality. Shares and ranges were set by looking at the
renders beside real scans.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from batch.records import Grey

Field = npt.NDArray[np.float32]

SUBPIXEL_BITS = 4
INK_LEVEL = 60  # of 255; brighter is ink in the digit to render


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """How a scan looks. Levels are brightness, 0 to 255; fractions are of the digit's or the scan's height.

    Attributes:
        height_px, width_px: of the scan.
        digit_fraction: height (or width, where that binds) of the digit in the scan.
        offset: of the digit's middle, x and y, -0.5 to 0.5 of the room that is left.
        stretch: width over height, against the digit as given.
        rotation_deg, slant: clockwise; shear to the left.
        elastic_fraction: depth of slow random bends, of the digit's height.
        ink_edge: level of the digit, 0 to 1, that becomes the edge of the stroke; lower is bolder.
        ink_softness: width of that edge in levels, 0 to 1; None keeps the digit's own grey.
        pen_change_fraction: stroke edges move by this much of the digit's height, inwards if negative.
        paper: level of the paper.
        ink: how much darker than the paper the ink is, in levels.
        ink_texture, ink_blotches: deviation of the ink's strength, by the pixel and in patches.
        grain: deviation of the paper's noise, in levels.
        light: gradient across and down the scan and fall-off to its corners, as fractions of the paper.
        shadow: depth of a shadow with an edge across the scan, as a fraction of the paper.
        stains: deviation of slow changes of the paper, in levels.
        borders: strength of printed borders top, bottom, left and right, in levels; 0 for none.
        border_width_fraction, border_margin_fraction: their width; their distance from the edge.
        borders_overshoot: whether they run to the edge of the scan.
        line_slope: of borders and ruling.
        ruling_step_fraction: distance of ruled lines; 0 for none.
        ruling, squared: their strength in levels; whether they run both ways.
        neighbours, specks: how many strokes reach in from the edge; how many dots lie about.
        drops: how many grey blots lie about.
        salt: share of the pixels that are black or white by accident.
        outlined: whether only the outline of the strokes is drawn.
        blur_px, motion_px: deviation of the blur; how far the camera moved.
        resolution: the scan is shrunk to this fraction, and ...
        enlarged: ... brought back to its size.
        fax: whether it is one bit deep.
        jpeg_quality: 1 to 100, or 0 for none.
        inverted: whether ink is light on dark.
    """

    height_px: int = 80
    width_px: int = 80
    digit_fraction: float = 0.65
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
    borders_overshoot: bool = False
    line_slope: float = 0.0
    ruling_step_fraction: float = 0.0
    ruling: float = 0.0
    squared: bool = False
    neighbours: int = 0
    specks: int = 0
    drops: int = 0
    salt: float = 0.0
    outlined: bool = False
    blur_px: float = 0.0
    motion_px: float = 0.0
    resolution: float = 1.0
    enlarged: bool = False
    fax: bool = False
    jpeg_quality: int = 0
    inverted: bool = False


def random_look(rng: np.random.Generator) -> Look:
    """Draws the look of a training scan: about one in eight clean like MNIST, the others on paper."""

    def uniform(low: float, high: float) -> float:
        return float(rng.uniform(low, high))

    def chance(share: float) -> bool:
        return bool(rng.random() < share)

    height = int(rng.choice([28, 36, 48, 64, 64, 80, 80, 96, 112, 128]))
    width = height if chance(0.55) else int(height * uniform(0.7, 1.35))
    clean = chance(0.12)
    fraction = uniform(0.35, 0.9) if chance(0.85) else uniform(0.2, 0.4)
    if clean:
        fraction = uniform(0.55, 0.95)
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
        "offset": (uniform(-0.34, 0.34), uniform(-0.34, 0.34)),
        "stretch": float(np.exp(rng.normal(0, 0.1) if chance(0.8) else rng.uniform(-0.45, 0.35))),
        "rotation_deg": uniform(-33, 33) if chance(0.1) else float(rng.normal(0, 6)),
        "slant": uniform(-0.6, 0.6) if chance(0.1) else float(rng.normal(0, 0.12)),
        "elastic_fraction": uniform(0.01, 0.045) if chance(0.5) else 0.0,
        "ink_edge": uniform(0.25, 0.65),
        "ink_softness": uniform(0.15, 0.5),
        "pen_change_fraction": pen_change,
        "outlined": chance(0.02),
        "motion_px": uniform(1, 0.12 * height) if chance(0.06) else 0.0,
        "drops": int(rng.integers(1, 8)) if chance(0.08) else 0,
        "salt": uniform(0.02, 0.25) if chance(0.04) else 0.0,
    }
    if clean:
        shape["ink_softness"] = shape["ink_softness"] if chance(0.7) else None
        return Look(**shape, paper=255.0, ink=255.0, grain=0.0, inverted=chance(0.5))  # type: ignore[arg-type]
    paper = uniform(150, 252) if chance(0.75) else uniform(70, 160)
    pencil = chance(0.3)
    ink = paper * (uniform(0.08, 0.45) if pencil else uniform(0.35, 0.95))
    mask = [chance(0.5) for _ in range(4)] if chance(0.7) else [True] * 4
    lines = rng.random()
    boxed, ruled = lines < 0.45, 0.45 <= lines < 0.6
    strength = paper * uniform(0.3, 1.0)
    blur = uniform(0.3, 1.0) if chance(0.8) else uniform(1.0, 2.0)
    return Look(
        **shape,  # type: ignore[arg-type]
        paper=paper,
        ink=ink,
        ink_texture=uniform(0.1, 0.35) if pencil else 0.0,
        ink_blotches=uniform(0.0, 0.2) if pencil or chance(0.5) else 0.0,
        grain=min(uniform(0.3, 3.0) * (1.0 if chance(0.8) else 2.5), ink / 7),
        light=(uniform(-0.25, 0.25), uniform(-0.25, 0.25), uniform(0, 0.15)) if chance(0.7) else (0, 0, 0),
        shadow=uniform(0.1, 0.4) if chance(0.13) else 0.0,
        stains=uniform(1, 5) * min(1.0, ink / 60) if chance(0.35) else 0.0,
        borders=(
            strength * mask[0] * boxed,
            strength * mask[1] * boxed,
            strength * mask[2] * boxed,
            strength * mask[3] * boxed,
        ),
        border_width_fraction=uniform(0.01, 0.06) if chance(0.85) else uniform(0.06, 0.12),
        border_margin_fraction=uniform(-0.02, 0.09) if chance(0.8) else uniform(0.05, 0.16),
        borders_overshoot=chance(0.5),
        line_slope=float(rng.normal(0, 0.02)),
        ruling_step_fraction=uniform(0.15, 0.6) if ruled else 0.0,
        ruling=min(ink * uniform(0.15, 0.65), paper * 0.5),
        squared=chance(0.5),
        neighbours=int(rng.integers(1, 3)) if chance(0.12) else 0,
        specks=int(rng.integers(1, 8)) if chance(0.2) else 0,
        blur_px=max(0.3, blur * height / 64) if chance(0.45) else 0.0,
        resolution=uniform(0.3, 0.6) if height >= 64 and chance(0.15) else 1.0,
        enlarged=chance(0.5),
        fax=chance(0.06),
        jpeg_quality=int(rng.integers(25, 85)) if chance(0.12) else 0,
        inverted=chance(0.15),
    )


def render(digit: Grey, look: Look, rng: np.random.Generator) -> Grey:
    """Renders a digit as a raw scan.

    Args:
        digit: uint8 (height, width), white ink on black, of any size.
        look: how the scan looks.
        rng: source of noise and of the exact place of lines and specks.

    Returns:
        uint8 (height, width), grey.
    """
    cover, digit_px = _place(digit, look, rng)
    cover = _change_pen(cover, look.pen_change_fraction * digit_px)
    if look.outlined:
        reach = max(2, round(0.04 * digit_px)) | 1
        kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (reach, reach))
        cover = cv2.dilate(cover, kernel) - cv2.erode(cover, kernel)
    if look.ink >= 255.0 and look.grain == 0.0:
        scan = _shaken(255 - _ink(cover, look, rng), look, rng)
    else:
        lines = _lines(look, rng)
        scan = _paper(look, rng) - np.maximum(_ink(cover, look, rng), lines)
        scan = _capture(scan, look, rng)
    picture = np.clip(scan, 0, 255).astype(np.uint8)
    if look.salt:
        chances = rng.random(picture.shape, dtype=np.float32)
        picture[chances < look.salt / 2] = 0
        picture[chances > 1 - look.salt / 2] = 255
    if look.jpeg_quality:
        _, data = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, look.jpeg_quality])
        picture = np.asarray(cv2.imdecode(data, cv2.IMREAD_GRAYSCALE), np.uint8)
    return 255 - picture if look.inverted else picture


def _place(digit: Grey, look: Look, rng: np.random.Generator) -> tuple[Field, float]:
    """Puts the digit on the canvas: how much of a pixel is ink, 0 to 1; the digit's height in pixels."""
    rows, columns = (
        np.flatnonzero(digit.max(axis=1) > INK_LEVEL),
        np.flatnonzero(digit.max(axis=0) > INK_LEVEL),
    )
    if rows.size == 0:
        rows, columns = np.arange(digit.shape[0]), np.arange(digit.shape[1])
    top, bottom, left, right = rows[0], rows[-1] + 1, columns[0], columns[-1] + 1
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


def _noise(rng: np.random.Generator, height: int, width: int, step_px: int = 1) -> Field:
    """Standard normal noise, correlated over `step_px`."""
    noise = rng.standard_normal((height // step_px + 2, width // step_px + 2), dtype=np.float32)
    if step_px > 1:
        size = width + 2 * step_px, height + 2 * step_px
        noise = np.asarray(cv2.resize(noise, size, interpolation=cv2.INTER_CUBIC), np.float32)
    return noise[:height, :width]


def _paper(look: Look, rng: np.random.Generator) -> Field:
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


def _lines(look: Look, rng: np.random.Generator) -> Field:
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
        top_side, bottom_side, left_side, right_side = (side > 0 for side in look.borders)
        if top_side:
            _line(lines, (left, y0 - tilt_x), (right, y0 + tilt_x), pen[0])
        if bottom_side:
            _line(lines, (left, y1 - tilt_x), (right, y1 + tilt_x), pen[1])
        if left_side:
            _line(lines, (x0 + tilt_y, up), (x0 - tilt_y, down), pen[2])
        if right_side:
            _line(lines, (x1 + tilt_y, up), (x1 - tilt_y, down), pen[3])
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


def _ink(cover: Field, look: Look, rng: np.random.Generator) -> Field:
    """Ink of the digit and of what lies about it: how much darker than the paper, in levels."""
    height, width = cover.shape
    ink = cover * np.float32(look.ink)
    if look.ink_texture or look.ink_blotches:
        strength = 1 + look.ink_texture * _noise(rng, height, width)
        strength = strength + look.ink_blotches * _noise(rng, height, width, 4)
        ink *= np.clip(strength, 0.15, 1.6)
    for _ in range(look.neighbours):
        along, near = rng.uniform(0, 1), rng.uniform(-3, 2)
        start = (
            (along * width, near),
            (along * width, height - near),
            (near, along * height),
            (width - near, along * height),
        )[int(rng.integers(4))]
        reach = rng.normal(0, height * 0.08, 2)
        stroke = np.zeros_like(ink)
        _line(stroke, start, (start[0] + reach[0], start[1] + reach[1]), height * 0.03)
        ink = np.maximum(ink, stroke * np.float32(look.ink))
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


def _shaken(scan: Field, look: Look, rng: np.random.Generator) -> Field:
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


def _capture(scan: Field, look: Look, rng: np.random.Generator) -> Field:
    """What the lens and the sensor make of it."""
    height, width = scan.shape
    scan = _shaken(scan, look, rng)
    if look.blur_px:
        scan = np.asarray(cv2.GaussianBlur(scan, (0, 0), look.blur_px), np.float32)
    if look.resolution < 1:
        small = max(20, int(width * look.resolution)), max(20, int(height * look.resolution))
        scan = np.asarray(cv2.resize(scan, small, interpolation=cv2.INTER_AREA), np.float32)
        if look.enlarged:
            scan = np.asarray(cv2.resize(scan, (width, height), interpolation=cv2.INTER_LINEAR), np.float32)
    scan = scan + _noise(rng, *scan.shape) * np.float32(look.grain)
    if look.fax:
        local = cv2.blur(scan, (31, 31))
        scan = np.where(scan < local - 0.3 * look.ink, 0, 255).astype(np.float32)
    return scan
