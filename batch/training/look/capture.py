"""The way from ink to a scan: the pen's grain, print, paper, light, blur and noise."""

from __future__ import annotations

import math
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from batch.records import Grey
from batch.training.look.canvas import scan_size
from batch.training.look.frames import Printed
from batch.training.look.mixture import PAPERS, Field, Shares, pick
from batch.training.look.papers import make_light, make_paper
from batch.training.look.studio import Studio

MIN_PAPER_LEVEL = 70.0  # darker paper is no paper
MIN_DEPTH = 13.0  # levels between paper and ink; below it a person sees no digit
MAX_BLUR_PX = 31  # the widest kernel


def capture(
    studio: Studio,
    ink: Grey,
    printed: Printed,
    extras: set[str],
    pen: str,
    unit: float,
    papers: Shares = PAPERS,
) -> Field:
    """Put ink on paper.

    Args:
        studio: State of the renderer.
        ink: Canvas of the ink, twice the scan's pixels.
        printed: What is printed. If it is nothing, some papers come with lines of their own.
        extras: Extras of the scene, see `mixture.EXTRAS`.
        pen: A key of `mixture.PENS`.
        unit: Height of a digit in pixels of the scan.
        papers: How often each paper occurs.

    Returns:
        Levels of the scan, (height, width), not yet rounded.
    """
    random = studio.random
    u = random.uniform
    height, width = scan_size(ink)
    paper_kind = pick(papers, random)
    level = (
        random.choice((255.0, 255.0, u(225, 255)))
        if paper_kind == "clean"
        else 255 - abs(random.gauss(0, 48))
    )
    level = max(MIN_PAPER_LEVEL, level)
    if paper_kind in ("ruled", "squared"):
        if not printed.depth:
            printed = Printed(studio, height, width)
            printed.print_ruling(paper_kind == "squared")
        paper_kind = "plain"
    cover = cv2.resize(ink, (width, height), interpolation=cv2.INTER_AREA).astype(np.float32)
    choice = random.random()
    depth = u(0.55, 0.98) if choice < 0.5 else u(0.28, 0.6) if choice < 0.8 else u(0.11, 0.28)
    if pen == "marker" or ("shadow" in extras and depth < 0.3):
        depth = max(depth, u(0.4, 0.9))
    depth *= level * (u(0.55, 0.95) if pen == "pencil" else 1)
    depth = max(depth, MIN_DEPTH)
    paper = make_paper(studio, height, width, paper_kind, level, depth)
    light = make_light(studio, height, width, extras) if paper_kind != "clean" else None
    grain = _grain(studio, pen, height, width)
    if grain is not None:
        cover *= grain
    cover *= np.float32(depth / 255)
    if printed.depth:
        marks = cv2.resize(printed.canvas, (width, height), interpolation=cv2.INTER_AREA).astype(np.float32)
        marks *= np.float32(min(printed.depth, 0.95 * level) / 255)
        np.maximum(cover, marks, out=cover)
    paper -= cover
    if light is not None:
        paper *= light
    noisy = paper_kind != "clean" or random.random() < 0.25
    if "blur" in extras:
        sigma = min(abs(random.gauss(0, 0.009)) * height, 0.03 * unit) + 0.3
        reach = min(MAX_BLUR_PX, 2 * math.ceil(2 * sigma) + 1)
        paper = cv2.GaussianBlur(paper, (reach, reach), sigma)
    if noisy:
        amplitude = abs(random.gauss(0, 4.5)) if random.random() < 0.85 else u(4, 22)
        fine = random.random() < 0.75
        amplitude = min(amplitude, (0.28 if fine else 0.14) * depth)
        bank = studio.noise[1] if fine else studio.smooth[0]
        paper += studio.crop(bank, height, width) * np.float32(amplitude)
    if "fax" in extras and light is None and paper_kind in ("clean", "plain"):
        threshold = level - u(0.35, 0.65) * depth
        paper = np.where(paper < threshold, np.float32(0), np.float32(255))
    return paper


def _grain(studio: Studio, pen: str, height: int, width: int) -> npt.NDArray[Any] | None:
    """Return how much of its ink a pen leaves at each pixel; None for all of it."""
    random = studio.random
    u = random.uniform
    if pen == "ballpoint":
        bank = studio.smooth[random.choice((0, 1, 1, 2))]
        return np.clip(studio.crop(bank, height, width) * u(0.08, 0.3) + u(0.75, 1), 0.2, 1.15)
    if pen == "pencil":
        bank = studio.noise[0] if random.random() < 0.6 else studio.smooth[0]
        return np.clip(studio.crop(bank, height, width) * u(0.1, 0.4) + u(0.7, 1), 0.1, 1.2)
    if pen == "sprayed":
        return studio.crop(studio.noise[0], height, width) > u(-0.8, 0.3)
    if pen == "chalk":
        return np.clip(studio.crop(studio.noise[1], height, width) * 0.5 + u(0.4, 0.9), 0, 1.1)
    if random.random() < 0.4:
        bank = studio.smooth[random.choice((2, 3))]
        return np.clip(studio.crop(bank, height, width) * u(0.05, 0.25) + 0.9, 0.3, 1.1)
    return None
