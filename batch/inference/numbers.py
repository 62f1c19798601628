"""The reader of numbers: a network that reads a whole line, for `--digits` with more than one digit.

Nothing cuts the line into digits. The network names a character, or the blank, for each few columns of the
strip. `batch.inference.spelling` finds the number in that, and the lengths that the user allows take part.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np

from batch.errors import ConfigError
from batch.inference import model_store
from batch.inference.ctc import Frames
from batch.inference.look import Glance
from batch.inference.number_decision import MIN_SHARE, NumberThresholds, Spelled
from batch.inference.runtimes import Network, load
from batch.inference.spelling import CLASSES, SIGN, Reading, frames_of, spell, spell_clear
from batch.lengths import Lengths
from batch.preprocessing.empty_box import are_alike, is_empty_box
from batch.preprocessing.number_line import STRIP, WIDTHS_PX, digit_pictures, widen
from batch.records import Grey, Manifest

COLUMN_FRAMES = 2  # frames that the network names for each of its last columns
CHUNK_COLUMNS = 2_560  # of the strips in a batch; the memory of a larger one leaves the processor's cache


class Glancing(Protocol):
    """What says which digits pictures show: the looks."""

    def glance_twice(self, pictures: Sequence[Grey]) -> list[Glance]:
        """Look at some pictures, and again where the first look is not sure."""


class NumberReader:
    """The reader of numbers of one model.

    Attributes:
        lengths: The numbers of digits that the user allows.
        thresholds: Its thresholds.

    Args:
        network: The loaded network, from strips (n, 40, width, 1) to (n, 1, width / 8, 24). Each column has
            the logits of two frames.
        thresholds: The thresholds, with the user's `review_below`.
        lengths: The numbers of digits that the user allows.
        look: The looks of the model, which are asked for each digit; None to do without.
    """

    def __init__(
        self,
        network: Network,
        thresholds: NumberThresholds,
        lengths: Lengths,
        look: Glancing | None = None,
    ) -> None:
        self.thresholds, self.lengths = thresholds, lengths
        self._network, self._look = network, look

    def spell(self, strips: Sequence[Grey]) -> list[Spelled]:
        """Read lines; `number_decision.decide` decides on each.

        Args:
            strips: The strip of each scan, see `batch.preprocessing.number_line`.

        Returns:
            What the network and the looks say of each, in the same order. It does not depend on the others.
        """
        spelled: dict[int, Spelled] = {}
        by_width: dict[int, list[int]] = {}
        for index, strip in enumerate(strips):
            by_width.setdefault(strip.shape[1], []).append(index)
        for indices in by_width.values():
            read = self._read([strips[index] for index in indices])
            spelled |= dict(zip(indices, read, strict=True))
        lines = [spelled[index] for index in range(len(strips))]
        if self._look is None or not self.thresholds.look_weight:
            return lines
        return ask_look(strips, lines, self._look, self.thresholds.look_weight)

    def _read(self, strips: Sequence[Grey]) -> list[Spelled]:
        """Read strips of one width: as they are, and if that is not clear, stretched, too.

        The network errs in other places in a stretched strip.
        """
        frames = self._frames(strips)
        lines = spell_clear(frames, self.lengths)
        if rest := [line for line in range(len(strips)) if line not in lines]:
            most, wide = self.lengths.most, [widen(strips[line]) for line in rest]
            wide_frames = self._frames([strip.picture for strip in wide])
            readings = [
                Reading(frames[rest], most, 0.0, 1.0),
                Reading(wide_frames, most, wide[0].left, wide[0].columns),
            ]
            spelled = spell(readings, self.lengths, self.thresholds.other_length)
            lines |= dict(zip(rest, spelled, strict=True))
        return [lines[line] for line in range(len(strips))]

    def _frames(self, pictures: Sequence[Grey]) -> Frames:
        """Return the probabilities by frame of pictures of one width, (n, frames, 12)."""
        chunk = max(1, CHUNK_COLUMNS // pictures[0].shape[1])
        columns = [
            self._network.outputs(np.stack(pictures[start : start + chunk])[..., None])[0]
            for start in range(0, len(pictures), chunk)
        ]
        return frames_of(np.concatenate(columns).reshape(len(pictures), -1, CLASSES))


def ask_look(
    strips: Sequence[Grey], lines: Sequence[Spelled], look: Glancing, weight: float
) -> list[Spelled]:
    """Ask the looks for each digit of each number, and join what they say with what the network said.

    The looks were trained on many more hands, one digit at a time. The network knows where each digit is.
    Each character of a place gets its probability by the network times that by the looks to the power of
    `weight`.

    Args:
        strips: The strips.
        lines: What the network says of them.
        look: The looks.
        weight: Their weight, above 0.

    Returns:
        The lines, with the likeliest digit in each place. Neither the length nor what is refused changes.
    """
    pairs = [pair for pair in zip(strips, lines, strict=True) if pair[1].number]
    pictures = [picture for strip, line in pairs for picture in digit_pictures(strip, line.middles)]
    glances = iter(look.glance_twice(pictures) if pictures else ())
    joined = []
    for strip, line in zip(strips, lines, strict=True):
        if not line.number:
            joined.append(line)
            continue
        are_boxes = set(line.number) == {"0"} and len(line.number) > 1 and are_alike(strip, line.middles)
        seen = np.empty_like(line.places)
        for place, middle in zip(seen, line.middles, strict=True):
            glance = next(glances)
            is_digit = 1 - glance.several - glance.none
            if glance.label == 0 and (are_boxes or is_empty_box(strip, middle)):
                is_digit = 0.0
            place[:SIGN] = is_digit * np.array(glance.probabilities)
            place[SIGN] = 1 - is_digit
        before = np.maximum(line.places, MIN_SHARE)
        places = before * np.maximum(seen, MIN_SHARE) ** weight
        places /= places.sum(axis=1, keepdims=True)
        number = places[:, :SIGN].argmax(axis=1)
        rows = np.arange(len(number))
        was = before[rows, list(map(int, line.number))]
        now = places[rows, number]
        # A number is no surer than any of its digits.
        share = min(float(now.min()), line.share * float(np.prod(now / was)))
        joined.append(
            line._replace(
                number="".join(map(str, number.tolist())),
                share=share,
                places=places,
                seen=tuple(seen[rows, number].tolist()),
            )
        )
    return joined


def read(model_dir: Path, manifest: Manifest, runtime: str) -> dict[str, bytes]:
    """Read the file of the reader of numbers.

    Args:
        model_dir: Folder of the model.
        manifest: Manifest of that folder.
        runtime: `litert`; the other one has no reader of numbers.

    Returns:
        The verified content by its name.

    Raises:
        ConfigError: The model or the runtime reads no numbers.
        ModelError: The file is missing or damaged.
    """
    if runtime != "litert":
        raise ConfigError(f"--runtime {runtime} reads single digits only: leave --digits or --runtime out")
    if model_store.NUMBERS_FILE not in manifest.files:
        raise ConfigError(
            f"the model {manifest.name} reads single digits only: leave --digits out, or name another --model"
        )
    name = model_store.NUMBERS_FILE
    return {name: model_store.read_verified(model_dir, manifest, name)}


def build(
    files: Mapping[str, bytes],
    manifest: Manifest,
    lengths: Lengths,
    review_below: float | None,
    look: Glancing | None = None,
) -> NumberReader:
    """Build the reader of numbers from the content of its file.

    Args:
        files: Content by file name, see `read`.
        manifest: Manifest of the model.
        lengths: The numbers of digits that the user allows.
        review_below: The user's threshold, 0 to 1; None for the model's own.
        look: The looks of the model; None if it has none.

    Raises:
        ModelError: The network does not load, or does not fit the manifest.
    """
    title = f"the reader of numbers of the model {manifest.name}"
    shape = STRIP.height_px, WIDTHS_PX[0]
    network = load(files[model_store.NUMBERS_FILE], title, "litert", shape, COLUMN_FRAMES * CLASSES)
    return NumberReader(network, NumberThresholds.of(manifest, review_below), lengths, look)
