"""The reader of numbers: a network that reads a whole line, for `--digits` with more than one digit.

Nothing cuts the line into digits. The network names a character, or the blank, for each few columns of the
strip. `batch.inference.ctc` sums what spells the same number, and the lengths that the user allows take part.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

from batch.errors import ConfigError, ModelError
from batch.inference import ctc, model_store
from batch.inference.decision import DIGITS
from batch.inference.look import Glance
from batch.inference.number_decision import MIN_SHARE, NumberThresholds, Spelled
from batch.inference.runtimes import LiteRt
from batch.lengths import MAX_DIGITS, Lengths
from batch.preprocessing.number_line import STRIP, WIDTHS_PX, digit_pictures
from batch.records import Grey, Manifest

SIGN, BLANK = (
    DIGITS,
    DIGITS + 1,
)  # classes after the ten digits: what is written and no digit, and CTC's blank
CLASSES = DIGITS + 2
FRAME_PX = 4  # columns of the strip for each frame
COLUMN_FRAMES = 2  # frames that the network names for each of its last columns
CHUNK_COLUMNS = 2_560  # of the strips in a batch; the memory of a larger one leaves the processor's cache
SURE = 0.99  # probability of a number from which nobody asks which digit is the doubtful one


class LineNetwork(Protocol):
    """A loaded network that reads lines."""

    def outputs(self, batch: npt.NDArray[np.uint8]) -> list[npt.NDArray[np.float32]]:
        """Compute the logits of strips, (n, 40, width, 1), as (n, 1, width / 8, 24), in a list of one."""


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
        network: LineNetwork,
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
        for width, indices in by_width.items():
            chunk = max(1, CHUNK_COLUMNS // width)
            columns = [
                self._network.outputs(
                    np.stack([strips[index] for index in indices[start : start + chunk]])[..., None]
                )[0]
                for start in range(0, len(indices), chunk)
            ]
            logits = np.concatenate(columns).reshape(len(indices), -1, CLASSES)
            lines = spell(logits, self.lengths, self.thresholds.other_length)
            spelled |= dict(zip(indices, lines, strict=True))
        lines = [spelled[index] for index in range(len(strips))]
        if self._look is None or not self.thresholds.look_weight:
            return lines
        return ask_look(strips, lines, self._look, self.thresholds.look_weight)


def spell(logits: npt.NDArray[np.float32], lengths: Lengths, other_length: float) -> list[Spelled]:
    """Decode lines.

    Args:
        logits: Logits by frame, float32 (n, frames, 12).
        lengths: The numbers of digits that the user allows.
        other_length: See `NumberThresholds`.
    """
    frames = _softmax(logits)
    masses = ctc.length_masses(frames, DIGITS, MAX_DIGITS)
    candidates = ctc.BestNumbers(frames, DIGITS, lengths.most)
    best = [ctc.Path((), ())] * len(frames)
    shares = np.zeros(len(frames))
    lines = np.arange(len(frames))
    for order in (-masses[:, lengths.least : lengths.most + 1]).argsort(axis=1, kind="stable").T:
        # A number is at most as likely as all numbers of its length, and the likeliest lengths come first.
        found = {
            row: path
            for row, length in zip(lines.tolist(), (lengths.least + order).tolist(), strict=True)
            if masses[row, length] > shares[row] and (path := candidates.path(row, length)) is not None
        }
        if not found:
            continue
        likely = ctc.probability(frames[[*found]], [path.number for path in found.values()]).tolist()
        for (row, path), share in zip(found.items(), likely, strict=True):
            if share > shares[row]:
                shares[row], best[row] = share, path
    within = masses[:, lengths.least : lengths.most + 1].sum(axis=1)
    others = masses[:, 1:].sum(axis=1) - within
    empties = masses[:, 0]
    signs = np.maximum(1 - masses.sum(axis=1), 0)
    totals = within + other_length * others + empties + signs
    return [
        Spelled(
            "".join(map(str, path.number)),
            share / max(total, MIN_SHARE),
            places,
            tuple((middle + 0.5) * FRAME_PX for middle in path.middles),
            inside,
            other,
            empty,
            sign,
        )
        for path, share, places, total, inside, other, empty, sign in zip(
            best,
            shares.tolist(),
            _places(frames, [path.number for path in best], shares.tolist()),
            totals.tolist(),
            within.tolist(),
            others.tolist(),
            empties.tolist(),
            signs.tolist(),
            strict=True,
        )
    ]


def _places(
    frames: ctc.Frames, numbers: Sequence[tuple[int, ...]], shares: Sequence[float]
) -> list[ctc.Floats]:
    """Return the probabilities of all characters in each place of each number, given that of the number."""
    unsure = [row for row, share in enumerate(shares) if share < SURE]
    places = []
    for number, share in zip(numbers, shares, strict=True):
        # The digits of a sure number share the little doubt there is; the others are worth the time.
        mine = share ** (1 / max(1, len(number)))
        even = np.full((len(number), SIGN + 1), (1 - mine) / SIGN)
        even[range(len(number)), list(number)] = mine
        places.append(even)
    found = ctc.substitutions(frames[unsure], [numbers[row] for row in unsure], SIGN + 1)
    for row, of_number in zip(unsure, found, strict=True):
        places[row] = of_number
    return places


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
    pairs = zip(strips, lines, strict=True)
    pictures = [picture for strip, line in pairs for picture in digit_pictures(strip, line.middles)]
    glances = iter(look.glance_twice(pictures) if pictures else ())
    joined = []
    for line in lines:
        if not line.number:
            joined.append(line)
            continue
        seen = np.empty_like(line.places)
        for place in seen:
            glance = next(glances)
            is_digit = 1 - glance.several - glance.none
            place[:SIGN] = is_digit * np.array(glance.probabilities)
            place[SIGN] = 1 - is_digit
        before = np.maximum(line.places, MIN_SHARE)
        places = before * np.maximum(seen, MIN_SHARE) ** weight
        places /= places.sum(axis=1, keepdims=True)
        number = places[:, :SIGN].argmax(axis=1)
        rows = np.arange(len(number))
        was = before[rows, list(map(int, line.number))]
        share = min(1.0, line.share * float(np.prod(places[rows, number] / was)))
        joined.append(
            line._replace(
                number="".join(map(str, number.tolist())),
                share=share,
                places=places,
                seen=tuple(seen[rows, number].tolist()),
            )
        )
    return joined


def _softmax(logits: npt.NDArray[np.float32]) -> ctc.Frames:
    wide = logits.astype(np.float64)
    weights = np.exp(wide - wide.max(axis=2, keepdims=True))
    return np.asarray(weights / weights.sum(axis=2, keepdims=True))


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
    network = LiteRt(files[model_store.NUMBERS_FILE], title, COLUMN_FRAMES * CLASSES)
    try:
        (probe,) = network.outputs(np.zeros((1, STRIP.height_px, WIDTHS_PX[0], 1), np.uint8))
    except (ValueError, RuntimeError) as error:
        raise ModelError(f"{title} does not run: {error}; reinstall or train it anew") from error
    if probe.ndim != 4 or probe.shape[3] != COLUMN_FRAMES * CLASSES:
        raise ModelError(f"{title} does not fit it; reinstall or train it anew")
    return NumberReader(network, NumberThresholds.of(manifest, review_below), lengths, look)
