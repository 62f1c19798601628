"""Fields of forms with a number in them, written by one hand, and what is no number."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import cv2
import numpy as np

from batch.records import Grey
from batch.training.look.blend import blend
from batch.training.look.canvas import draw_line, paint
from batch.training.look.capture import capture
from batch.training.look.digit_scenes import digit_scene
from batch.training.look.drawn_digits import line
from batch.training.look.finish import finish
from batch.training.look.frames import BLEED_LEVELS, Printed
from batch.training.look.hands import Glyph, character_glyph, digit_glyph, stroke_glyph
from batch.training.look.legible import Written, are_apart, are_visible, canvas_to_scan
from batch.training.look.mixture import (
    LETTERS_BESIDE,
    NO_DIGIT_LETTERS,
    SEVERAL,
    Box,
    Shares,
    pick,
    pick_extras,
    pick_pen,
)
from batch.training.look.none_scenes import EMPTY, none_scene
from batch.training.look.sources import Sources
from batch.training.look.studio import Studio
from batch.training.numbers.layout import Piece, lay_out
from batch.training.numbers.mixture import (
    CHARACTERS,
    FIELDS,
    GAPS,
    HANDS,
    LENGTHS,
    LOOKALIKES,
    MARKS,
    MILDER,
    PAPERS,
    SIGN,
    SIGNS_DRAWN,
    STOP_FRACTION,
    STOPS,
    UNREAD,
    Field,
)
from batch.training.numbers.no_numbers import fraction, strike, two_lines
from batch.training.numbers.signs import draw_sign
from batch.training.numbers.surroundings import draw_line_beyond, draw_neighbour, print_cells

EMPTY_KINDS = {*EMPTY, "texture", "fragment"}  # of `look.none_scenes`; nothing is written there
MAX_WIDTH_PX = 396  # of a field; the banks of paper are hardly larger
MIN_HEIGHT_PX, MAX_HEIGHT_PX = 18, 140
MIN_PEN_PX = 0.5
MIN_DIGIT_PX = 8.0  # height of the smallest digit; a person reads no smaller one
ONE_WRITER_FRACTION = 0.9
LONG_ONES_FRACTION = 0.25  # of the fields: a 1 is a plain stroke, slanted and as long as others or longer
BLENDED_FRACTION = 0.6  # of the fields of one writer: another one's hand is blended in
BLENDS = (-0.4, 1.2)  # lowest and highest share of the other hand
TRIES = 3  # digits of the other hand that may be written alike


class Renderer:
    """Renders fields one after the other.

    Args:
        sources: What is written, training or held-out.
        seed: Seed of all chance; the same seed gives the same fields.
        kinds: How often each kind of field occurs.
        hands: How often each hand writes.
        gaps: How often each distance between digits occurs.
    """

    def __init__(
        self,
        sources: Sources,
        seed: int,
        *,
        kinds: Shares = FIELDS,
        hands: Shares = HANDS,
        gaps: Shares = GAPS,
    ):
        self._kinds, self._hands, self._gaps = kinds, hands, gaps
        self._studio = Studio(sources, seed)
        self._writing: dict[int, dict[str, list[int]]] = {}
        for writer, indices in sources.digits.by_writer.items():
            of_writer = self._writing.setdefault(writer, {})
            for index in indices:
                of_writer.setdefault(str(sources.digits.chars[index]), []).append(index)
        self._writers = [writer for writer, digits in self._writing.items() if len(digits) >= 5]
        counts = [len(sources.digits.by_writer[writer]) for writer in self._writers]
        self._weights = np.cumsum(np.sqrt(counts)).tolist()

    def field(self) -> Field:
        """Render the next field, anew if it is a number of which a person could not read each character."""
        kind = pick(self._kinds, self._studio.random)
        while True:
            self._studio.count()
            if (field := self._field(kind)) is not None:
                return field

    def _field(self, kind: str) -> Field | None:
        studio, random = self._studio, self._studio.random
        if kind == "single":
            scene = digit_scene(studio)
            return Field(scene.grey, (scene.label,), (), kind)
        if kind in ("none", "empty"):
            scene = none_scene(studio, "boxes" if kind == "empty" else None)
            return Field(scene.grey, () if scene.kind in EMPTY_KINDS else (SIGN,), (), kind)
        digit = self._digits()
        gap = pick(self._gaps, random)
        length = int(pick(LENGTHS, random))
        if kind == "word":
            pieces = [self._character(LETTERS_BESIDE) for _ in range(random.randint(1, 6))]
            pieces.insert(random.randint(0, len(pieces)), self._character(NO_DIGIT_LETTERS))
        else:
            pieces = [digit(label) for label in self._label(length)]
        if kind == "number" and gap != "cells" and random.random() < STOP_FRACTION:
            pieces.append(self._drawn(random.choice(STOPS)))
            pieces[-1].label = UNREAD
        if kind == "signed":
            for _ in range(1 if random.random() < 0.8 else 2):
                sign, is_stop = self._sign(gap)
                pieces.insert(random.randint(0, len(pieces) - is_stop), sign)
        cells = None
        if kind == "fraction":
            pieces, label = fraction(studio, pieces[:3], digit)
        elif kind == "lines":
            pieces, label = two_lines(studio, pieces[:5], digit)
        elif kind == "struck":
            pieces, label = strike(studio, pieces)
        else:
            cells = lay_out(studio, pieces, gap)
            label = tuple(piece.label for piece in pieces if piece.label != UNREAD)
        return self._capture(pieces, label, cells, kind)

    def _label(self, length: int) -> list[int]:
        random = self._studio.random
        choice = random.random()
        digits = [random.randrange(10) for _ in range(length)]
        if choice < 0.06 and length > 1:  # the same digit again and again
            start = random.randrange(length - 1)
            digits[start:] = [digits[start]] * (length - start)
        elif choice < 0.14 and length > 2:  # round amounts
            zeros = random.randint(2, length - 1)
            digits[length - zeros :] = [0] * zeros
        elif choice < 0.18:
            digits[0] = 0
        elif choice < 0.22:
            digits = [random.choice((1, 1, digits[i])) for i in range(length)]
        return digits

    def _digits(self) -> Callable[[int], Piece]:
        """Choose a hand, and return the function that writes a digit in it."""
        studio, random = self._studio, self._studio.random
        hand = pick(self._hands, random)
        writer = random.choices(self._writers, cum_weights=self._weights)[0]
        one_writer = random.random() < ONE_WRITER_FRACTION
        sources = studio.sources
        other = random.choices(self._writers, cum_weights=self._weights)[0]
        share = 0.0
        if not sources.held_out and random.random() < BLENDED_FRACTION:
            share = random.uniform(*BLENDS)
        longer, lean = 0.0, 0.0
        if not sources.held_out and random.random() < LONG_ONES_FRACTION:
            longer, lean = random.uniform(1.0, 1.3), random.uniform(0.0, 0.65)
        favourites: dict[int, Glyph] = {}
        sizes = random.choice((0.04, 0.08, 0.08, 0.15))

        def write(label: int) -> Piece:
            glyph: Glyph
            if label == 1 and longer:
                glyph = stroke_glyph(studio, [line((lean, 0), (0, 1))], 0.3)
                return Piece(glyph, longer * max(0.8, 1 + random.gauss(0, sizes)), label)
            if hand == "unipen" and one_writer and (indices := self._writing[writer].get(str(label))):
                strokes = sources.digits.strokes_of(random.choice(indices))
                others = self._writing[other].get(str(label)) if share else None
                for index in random.sample(others, min(TRIES, len(others))) if others else ():
                    if (blended := blend(strokes, sources.digits.strokes_of(index), share)) is not None:
                        strokes = blended
                        break
                glyph = stroke_glyph(studio, strokes)
            elif hand == "swiss" and label not in (1, 9):
                glyph = digit_glyph(studio, label, hand)
            elif hand == "drawn" and label in favourites and random.random() < 0.6:
                glyph = favourites[label]
            else:
                glyph = digit_glyph(studio, label, "unipen" if hand == "swiss" else hand)
            favourites[label] = glyph
            return Piece(glyph, max(0.55, 1 + random.gauss(0, sizes)), label)

        return write

    def _character(self, characters: str) -> Piece:
        glyph = character_glyph(self._studio, characters)
        longest = max(glyph.width, glyph.height)
        size = self._studio.random.uniform(0.6, 1.1) / (longest if longest > 1 else 1)
        return Piece(glyph, size, SIGN)

    def _sign(self, gap: str) -> tuple[Piece, bool]:
        """Return a sign, and whether it changes nothing after the last digit."""
        random = self._studio.random
        kind = pick(SIGNS_DRAWN, random)
        while kind == "slash" and gap == "cells":  # alone in a cell, it would be a 1
            kind = pick(SIGNS_DRAWN, random)
        if kind in ("character", "lookalike"):
            return self._character(CHARACTERS if kind == "character" else LOOKALIKES), False
        return self._drawn(kind), kind in STOPS

    def _drawn(self, kind: str) -> Piece:
        sign = draw_sign(kind, self._studio.random)
        glyph = stroke_glyph(self._studio, sign.strokes, 0.2)
        return Piece(glyph, sign.size / max(glyph.width, glyph.height), SIGN, sign.top)

    def _capture(
        self, pieces: list[Piece], label: tuple[int, ...], cells: list[float] | None, kind: str
    ) -> Field | None:
        """Put the pieces on a scan; return None if a person could not read each character of a number."""
        studio, random = self._studio, self._studio.random
        low_x, low_y = min(p.x for p in pieces), min(p.y for p in pieces)
        high_x = max(p.x + p.wide for p in pieces)
        high_y = max(p.y + p.tall for p in pieces)
        if cells is not None:
            low_x, high_x = min(low_x, cells[0]), max(high_x, cells[-1])
        wide, tall = max(high_x - low_x, 0.15), max(high_y - low_y, 0.3)
        (height, width), unit, (x0, y0) = self._place(wide, tall)
        box = (x0, y0, x0 + unit * wide, y0 + unit * tall)
        pen, pen_share = pick_pen(random)
        extras = pick_extras(random, ("ring", "tick", "neighbour", "underline"))
        # Sorted: the order of a set changes from process to process, and the chances with it.
        extras = {name for name in sorted(extras) if random.random() < MILDER.get(name, 1.0)}
        extras |= {name for name, share in MARKS.items() if random.random() < share}
        ink = np.zeros((2 * height, 2 * width), np.uint8)
        pen_px = max(MIN_PEN_PX, pen_share * unit)
        places = [(x0 + unit * (p.x - low_x), y0 + unit * (p.y - low_y)) for p in pieces]
        written = self._write(ink, pieces, places, unit, pen_px)
        is_checked = kind in ("number", "signed")
        to_see = [each for each, piece in zip(written, pieces, strict=True) if piece.label != UNREAD]
        if is_checked and not are_apart(to_see, height, width):
            return None
        self._mark(ink, box, unit, pen_px, extras)
        shear = random.gauss(0, 0.16) if "sheared" in extras else 0.0
        sheared = np.array([[1, shear, -shear * 2 * (y0 + unit * tall / 2)], [0, 1, 0]])
        if shear:
            ink = cv2.warpAffine(ink, sheared, (2 * width, 2 * height), flags=cv2.INTER_LINEAR)
        printed = Printed(studio, height, width)
        if cells is not None:
            printed.choose_depth(20, 200)
            print_cells(studio, printed.canvas, [x0 + unit * (x - low_x) for x in cells])
        elif "frame" in extras:
            printed.print_frame()
        if "print" in extras:
            printed.print_type(box)
        if "bleed" in extras:
            printed.choose_depth(*BLEED_LEVELS)
            layer = cv2.blur(ink[:, ::-1], (5, 5))
            shifted = np.roll(layer, (random.randint(-height, height), random.randint(-width, width)), (0, 1))
            printed.bleed(shifted)
        scan = capture(studio, ink, printed, extras, pen, unit, PAPERS)
        row = (0.0, y0, float(width), box[3])
        scene = finish(studio, scan, extras, row, SEVERAL, kind)
        assert scene.box is not None
        scale = (scene.box[2] - scene.box[0]) / width
        if is_checked:
            canvas = np.maximum(ink, printed.canvas)
            place = canvas_to_scan(row, scene.box)
            if not are_visible(scene.grey, to_see, canvas, place, MIN_DIGIT_PX, sheared):
                return None
        labelled = [(piece, x) for piece, (x, _) in zip(pieces, places, strict=True) if piece.label != UNREAD]
        middles = [x + unit * piece.wide / 2 for piece, x in labelled]
        if len(middles) != len(label):
            middles = []
        return Field(scene.grey, label, tuple(scene.box[0] + scale * x for x in middles), kind)

    def _place(self, wide: float, tall: float) -> tuple[tuple[int, int], float, tuple[float, float]]:
        """Pick height and width of a scan, pixels for one unit, and left and top of what is written on it."""
        random = self._studio.random
        u = random.uniform
        height = u(24, 60) if random.random() < 0.5 else u(40, 100) if random.random() < 0.85 else u(90, 140)
        choice = random.random()
        fill = u(0.85, 1.0) if choice < 0.3 else u(0.5, 0.9) if choice < 0.8 else u(0.25, 0.5)
        unit = fill * height / tall
        beside = [u(0.0, 0.15) if random.random() < 0.35 else u(0.1, 1.2) for _ in range(2)]
        if random.random() < 0.08:
            beside[random.randrange(2)] += u(0.5, 4)
        width = unit * (wide + beside[0] + beside[1])
        shrink = min(1.0, MAX_WIDTH_PX / width)
        unit *= shrink
        rows = max(MIN_HEIGHT_PX, min(MAX_HEIGHT_PX, round(height * shrink)))
        y0 = (rows - unit * tall) * min(max(random.gauss(0.5, 0.2), -0.02), 1.02)
        return (rows, max(14, round(width * shrink))), unit, (unit * beside[0], y0)

    def _write(
        self,
        ink: Grey,
        pieces: Sequence[Piece],
        places: Sequence[tuple[float, float]],
        unit: float,
        pen_px: float,
    ) -> list[Written]:
        """Write pieces, each with its left top corner at its place, and return each as it is alone."""
        random = self._studio.random
        written = []
        for piece, (x, y) in zip(pieces, places, strict=True):
            pen_here = pen_px * (1 if random.random() < 0.9 else random.uniform(0.7, 1.25))
            alone = np.zeros_like(ink)
            paint(random, alone, piece.glyph, x, y, unit * piece.size, pen_here)
            np.maximum(ink, alone, out=ink)
            # A glyph has no pen; the width of the pen makes a dot what it is.
            rim = pen_here / 2 if piece.label == SIGN else 0.0
            around = x - rim, y - rim, x + unit * piece.wide + rim, y + unit * piece.tall + rim
            written.append(Written.cut(alone, around, piece.label != SIGN))
        return written

    def _mark(self, ink: Grey, box: Box, unit: float, pen_px: float, extras: set[str]) -> None:
        """Add what else people write on a form: another digit, other lines, a line below."""
        studio, random = self._studio, self._studio.random
        u = random.uniform
        if "neighbour" in extras:
            draw_neighbour(studio, ink, box, unit, pen_px)
        for name in ("line-above", "line-below"):
            if name in extras:
                draw_line_beyond(studio, ink, box, unit, pen_px, name == "line-above")
        if "underline" in extras:
            for index in range(1 if random.random() < 0.75 else 2):
                y = box[3] + unit * (u(-0.02, 0.3) + 0.12 * index)
                left, right = box[0] - u(-0.3, 0.4) * unit, box[2] + u(-0.3, 0.4) * unit
                tilt = random.gauss(0, 0.05) * unit
                draw_line(ink, left, y, right, y + tilt, pen_px * u(0.6, 1.1))
