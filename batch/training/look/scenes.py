"""The renderer: scans of one digit, of several and of none, each in under a millisecond.

A scan has dark ink on light paper or the reverse; the input of the look does not know the difference.
The numbers inside the functions that draw are ranges of chance. An engineer set them by eye on sheets of
scenes, beside scans of forms, exams and phones. The shares of the kinds stand in `mixture`.
"""

from __future__ import annotations

from batch.training.look.digit_scenes import digit_scene
from batch.training.look.mixture import SCENES, Scene, pick
from batch.training.look.none_scenes import none_scene
from batch.training.look.several_scenes import several_scene
from batch.training.look.sources import Sources
from batch.training.look.studio import Studio

_RENDERERS = {"digit": digit_scene, "several": several_scene, "none": none_scene}


class Renderer:
    """Renders scenes one after the other.

    Args:
        sources: What is written, training or held-out.
        seed: Seed of all chance; the same seed gives the same scenes.
    """

    def __init__(self, sources: Sources, seed: int):
        self._studio = Studio(sources, seed)

    def scene(self) -> Scene:
        """Render the next scene."""
        self._studio.count()
        return _RENDERERS[pick(SCENES, self._studio.random)](self._studio)
