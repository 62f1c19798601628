"""Records of rendered scenes: the picture that a network sees, its label, and where the digit is."""

from __future__ import annotations

import logging
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from batch.preprocessing.look import SIDE_PX, inside, look_input
from batch.training.look.mixture import Scene
from batch.training.look.scenes import Renderer

_log = logging.getLogger(__name__)

# The box is the digit's middle x, middle y, width and height as shares of the picture's side.
# It is NaN where there is not one digit.
RECORD = np.dtype([("picture", np.uint8, (SIDE_PX, SIDE_PX)), ("label", np.uint8), ("box", np.float32, (4,))])
Records = npt.NDArray[Any]  # (n,) of RECORD

MAX_FAILED = 100  # scenes of one renderer; a chance in a million is no fault, a hundred of them are


def box_in_picture(scene: Scene) -> npt.NDArray[np.float32]:
    """Return where the digit is in the picture, see RECORD."""
    if scene.box is None:
        return np.full(4, np.nan, np.float32)
    height, width = scene.grey.shape
    scale, left, top = inside((height, width))
    x0, y0, x1, y1 = scene.box
    x0, x1, y0, y1 = max(x0, 0), min(x1, width), max(y0, 0), min(y1, height)
    middle_x, middle_y = left + scale * (x0 + x1) / 2, top + scale * (y0 + y1) / 2
    box = np.array((middle_x, middle_y, scale * (x1 - x0), scale * (y1 - y0)), np.float32)
    return box / np.float32(SIDE_PX)


class RecordMaker:
    """Makes records of a renderer's scenes, and passes over a scene whose chances cannot be drawn."""

    def __init__(self, renderer: Renderer):
        self._renderer = renderer
        self._failed = 0

    def make(self, count: int) -> tuple[Records, list[str]]:
        """Render scenes.

        Returns:
            The records, (count,), and the kinds of the scenes.

        Raises:
            RuntimeError: Too many scenes failed.
        """
        records, kinds = np.zeros(count, RECORD), []
        for record in records:
            scene = self._scene()
            record["picture"] = look_input(scene.grey)
            record["label"] = scene.label
            record["box"] = box_in_picture(scene)
            kinds.append(scene.kind)
        return records, kinds

    def _scene(self) -> Scene:
        while True:
            try:
                return self._renderer.scene()
            except (ArithmeticError, ValueError, IndexError, cv2.error) as error:
                self._failed += 1
                _log.warning("a scene failed: %s", error)
                if self._failed > MAX_FAILED:
                    raise RuntimeError(f"{self._failed} scenes failed, the last with: {error}") from error
