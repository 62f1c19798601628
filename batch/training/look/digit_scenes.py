"""Scenes of one digit: pictures of the data sets nearly as they are, and composed scans."""

from __future__ import annotations

import math
from random import Random

import cv2
import numpy as np

from batch.records import Grey
from batch.training.look.canvas import paint
from batch.training.look.capture import capture
from batch.training.look.finish import MIN_DIGIT_PX, finish, scale_box
from batch.training.look.frames import BLEED_LEVELS, Printed
from batch.training.look.hands import INK_LEVEL, digit_glyph
from batch.training.look.legible import Written, are_visible, canvas_to_scan
from batch.training.look.marks import draw_neighbour, draw_ring, draw_tick, draw_underline
from batch.training.look.mixture import (
    DIGIT_SCENES,
    HANDS,
    PLACES,
    RAW_EXTRAS,
    Box,
    Field,
    Scene,
    pick,
    pick_extras,
    pick_label,
    pick_pen,
    pick_size,
)
from batch.training.look.patterns import BANK_PX
from batch.training.look.studio import Studio

SWISS_INK_LEVEL = 45  # brighter pixels of a Swiss scan's inverse are ink; its paper is white
NO_SWISS = (1, 9)  # digits that the Swiss scans do not have
SQUARE_SIDES_PX = (8, 16, 16, 20, 24, 28, 32)  # sides of digits that were cut out and made square, as in USPS
NOT_WITH_TIGHT = {"frame", "ring", "neighbour", "underline", "tick", "print", "slip"}


def digit_scene(studio: Studio) -> Scene:
    """Render a scan of one digit."""
    kind = pick(DIGIT_SCENES, studio.random)
    label = pick_label(studio.random)
    if kind == "composed" or (kind == "raw-swiss" and label in NO_SWISS):
        while (scene := composed_scene(studio, label)) is None:
            pass
        return scene
    return _raw_scene(studio, label, kind)


def _raw_scene(studio: Studio, label: int, kind: str) -> Scene:
    """Take a picture of a data set nearly as it is, turned, cut, faded or enlarged a little."""
    random = studio.random
    name = kind.removeprefix("raw-")
    image = random.choice(studio.sources.raw[name][label])
    extras = {extra for extra, share in RAW_EXTRAS.items() if random.random() < share}
    grey, box = _swiss(studio, image) if name == "swiss" else _light_ink(studio, name, image)
    if random.random() < 0.4:
        height, width = grey.shape
        grey = grey + studio.crop(studio.noise[0], height, width) * np.float32(abs(random.gauss(0, 5)))
    return finish(studio, grey, extras, box, label, kind)


def _swiss(studio: Studio, image: Grey) -> tuple[Field, Box]:
    """Turn, slant, resize and cut a Swiss scan, and put its ink on greyer paper."""
    random = studio.random
    u = random.uniform
    ink = cv2.bitwise_not(image)
    left, top, width, height = cv2.boundingRect((ink > SWISS_INK_LEVEL).view(np.uint8))
    right, bottom = left + width, top + height
    turn, scale = math.degrees(random.gauss(0, 0.06)), u(0.8, 1.5)
    rows, columns = round(image.shape[0] * scale), round(image.shape[1] * scale)
    middle = np.array((image.shape[1] / 2, image.shape[0] / 2))
    matrix = cv2.getRotationMatrix2D((middle[0], middle[1]), turn, scale)
    matrix[0, 1] += random.gauss(0, 0.08) * scale
    matrix[:, 2] = np.array((columns / 2, rows / 2)) - matrix[:, :2] @ middle
    ink = cv2.warpAffine(ink, matrix, (columns, rows))
    corners = np.array([[left, top], [right, top], [right, bottom], [left, bottom]])
    corners = corners @ matrix[:, :2].T + matrix[:, 2]
    low, high = corners.min(axis=0), corners.max(axis=0)
    box = (float(low[0]), float(low[1]), float(high[0]), float(high[1]))
    margins = (*low, *(np.array((columns, rows)) - high))
    cut = [round(u(0, 0.8) * max(0.0, margin)) for margin in margins]
    if random.random() < 0.5:
        ink = ink[cut[1] : rows - cut[3], cut[0] : columns - cut[2]]
        box = (box[0] - cut[0], box[1] - cut[1], box[2] - cut[0], box[3] - cut[1])
    paper = u(150, 255)
    grey = paper - ink.astype(np.float32) * np.float32(min(1.0, u(0.4, 1.3)) * paper / 255)
    if random.random() < 0.4:
        reach = 3 if random.random() < 0.7 else 5
        grey = cv2.GaussianBlur(grey, (reach, reach), u(0.4, 1.4))
    return grey, box


