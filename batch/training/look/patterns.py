"""Printed patterns and newsprint, drawn as large banks that papers are cut out of."""

from __future__ import annotations

import math
from random import Random

import cv2
import numpy as np

from batch.training.look.mixture import Field

BANK_PX = 420  # the side of a bank; the largest scan is 300 pixels and its desk below 420
PATTERNS = 28  # banks of patterns that a renderer keeps
KINDS = 7  # of patterns; the held-out scenes have a weave beside them
TYPE_FACES = (0, 2, 3, 4, 6, 7)  # OpenCV's fonts that look like print


def make_pattern(index: int, random: Random, rng: np.random.Generator, held_out: bool) -> Field:
    """Make a printed pattern, 0 to 1, e.g. fine waves, dots or hatching as on cheques and tickets.

    Args:
        index: Number of the bank; it decides the kind of pattern.
        random: Source of chance.
        rng: Source of noise.
        held_out: Make a weave, which no training sees, of each third bank.
    """
    u = random.uniform
    y, x = np.mgrid[0:BANK_PX, 0:BANK_PX].astype(np.float32)
    if held_out and index % 3 == 0:  # a weave, seen in no training
        a, b = u(3, 9), u(3, 9)
        return (np.sin(x / a) * np.sin(y / b) > np.sin((x + y) / (a + b)) * 0.5).astype(np.float32)
    kind = index % KINDS
    total = np.zeros_like(x)
    if kind in (0, 1, 2):
        for _ in range(random.randint(1, 3)):
            turn, period = u(0, math.pi), u(3, 14)
            along, across = (
                x * math.cos(turn) + y * math.sin(turn),
                y * math.cos(turn) - x * math.sin(turn),
            )
            phase = along / period + u(0.2, 2.5) * np.sin(across / u(6, 40) + u(0, 6))
            if random.random() < 0.5:
                phase += u(0.2, 1.5) * np.sin(along / u(15, 60) + u(0, 6))
            total = np.maximum(
                total, (np.abs(np.sin(phase * math.pi)) < u(0.15, 0.5)) * np.float32(u(0.5, 1))
            )
    elif kind == 3:  # dots of a screen
        turn, period = u(0, math.pi), u(2.2, 7)
        a, b = (
            (x * math.cos(turn) + y * math.sin(turn)) / period,
            (y * math.cos(turn) - x * math.sin(turn)) / period,
        )
        total = (np.sin(a * 2 * math.pi) + np.sin(b * 2 * math.pi) > u(0.2, 1.3)).astype(np.float32)
    elif kind == 4 and random.random() < 0.5:  # rosettes of fine lines
        total = _rosettes(random)
    elif kind == 4:  # rosettes of waves
        for _ in range(random.randint(3, 8)):
            cx, cy = u(0, BANK_PX), u(0, BANK_PX)
            r, angle = np.hypot(x - cx, y - cy), np.arctan2(y - cy, x - cx)
            phase = r / u(3, 9) + u(0.3, 2) * np.sin(angle * random.randint(4, 16))
            total = np.maximum(total, (np.abs(np.sin(phase * math.pi)) < 0.3) * (r < u(40, 120)))
    elif kind == 5:  # fibres, wood, cloth
        stretch = random.randint(6, 30)
        noise = rng.standard_normal((BANK_PX // stretch + 2, BANK_PX), dtype=np.float32)
        total = cv2.resize(noise, (BANK_PX, BANK_PX), interpolation=cv2.INTER_LINEAR) * 0.25 + 0.5
        total = total.T if random.random() < 0.5 else total
    else:  # logos and large type
        canvas = np.zeros((BANK_PX, BANK_PX), np.uint8)
        for _ in range(random.randint(6, 24)):
            place = int(u(-50, BANK_PX)), int(u(0, BANK_PX + 40))
            text = "".join(random.choices("BANKCHEQUEVOIDabcdehkmnrst&%", k=random.randint(1, 6)))
            cv2.putText(
                canvas,
                text,
                place,
                random.choice(TYPE_FACES),
                u(0.4, 3),
                255,
                random.randint(1, 5),
                cv2.LINE_AA,
            )
        total = canvas.astype(np.float32) / 255
    if random.random() < 0.6:
        total = cv2.GaussianBlur(total.astype(np.float32), (0, 0), u(0.4, 1.4))
    return np.ascontiguousarray(np.clip(total, 0, 1), np.float32)


def _rosettes(random: Random) -> Field:
    """Draw the curves of a point on a circle that rolls around others, as an engraver's lathe does."""
    u = random.uniform
    canvas = np.zeros((BANK_PX, BANK_PX), np.uint8)
    angle = np.linspace(0, 2 * math.pi * random.randint(8, 30), 4000)
    for _ in range(random.randint(3, 8)):
        outer, inner, turns = u(25, 110), u(5, 30), u(2, 8)
        x = u(0, BANK_PX) + outer * np.cos(angle) + inner * np.cos(turns * angle)
        y = u(0, BANK_PX) + outer * np.sin(angle) + inner * np.sin(turns * angle)
        points = np.rint(np.stack([x, y], axis=1) * 16).astype(np.int32)
        cv2.polylines(canvas, [points], False, 255, 1, cv2.LINE_AA, 4)
    return np.asarray(canvas / 255, np.float32)


def make_newsprint(random: Random, noise: Field) -> Field:
    """Make what shines through newsprint, 0 to 1.6: lines of small type, mirrored, and specks."""
    canvas = np.zeros((BANK_PX, BANK_PX), np.uint8)
    step = random.randint(9, 26)
    for y in range(0, BANK_PX + step, step):
        text = "".join(random.choices("abcdefghiklmnoprstuvw     .,", k=70))
        cv2.putText(canvas, text, (-random.randint(0, 30), y), 2, step / 34, 255, 1, cv2.LINE_AA)
    out = cv2.GaussianBlur(canvas[:, ::-1], (0, 0), random.uniform(0.8, 3)).astype(np.float32) / 255
    return np.ascontiguousarray(out + (noise > 3.0) * np.float32(0.6))
