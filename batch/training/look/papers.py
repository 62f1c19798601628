"""Paper, and the light that falls on it."""

from __future__ import annotations

import math

import numpy as np

from batch.training.look.mixture import Field
from batch.training.look.studio import Studio

MAX_PATTERN_DEPTH = 110  # levels of ink; deeper ink makes no printed pattern darker than that


def make_paper(studio: Studio, height: int, width: int, kind: str, level: float, depth: float) -> Field:
    """Make paper of that level, on which ink of `depth` levels can still be seen."""
    random = studio.random
    u = random.uniform
    paper = np.full((height, width), level, np.float32)
    if kind in ("pattern", "newsprint"):
        banks, most = (studio.patterns, 0.6) if kind == "pattern" else (studio.news, 0.5)
        printed = studio.crop(random.choice(banks), height, width)
        paper -= printed * np.float32(u(0.05, most) * min(depth, MAX_PATTERN_DEPTH))
    if kind != "clean" and random.random() < 0.5:
        step = random.choice((0, 1, 2, 3))
        paper += studio.crop(studio.smooth[step], height, width) * np.float32(
            min(u(0.5, 6), (0.08 + 0.03 * step) * depth)
        )
    return paper


def make_light(studio: Studio, height: int, width: int, extras: set[str]) -> Field | None:
    """Make uneven light and shadow as factors of the levels; None for even light."""
    random = studio.random
    u = random.uniform
    light: Field | None = None
    if "light" in extras:
        strength = u(0.03, 0.3) if random.random() < 0.8 else u(0.3, 0.7)
        x = np.linspace(u(-0.5, 0.5), u(-0.5, 0.5), width, dtype=np.float32) * strength
        y = np.linspace(u(-0.5, 0.5), u(-0.5, 0.5), height, dtype=np.float32) * strength
        if random.random() < 0.3:
            x = x - x * x * u(0, 1.5)
        light = 1 + x[None] + y[:, None]
    if "shadow" in extras:
        turn, soft = u(0, 2 * math.pi), u(0.02, 0.25)
        x = np.linspace(-1, 1, width, dtype=np.float32) * (math.cos(turn) / soft)
        y = np.linspace(-1, 1, height, dtype=np.float32) * (math.sin(turn) / soft)
        away = np.clip(x[None] + y[:, None] - u(-0.7, 0.7) / soft, -30, 30)
        if random.random() < 0.3:
            away += studio.crop(studio.smooth[4], height, width) * np.float32(1.5)
        shade = np.asarray(1 - u(0.12, 0.55) / (1 + np.exp(away)), np.float32)
        light = shade if light is None else light * shade
    return light