def _light_ink(studio: Studio, name: str, image: Grey) -> tuple[Field, Box]:
    """Turn, resize, binarise or fade a picture of MNIST or USPS; a part of them stay as they are."""
    random = studio.random
    u = random.uniform
    grey = image.astype(np.float32)
    if name == "mnist" and random.random() < 0.5:
        matrix = np.array(
            [
                [1 + random.gauss(0, 0.05), random.gauss(0, 0.06), random.gauss(0, 1)],
                [random.gauss(0, 0.05), 1 + random.gauss(0, 0.05), random.gauss(0, 1)],
            ]
        )
        middle = np.array((image.shape[1] / 2, image.shape[0] / 2))
        matrix[:, 2] += middle - matrix[:, :2] @ middle
        grey = cv2.warpAffine(grey, matrix, (image.shape[1], image.shape[0]))
    left, top, width, height = cv2.boundingRect((grey > INK_LEVEL).view(np.uint8))
    box: Box = (float(left), float(top), float(left + width), float(top + height))
    if random.random() < 0.3:
        scale = u(0.6, 3) if name == "mnist" else u(0.5, 4)
        side = max(8, round(grey.shape[0] * scale))
        method = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
        grey, box = (
            cv2.resize(grey, (side, side), interpolation=method),
            scale_box(box, side / image.shape[1], side / image.shape[0]),
        )
    if name == "usps" and random.random() < 0.25:
        grey = np.where(grey > u(60, 140), np.float32(255), np.float32(0))
    if random.random() < 0.2:
        grey = u(0, 40) + grey * np.float32(u(0.15, 0.85))
    return grey, box


def composed_scene(studio: Studio, label: int) -> Scene | None:
    """Write a digit on paper, with what else may be there; return None if a person could not see it."""
    random = studio.random
    u = random.uniform
    hand = pick(HANDS, random)
    glyph = digit_glyph(studio, label, hand)
    pen, pen_share = pick_pen(random)
    place = pick(PLACES, random)
    extras = pick_extras(random)
    height, width = pick_size(random)
    if place == "tight":
        extras -= NOT_WITH_TIGHT
        unit = height / (1 + u(0, 0.16)) / glyph.height
        width = round(max(unit * glyph.width * (1 + u(0, 0.2)), 0.22 * height, 8))
        width = min(width, BANK_PX - 20)
        if random.random() < 0.3:
            extras.add("low-resolution")
    else:
        share = u(0.15, 0.36) if place == "small" else u(0.36, 0.92)
        if "ring" in extras:
            share = min(share, 0.6)
        unit = share * min(height / glyph.height, width / max(glyph.width, 0.3))
    x, y = _position(
        random, place, unit * glyph.width, width - unit * glyph.width, height - unit * glyph.height
    )
    pen_px = max(0.5, pen_share * unit)
    ink = np.zeros((2 * height, 2 * width), np.uint8)
    paint(random, ink, glyph, x, y, unit, pen_px)
    box: Box = (x, y, x + unit * glyph.width, y + unit * glyph.height)
    written = Written.cut(ink, box)
    printed = Printed(studio, height, width)
    if "frame" in extras:
        printed.print_frame()
    if "ring" in extras:
        draw_ring(studio, ink, box, pen_px)
    if "underline" in extras:
        draw_underline(studio, ink, box, unit, pen_px)
    if "tick" in extras:
        draw_tick(studio, ink, box, unit, pen_px)
    if "neighbour" in extras:
        draw_neighbour(studio, ink, box, unit, pen_px, hand)
    if "print" in extras:
        printed.print_type(box)
    if "bleed" in extras:
        printed.choose_depth(*BLEED_LEVELS)
        back = digit_glyph(studio, pick_label(random), "unipen")
        layer = np.zeros_like(ink)
        paint(random, layer, back, u(-0.2, 0.8) * width, u(-0.2, 0.6) * height, unit * u(0.7, 1.2), pen_px)
        printed.bleed(cv2.blur(layer[:, ::-1], (5, 5)))
    if pen == "marker" and "fax" not in extras and random.random() < 0.3:
        ink = cv2.blur(ink, (3, 3))
    scan = capture(studio, ink, printed, extras, pen, unit)
    kind, drawn = f"{place}-{hand}", box
    if place == "tight" and random.random() < 0.3:  # as in USPS and Semeion
        kind, side = "tight-square", random.choice(SQUARE_SIDES_PX)
        box = scale_box(box, side / width, side / height)
        scan = cv2.resize(scan, (side, side), interpolation=cv2.INTER_AREA)
        if random.random() < 0.3:
            scan = np.where(scan < scan.mean(), np.float32(0), np.float32(255))
        extras -= {"low-resolution", "stretched"}
    scene = finish(studio, scan, extras, box, label, kind)
    assert scene.box is not None
    canvas, on_scan = np.maximum(ink, printed.canvas), canvas_to_scan(drawn, scene.box)
    # The ring may be a filled disc, in which the digit is light.
    if "ring" in extras or are_visible(scene.grey, [written], canvas, on_scan, MIN_DIGIT_PX):
        return scene
    return None


def _position(random: Random, place: str, wide: float, free_x: float, free_y: float) -> tuple[float, float]:
    """Return left and top of a digit `wide` pixels wide with so much room around it."""
    u = random.uniform
    if place == "small" or random.random() < 0.2:
        x, y = free_x * u(0, 1), free_y * u(0, 1)
    else:
        x, y = free_x * (0.5 + random.gauss(0, 0.17)), free_y * (0.5 + random.gauss(0, 0.17))
        x, y = min(max(x, 0.0), max(0.0, free_x)), min(max(y, 0.0), max(0.0, free_y))
    if place == "cell" and random.random() < 0.03:  # a little of it is cut off
        x += random.choice((-1, 1)) * free_x / 2
        x = min(max(x, -0.08 * wide), free_x + 0.08 * wide)
    return x, y
