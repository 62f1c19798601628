"""The fifteen corruptions of MNIST-C, written from the paper's descriptions, for testing only.

Mu and Gilmer, "MNIST-C: A Robustness Benchmark for Computer Vision", 2019. Each takes a digit, uint8
(28, 28), white ink on black, and a generator, and returns one of the same kind. Strengths follow the
paper's rule, that a person still reads the digit; figures are not comparable to the last point with
those measured on the authors' own files.
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
    """Few photons: Poisson noise."""
    return _grey(rng.poisson(_share(digit) * 5) / 5)


def impulse_noise(digit: Grey, rng: Rng) -> Grey:
    """Salt and pepper on a quarter of the pixels."""
    chance = rng.random(digit.shape)
    return np.where(chance < 0.125, 0, np.where(chance > 0.875, 255, digit)).astype(np.uint8)


def glass_blur(digit: Grey, rng: Rng) -> Grey:
    """Pixels change places with near neighbours."""
    blurred = np.asarray(cv2.GaussianBlur(digit, (0, 0), 0.7), np.uint8)
    for _ in range(2):
        y, x = np.mgrid[0:28, 0:28]
        dy, dx = rng.integers(-1, 2, (2, 28, 28))
        blurred = blurred[np.clip(y + dy, 0, 27), np.clip(x + dx, 0, 27)]
    return np.asarray(cv2.GaussianBlur(blurred, (0, 0), 0.7), np.uint8)


def motion_blur(digit: Grey, rng: Rng) -> Grey:
    """The digit moved by a third of its size."""
    size, kernel = 9, np.zeros((9, 9), np.float32)
    kernel[size // 2] = 1 / size
    turn = cv2.getRotationMatrix2D((4, 4), float(rng.uniform(-45, 45)), 1)
    kernel = np.asarray(cv2.warpAffine(kernel, turn, (size, size)), np.float32)
    return np.asarray(cv2.filter2D(digit, -1, kernel / kernel.sum()), np.uint8)


def _moved(digit: Grey, matrix: npt.NDArray[np.floating]) -> Grey:
    """Maps about the middle of the image."""
    forward = np.asarray(matrix, np.float64)
    middle = np.full(2, 13.5)
    shift = middle - forward[:, :2] @ middle + forward[:, 2]
    return np.asarray(cv2.warpAffine(digit, np.column_stack([forward[:, :2], shift]), (28, 28)), np.uint8)


def shear(digit: Grey, rng: Rng) -> Grey:
    """Leaning by up to 30 degrees."""
    return _moved(digit, np.array([[1, rng.choice([-1, 1]) * rng.uniform(0.4, 0.6), 0], [0, 1, 0]]))


def scale(digit: Grey, rng: Rng) -> Grey:
    """Shrunk to half or two thirds."""
    factor = rng.uniform(0.5, 0.67)
    return _moved(digit, np.array([[factor, 0, 0], [0, factor, 0]]))


def rotate(digit: Grey, rng: Rng) -> Grey:
    """Turned by 20 to 35 degrees."""
    turn = np.radians(rng.choice([-1, 1]) * rng.uniform(20, 35))
    return _moved(digit, np.array([[np.cos(turn), -np.sin(turn), 0], [np.sin(turn), np.cos(turn), 0]]))


def translate(digit: Grey, rng: Rng) -> Grey:
    """Moved by up to four pixels each way."""
    return _moved(digit, np.column_stack([np.eye(2), rng.uniform(2, 4, 2) * rng.choice([-1, 1], 2)]))


def brightness(digit: Grey, _: Rng) -> Grey:
    """The black ground becomes grey."""
    return _grey(_share(digit) + 0.6)


def stripe(digit: Grey, _: Rng) -> Grey:
    """A broad stripe down the middle is inverted."""
    striped = digit.copy()
    striped[:, 7:21] = 255 - striped[:, 7:21]
    return striped


def fog(digit: Grey, rng: Rng) -> Grey:
    """Clouds of all sizes in front of the digit."""
    clouds = np.zeros((28, 28), np.float32)
    for cells in (2, 4, 7, 14):
        noise = rng.random((cells, cells), dtype=np.float32)
        clouds += cv2.resize(noise, (28, 28), interpolation=cv2.INTER_CUBIC) * (2 / cells)
    clouds = (clouds - clouds.min()) / np.ptp(clouds)
    return _grey((_share(digit) + 1.2 * clouds) / 2.2)


def spatter(digit: Grey, rng: Rng) -> Grey:
    """Grey drops."""
    noise = cv2.GaussianBlur(rng.standard_normal((28, 28), dtype=np.float32), (0, 0), 1.2)
    drops = np.clip((noise / noise.std() - 1.1) * 2, 0, 1)
    return _grey(np.maximum(_share(digit), 0.6 * drops))


def dotted_line(digit: Grey, rng: Rng) -> Grey:
    """Dots in a straight row across the digit."""
    return _dotted(digit, [rng.uniform(0, 28, 2) * [0, 1], rng.uniform(0, 28, 2) * [0, 1] + [27, 0]])


def zigzag(digit: Grey, rng: Rng) -> Grey:
    """Dots in a zigzag across the digit."""
    y = rng.uniform(8, 20)
    points = [np.array([x, y + (3 if number % 2 else -3)]) for number, x in enumerate(range(0, 29, 4))]
    return _dotted(digit, points)


def _dotted(digit: Grey, points: list[npt.NDArray[np.floating]]) -> Grey:
    dotted = digit.copy()
    for start, end in itertools.pairwise(points):
        steps = max(2, int(np.hypot(*(end - start)) / 2))
        for x, y in np.linspace(start, end, steps):
            cv2.circle(dotted, (round(x), round(y)), 0, 255, -1)
    return dotted


def canny_edges(digit: Grey, _: Rng) -> Grey:
    """Only the outline."""
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
"""The fifteen, by name."""
