"""Records of rendered scenes: the picture that a network sees, its label, and where the digit is."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from batch.preprocessing.look import SIDE_PX, inside, look_input
from batch.training.farm import retrying
from batch.training.look.mixture import Scene
from batch.training.look.scenes import Renderer
from batch.training.look.sources import Sources
from batch.training.work_folder import load

# The box is the digit's middle x, middle y, width and height as shares of the picture's side.
# It is NaN where there is not one digit.
RECORD = np.dtype([("picture", np.uint8, (SIDE_PX, SIDE_PX)), ("label", np.uint8), ("box", np.float32, (4,))])
Records = npt.NDArray[Any]  # (n,) of RECORD


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
        self._scene = retrying(renderer.scene)

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


def render(packed: Path, seed: int, chunk: int) -> Iterator[bytes]:
    """Yield chunks of records, see `batch.training.farm.Render`."""
    maker = RecordMaker(Renderer(Sources(load(packed)), seed))
    while True:
        yield maker.make(chunk)[0].tobytes()
