"""What is printed on a form: frames, ruling and lines of type."""

from __future__ import annotations

import math
from random import Random

import cv2
import numpy as np

from batch.records import Grey
from batch.training.look.canvas import draw_box, draw_line, draw_strokes
from batch.training.look.mixture import FRAMES, HELD_OUT_FRAMES, Box, pick
from batch.training.look.studio import Studio

PEN_SHARES = (0.008, 0.012, 0.018, 0.03)  # widths of printed lines, of the scan's shorter side
TYPE_FACES = (0, 0, 2, 3)  # OpenCV's fonts that look like print, the plain one twice
TYPE_PX = 22  # height of a line in them at scale 1
MAX_OVAL = 1.15  # height of an oval, in widths; an empty one that is taller is a printed 0
OVAL_POINTS = 48
DOUBLE_FRACTION = 0.12  # of the boxes with round corners
BLEED_LEVELS = (6, 45)  # least and most that the ink on the back is darker than the paper


class Printed:
    """What is printed on a scan, or shows through it from the back.

    Args:
        studio: State of the renderer.
        height: Height of the scan in pixels.
        width: Its width.

    Attributes:
        canvas: Canvas of twice the scan's pixels; print is light.
        depth: How many levels the print is darker than the paper; 0 if nothing is printed.
    """

    def __init__(self, studio: Studio, height: int, width: int):
        self._studio, self._height, self._width = studio, height, width
        self.canvas = np.zeros((2 * height, 2 * width), np.uint8)
        self.depth = 0

    def choose_depth(self, low: float, high: float) -> None:
        """Draw the depth between these two levels, if nothing is printed yet."""
        self.depth = self.depth or round(self._studio.random.uniform(low, high))

    def print_frame(self) -> None:
        """Print a frame or pieces of it."""
        random, height, width = self._studio.random, self._height, self._width
        u = random.uniform
        kinds = {**HELD_OUT_FRAMES, **FRAMES} if self._studio.sources.held_out else FRAMES
        kind = pick(kinds, random)
        side = min(height, width)
        pen = max(0.5, side * random.choice(PEN_SHARES) * u(0.7, 1.4))
        if kind == "dark":
            pen = side * u(0.03, 0.09)
        tilt = random.gauss(0, 0.012)
        margins = [u(-0.04, 0.13) if random.random() < 0.75 else u(0, 0.04) for _ in range(4)]
        x0, y0 = margins[0] * width, margins[1] * height
        x1, y1 = (1 - margins[2]) * width, (1 - margins[3]) * height
        dx, dy = tilt * height / 2, tilt * width / 2
        crosses = kind == "grid" or random.random() < 0.3
        left, right = (-2, width + 2) if crosses else (x0, x1)
        top, bottom = (-2, height + 2) if crosses else (y0, y1)
        if kind in ("rounded", "oval"):
            self._print_rounded((x0, y0, x1, y1), pen, kind == "oval")
            self.depth = round(u(20, 210))
            return
        if kind == "corners":
            self._print_corners((x0, y0, x1, y1), pen, u(0.08, 0.2) * side)
            self.depth = round(u(40, 200))
            return
        sides = [True] * 4
        if kind == "pieces":
            sides = [random.random() < 0.42 for _ in range(4)]
        elif kind == "comb":
            sides = [True, random.random() < 0.1, True, True]
            top = y1 - u(0.1, 0.6) * (y1 - y0)
        elif kind == "dark":
            sides = [random.random() < 0.7 for _ in range(4)]
        for gap in (0.0, u(0.03, 0.06) * side) if kind == "double" else (0.0,):
            if sides[0]:
                draw_line(self.canvas, x0 + gap + dx, top + gap, x0 + gap - dx, bottom - gap, pen)
            if sides[1]:
                draw_line(self.canvas, left + gap, y0 + gap - dy, right - gap, y0 + gap + dy, pen)
            if sides[2]:
                draw_line(self.canvas, x1 - gap + dx, top + gap, x1 - gap - dx, bottom - gap, pen)
            if sides[3]:
                draw_line(self.canvas, left + gap, y1 - gap - dy, right - gap, y1 - gap + dy, pen)
        if kind == "dotted":
            self._cut_into_dots(max(2, round(2 * side * u(0.02, 0.06))))
        self.depth = round(u(120, 220) if kind == "dark" else u(20, 210))

    def print_boxes(self, count: int) -> None:
        """Print as many boxes or circles of one shape in a row that fills the scan."""
        self.choose_depth(20, 210)
        random, height, width = self._studio.random, self._height, self._width
        u = random.uniform
        pitch = width / (count + u(-0.3, 0.5))
        gap, left = pitch * u(0.03, 0.25), (width - count * pitch) * u(0, 1)
        top, bottom = height * u(-0.04, 0.25), height * u(0.75, 1.04)
        wide, tall = pitch - gap, bottom - top
        squat = tall <= MAX_OVAL * wide
        radius = min(wide, tall) * (0.5 if squat and random.random() < 0.2 else pick_radius(random, squat))
        if random.random() < 0.25:
            radius = 0.0
        pen = max(0.5, min(wide, height) * random.choice(PEN_SHARES) * u(0.7, 1.4))
        tilt = random.gauss(0, 0.01)
        for index in range(count):
            x, y = left + pitch * index + gap / 2, tilt * pitch * index
            draw_box(self.canvas, (x, y + top, x + wide, y + bottom), radius, pen)

    def print_type(self, box: Box | None) -> None:
        """Print a line of type above or below the box, partly outside the scan."""
        self.choose_depth(40, 200)
        random, height = self._studio.random, self._height
        u = random.uniform
        scale = 2 * height * u(0.05, 0.14) / TYPE_PX
        text = "".join(random.choices("ABEHKMNRSTUabdeghknrst.,:-  ", k=18))
        above = random.random() < 0.5
        if box is None:
            y = u(0, 1) * height
        elif above:
            y = min(box[1] - 0.03 * height, u(-0.02, 0.16) * height)
        else:
            y = max(box[3] + TYPE_PX * scale / 2, u(0.92, 1.06) * height)
        place, face = (int(-u(0, 1) * self._width), int(2 * y)), random.choice(TYPE_FACES)
        cv2.putText(self.canvas, text, place, face, scale, 255, max(1, round(2.2 * scale)), cv2.LINE_AA)

    def print_ruling(self, squared: bool) -> None:
        """Print the lines or squares of writing paper."""
        self.choose_depth(8, 110)
        random, height, width = self._studio.random, self._height, self._width
        u = random.uniform
        step = max(3.0, height * u(0.08, 0.4)) if squared else max(4.0, height * u(0.12, 0.6))
        pen = 0.5 if random.random() < 0.6 else max(0.5, 0.012 * height)
        tilt = random.gauss(0, 0.015)
        y = u(0, step)
        while y < height:
            draw_line(self.canvas, -1, y - tilt * width / 2, width + 1, y + tilt * width / 2, pen)
            y += step
        x = u(0, step)
        while squared and x < width:
            draw_line(self.canvas, x + tilt * height / 2, -1, x - tilt * height / 2, height + 1, pen)
            x += step

    def bleed(self, back: Grey) -> None:
        """Let some of the ink on the back show through; `choose_depth` comes first."""
        np.maximum(self.canvas, cv2.multiply(back, self._studio.random.uniform(0.1, 0.3)), out=self.canvas)

    def _print_rounded(self, box: Box, pen: float, is_oval: bool) -> None:
        """Print a box with round corners, or an oval; some have a second line inside."""
        random = self._studio.random
        x0, y0, x1, y1 = box
        side = min(x1 - x0, y1 - y0)
        squat = y1 - y0 <= MAX_OVAL * (x1 - x0)
        if is_oval and squat:
            angle = np.linspace(0, 2 * math.pi, OVAL_POINTS, endpoint=False)
            oval = np.stack(
                [np.cos(angle) * (x1 - x0) + x0 + x1, np.sin(angle) * (y1 - y0) + y0 + y1], axis=1
            )
            draw_strokes(self.canvas, [(oval / 2).astype(np.float32)], pen, closed=True)
            return
        radius = side * pick_radius(random, squat)
        draw_box(self.canvas, box, radius, pen)
        if random.random() < DOUBLE_FRACTION:
            gap = side * random.uniform(0.03, 0.1)
            draw_box(self.canvas, (x0 + gap, y0 + gap, x1 - gap, y1 - gap), max(radius - gap, 0.0), pen)

    def _print_corners(self, box: Box, pen: float, reach: float) -> None:
        """Print of a box only the four corners, with legs as long as `reach`."""
        x0, y0, x1, y1 = box
        for x, sign_x in ((x0, 1), (x1, -1)):
            for y, sign_y in ((y0, 1), (y1, -1)):
                draw_line(self.canvas, x, y, x + sign_x * reach, y, pen)
                draw_line(self.canvas, x, y, x, y + sign_y * reach, pen)

    def _cut_into_dots(self, step: int) -> None:
        """Cut the lines into dots: wipe half of the squares of `step` canvas pixels, as on a chessboard."""
        rows, columns = self.canvas.shape[0] // step, self.canvas.shape[1] // step
        blocks = self.canvas[: rows * step, : columns * step].reshape(rows, step, columns, step)
        blocks[::2, :, ::2] = 0
        blocks[1::2, :, 1::2] = 0


def pick_radius(random: Random, squat: bool) -> float:
    """Pick the radius of a box's corners as a share of its shorter side; a tall one must not be a 0."""
    return random.uniform(0.05, 0.5 if squat else 0.32)
