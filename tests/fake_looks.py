"""Looks that say what a test wants."""

import dataclasses
from pathlib import Path

import numpy as np
import numpy.typing as npt

from batch.config import MAX_PIXELS
from batch.inference.look import LookRules, Looks
from batch.inference.look_networks import CLASSES, Networks, Pictures
from batch.inference.models import Model
from batch.inference.reader import read_scans
from batch.records import Outcome, ScanRef
from fakes import MANIFEST
from formats import FORMATS, two

Shares = dict[int, float]
RULES = LookRules(
    weights=((0.5,), (0.0, 1.0), (0.0, 0.5, 0.5)),
    above=(0.98, 0.98, 0.95),
    several_prior=1.0,
    none_prior=1.0,
    several_above=0.9,
    none_above=0.8,
)
UNSURE: Shares = {7: 0.5}


class Saying:
    """A network whose probabilities are these for every picture, under the rules; the digit has that side."""

    def __init__(self, shares: Shares, scale: float, side: float = 0.2) -> None:
        rest = (1 - sum(shares.values())) / (CLASSES - len(shares))
        self._row = scale * np.log(np.array([shares.get(place, rest) for place in range(CLASSES)]))
        self._place = np.array([0.5, 0.5, side, side])
        self.pictures: list[Pictures] = []

    def outputs(self, pictures: Pictures) -> list[npt.NDArray[np.float32]]:
        self.pictures.append(pictures)
        count = len(pictures)
        middle = np.tile(self._place, (count, 1))
        return [np.tile(self._row, (count, 1)).astype(np.float32), middle.astype(np.float32)]


def model_with(look: Shares, close: Shares, rules: LookRules = RULES) -> Model:
    """Return a model whose second and third networks say the same."""
    networks = Networks(Saying(look, 2.0), Saying(close, 1.0), Saying(close, 1.0))
    return Model(MANIFEST, Looks(networks, rules))


def outcome(
    folder: Path,
    look: Shares,
    close: Shares | None = None,
    review_below: float | None = None,
    scan: npt.NDArray[np.uint8] | None = None,
) -> Outcome:
    """Read a scan with looks that say this."""
    path = folder / "a.png"
    path.write_bytes(FORMATS["png-8"](two() if scan is None else scan))
    rules = dataclasses.replace(RULES, review_below=review_below)
    model = model_with(look, close or {}, rules)
    return read_scans([ScanRef(str(path), "a.png")], model, MAX_PIXELS)[0]
