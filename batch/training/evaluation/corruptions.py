"""The fifteen corruptions of MNIST-C, written from the paper's descriptions, for testing only.

Mu and Gilmer, "MNIST-C: A Robustness Benchmark for Computer Vision", 2019. Each takes a digit, uint8
(28, 28), white ink on black, and a generator, and returns one of the same kind. The corruptions follow the
paper's rule that a person still reads the digit. Figures may differ by some points from those measured on
the authors' own files.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping

import cv2
import numpy as np
import numpy.typing as npt

from batch.records import Grey

Rng = np.random.Generator
Field = npt.NDArray[np.float32]


def _share(digit: Grey) -> Field:
    return digit.astype(np.float32) / np.float32(255)


def _grey(share: npt.NDArray[np.floating]) -> Grey:
    return (np.clip(share, 0, 1) * 255).astype(np.uint8)


def shot_noise(digit: Grey, rng: Rng) -> Grey:
    """Add Poisson noise, as of few photons."""
    return _grey(rng.poisson(_share(digit) * 5) / 5)


def impulse_noise(digit: Grey, rng: Rng) -> Grey:
    """Put salt and pepper on a quarter of the pixels."""
    chance = rng.random(digit.shape)
    return np.where(chance < 0.125, 0, np.where(chance > 0.875, 255, digit)).astype(np.uint8)


def glass_blur(digit: Grey, rng: Rng) -> Grey:
    """Let pixels change places with near neighbours."""
    blurred = np.asarray(cv2.GaussianBlur(digit, (0, 0), 0.7), np.uint8)
    for _ in range(2):
        y, x = np.mgrid[0:28, 0:28]
        dy, dx = rng.integers(-1, 2, (2, 28, 28))
        blurred = blurred[np.clip(y + dy, 0, 27), np.clip(x + dx, 0, 27)]
    return np.asarray(cv2.GaussianBlur(blurred, (0, 0), 0.7), np.uint8)


def motion_blur(digit: Grey, rng: Rng) -> Grey:
    """Blur along a line, a third of the image long."""
    size, kernel = 9, np.zeros((9, 9), np.float32)
    kernel[size // 2] = 1 / size
    rotation = cv2.getRotationMatrix2D((4, 4), float(rng.uniform(-45, 45)), 1)
    kernel = np.asarray(cv2.warpAffine(kernel, rotation, (size, size)), np.float32)
    return np.asarray(cv2.filter2D(digit, -1, kernel / kernel.sum()), np.uint8)


def _transform(digit: Grey, matrix: npt.NDArray[np.floating]) -> Grey:
    """Apply an affine matrix, (2, 3), about the middle of the image."""
    forward = np.asarray(matrix, np.float64)
    middle = np.full(2, 13.5)
    shift = middle - forward[:, :2] @ middle + forward[:, 2]
    return np.asarray(cv2.warpAffine(digit, np.column_stack([forward[:, :2], shift]), (28, 28)), np.uint8)


def shear(digit: Grey, rng: Rng) -> Grey:
    """Lean the digit by up to 30 degrees."""
    return _transform(digit, np.array([[1, rng.choice([-1, 1]) * rng.uniform(0.4, 0.6), 0], [0, 1, 0]]))


def scale(digit: Grey, rng: Rng) -> Grey:
    """Shrink the digit to between half and two thirds."""
    factor = rng.uniform(0.5, 0.67)
    return _transform(digit, np.array([[factor, 0, 0], [0, factor, 0]]))


def rotate(digit: Grey, rng: Rng) -> Grey:
    """Turn the digit by 20 to 35 degrees."""
    angle = np.radians(rng.choice([-1, 1]) * rng.uniform(20, 35))
    return _transform(
        digit, np.array([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0]])
    )


def translate(digit: Grey, rng: Rng) -> Grey:
    """Move the digit by two to four pixels each way."""
    return _transform(digit, np.column_stack([np.eye(2), rng.uniform(2, 4, 2) * rng.choice([-1, 1], 2)]))


def brightness(digit: Grey, _: Rng) -> Grey:
    """Brighten the black ground to grey."""
    return _grey(_share(digit) + 0.6)


def stripe(digit: Grey, _: Rng) -> Grey:
    """Invert a broad stripe down the middle."""
    striped = digit.copy()
    striped[:, 7:21] = 255 - striped[:, 7:21]
    return striped


def fog(digit: Grey, rng: Rng) -> Grey:
    """Put clouds of all sizes in front of the digit."""
    clouds = np.zeros((28, 28), np.float32)
    for cells in (2, 4, 7, 14):
        noise = rng.random((cells, cells), dtype=np.float32)
        clouds += cv2.resize(noise, (28, 28), interpolation=cv2.INTER_CUBIC) * (2 / cells)
    clouds = (clouds - clouds.min()) / np.ptp(clouds)
    return _grey((_share(digit) + 1.2 * clouds) / 2.2)


def spatter(digit: Grey, rng: Rng) -> Grey:
    """Spatter grey drops."""
    noise = cv2.GaussianBlur(rng.standard_normal((28, 28), dtype=np.float32), (0, 0), 1.2)
    drops = np.clip((noise / noise.std() - 1.1) * 2, 0, 1)
    return _grey(np.maximum(_share(digit), 0.6 * drops))


def dotted_line(digit: Grey, rng: Rng) -> Grey:
    """Put dots in a straight row across the digit."""
    return _draw_dots(digit, [rng.uniform(0, 28, 2) * [0, 1], rng.uniform(0, 28, 2) * [0, 1] + [27, 0]])


def zigzag(digit: Grey, rng: Rng) -> Grey:
    """Put dots in a zigzag across the digit."""
    y = rng.uniform(8, 20)
    points = [np.array([x, y + (3 if number % 2 else -3)]) for number, x in enumerate(range(0, 29, 4))]
    return _draw_dots(digit, points)


def _draw_dots(digit: Grey, points: list[npt.NDArray[np.floating]]) -> Grey:
    dotted = digit.copy()
    for start, end in itertools.pairwise(points):
        steps = max(2, int(np.hypot(*(end - start)) / 2))
        for x, y in np.linspace(start, end, steps):
            cv2.circle(dotted, (round(x), round(y)), 0, 255, -1)
    return dotted


def canny_edges(digit: Grey, _: Rng) -> Grey:
    """Keep only the outline."""
    return np.asarray(cv2.Canny(digit, 100, 200), np.uint8)


CORRUPTIONS: Mapping[str, Callable[[Grey, Rng], Grey]] = {
    function.__name__: function
    for function in (
        shot_noise,
        impulse_noise,
        glass_blur,
        motion_blur,
        shear,
        scale,
        rotate,
        translate,
        brightness,
        stripe,
        fog,
        spatter,
        dotted_line,
        zigzag,
        canny_edges,
    )
}
"""The fifteen corruptions by name."""
