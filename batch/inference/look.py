"""The looks: networks that see the scan itself.

Most scans are easy, and a small network that sees the whole scan answers those alone. A larger network
looks closer at the others, at the whole scan and at the place of the digit. All that was seen is weighed into
one set of probabilities.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from batch.inference import decision
from batch.inference.decision import DIGITS, MIN_TOTAL, Decision, Logits
from batch.inference.look_networks import CLASSES, Network, Networks, Seen
from batch.preprocessing.blank import has_ink, has_strokes
from batch.preprocessing.look import Place, look_input, place_of
from batch.records import Grey, Manifest, Prediction, Reason, Status

SEVERAL, NONE = DIGITS, DIGITS + 1  # classes after the ten digits
LIKELY = 0.5  # what has this probability is likelier than all else together
CHUNK_SCANS = 16  # pictures in a batch; the memory of a larger one leaves the processor's cache


class Glance(NamedTuple):
    """The probabilities of one scan.

    Attributes:
        label: The most likely digit, 0 to 9.
        confidence: Its probability, 0 to 1.
        probabilities: Those of the ten digits among themselves; they sum to 1.
        several: Probability of several digits, 0 to 1.
        none: Probability of no digit, 0 to 1.
    """

    label: int
    confidence: float
    probabilities: tuple[float, ...]
    several: float
    none: float


class Sight(NamedTuple):
    """A scan after the looks.

    Attributes:
        decision: The answer.
        glances: What the look says, and what looking closer says if the look was not sure. A scan without ink
            has none.
        place: Where digitbox looked closer; None if it did not.
    """

    decision: Decision
    glances: tuple[Glance, ...] = ()
    place: Place | None = None


@dataclass(frozen=True, slots=True)
class LookRules:
    """The numbers that turn what was seen into a decision; the command `batch.training.look.weigh` fits them.

    Attributes:
        temperature: Divisor of the look's logits, above 0.
        above: A digit of at least this probability is the look's answer.
        several_prior: How often several digits occur in practice, as a share of how often the scenes of the
            fit hold them, above 0.
        none_prior: How often no digit occurs, likewise.
        look_weight: Weight of the look's logits after looking closer.
        close_weight: Weight of the logits of the whole scan in looking closer.
        place_weight: Weight of the logits of the digit's place in looking closer.
        close_above: A digit of at least this probability is ok after looking closer.
        several_above: From this probability of several digits the scan is refused.
        none_above: From this probability of no or several digits the scan is refused after looking closer.
        review_below: The user's threshold for each answer, 0 to 1; None for that of the model.
    """

    temperature: float
    above: float
    several_prior: float
    none_prior: float
    look_weight: float
    close_weight: float
    place_weight: float
    close_above: float
    several_above: float
    none_above: float
    review_below: float | None = None

    @classmethod
    def of(cls, manifest: Manifest, review_below: float | None = None) -> LookRules:
        """Return the rules of a model, with the user's threshold."""
        return cls(
            manifest.temperature,
            manifest.look_above,
            manifest.look_several_prior,
            manifest.look_none_prior,
            manifest.look_look_weight,
            manifest.look_close_weight,
            manifest.look_place_weight,
            manifest.review_below,
            manifest.look_several_above,
            manifest.refuse_above,
            review_below,
        )

    @property
    def prior(self) -> Logits:
        """What practice adds to the logits of the twelve classes (Saerens et al., 2002)."""
        return np.log([1.0] * DIGITS + [self.several_prior, self.none_prior])

    def first(self, look: npt.NDArray[np.float32]) -> Logits:
        """Return the logits after the look alone, (n, 12).

        Args:
            look: Logits of the look, (n, 12).
        """
        return np.asarray(look / np.float64(self.temperature) + self.prior)

    def closer(self, look: npt.NDArray[np.float32], closer: Closer) -> Logits:
        """Return the logits after looking closer, (n, 12).

        Args:
            look: Logits of the look, (n, 12).
            closer: What looking closer shows of the same scans.
        """
        weights = self.look_weight, self.close_weight, self.place_weight
        parts = look, closer.whole, closer.near
        weighed = sum(weight * part.astype(np.float64) for weight, part in zip(weights, parts, strict=True))
        return np.asarray(weighed + self.prior)


class Closer(NamedTuple):
    """What looking closer shows of n scans.

    Attributes:
        places: Where digitbox looked closer.
        whole: Logits of the whole scans, float32 (n, 12).
        near: Logits of the places, float32 (n, 12).
    """

    places: Sequence[Place]
    whole: npt.NDArray[np.float32]
    near: npt.NDArray[np.float32]


class Looks:
    """The looks of one model.

    Attributes:
        networks: The loaded networks.
        rules: Their rules.
    """

    def __init__(self, networks: Networks, rules: LookRules) -> None:
        self.networks, self.rules = networks, rules

    def see(self, greys: Sequence[Grey]) -> list[Sight]:
        """Look at some scans, and closer at those of which the look is not sure.

        Args:
            greys: Grey images, uint8 (height, width), at least one pixel.

        Returns:
            What was seen of each, in the same order. It does not depend on the others.
        """
        pictures = [look_input(grey) for grey in greys]
        sights = [Sight(Decision(None, Status.REFUSED, Reason.BLANK))] * len(greys)
        inked = [index for index, picture in enumerate(pictures) if has_ink(picture)]
        logits = self.look([pictures[index] for index in inked])
        first = glances_of(self.rules.first(logits))
        unsure = []  # rows of the logits
        for row, (index, glance) in enumerate(zip(inked, first, strict=True)):
            settled = self._settle(glance)
            if settled is None:
                unsure.append(row)
            else:
                sights[index] = Sight(settled, (glance,))
        if unsure:
            indices = [inked[row] for row in unsure]
            closer = self.look_closer([greys[i] for i in indices], [pictures[i] for i in indices])
            last = glances_of(self.rules.closer(logits[unsure], closer))
            for row, index, place, glance in zip(unsure, indices, closer.places, last, strict=True):
                decided = self._decide(glance, pictures[index])
                sights[index] = Sight(decided, (first[row], glance), place)
        return sights

    def look(self, pictures: Sequence[Grey]) -> npt.NDArray[np.float32]:
        """Return the logits of the look, (n, 12), of pictures, uint8 (64, 64) each."""
        return _see(self.networks.look, pictures).logits

    def glance(self, pictures: Sequence[Grey]) -> list[Glance]:
        """Return what the look says of pictures, uint8 (64, 64) each, without looking closer."""
        return glances_of(self.rules.first(self.look(pictures)))

    def look_closer(self, greys: Sequence[Grey], pictures: Sequence[Grey]) -> Closer:
        """Look closer at some scans: at the whole of each, and at the place of its digit.

        Args:
            greys: Grey images, uint8 (height, width).
            pictures: Their pictures, uint8 (64, 64).
        """
        whole = _see(self.networks.close, pictures)
        places = [
            place_of(grey.shape, where) for grey, where in zip(greys, whole.places.tolist(), strict=True)
        ]
        parts = [look_input(cut(grey, place)) for grey, place in zip(greys, places, strict=True)]
        return Closer(places, whole.logits, _see(self.networks.close, parts).logits)

    def _settle(self, glance: Glance) -> Decision | None:
        """Decide on a scan of which the look is sure; return None if it is not."""
        if glance.confidence >= self.rules.above:
            return self._answer(glance, 0.0)
        if glance.several >= self.rules.several_above:
            return _refuse(glance, Reason.SEVERAL_DIGITS)
        return None

    def _decide(self, glance: Glance, picture: Grey) -> Decision:
        """Decide on a scan after looking closer."""
        if glance.confidence < self.rules.close_above:
            if glance.several >= self.rules.several_above:
                return _refuse(glance, Reason.SEVERAL_DIGITS)
            if glance.none >= LIKELY and not has_strokes(picture):
                return _refuse(glance, Reason.BLANK)
            if glance.several + glance.none >= self.rules.none_above:
                is_several = glance.several > glance.none
                return _refuse(glance, Reason.SEVERAL_DIGITS if is_several else Reason.NOT_A_DIGIT)
        return self._answer(glance, self.rules.close_above)

    def _answer(self, glance: Glance, review_below: float) -> Decision:
        """Answer the likeliest digit, for review below the user's threshold, or else below that one."""
        user = self.rules.review_below
        return decision.review(_prediction(glance), review_below if user is None else user)


def cut(grey: Grey, place: Place) -> Grey:
    """Return a part of a scan."""
    return grey[place.top : place.bottom, place.left : place.right]


def glances_of(logits: Logits) -> list[Glance]:
    """Turn logits of the twelve classes, (n, 12), into glances."""
    classes = decision.probabilities(logits, "softmax", 1.0)
    digits = classes[:, :DIGITS]
    shares = digits / np.maximum(digits.sum(axis=1, keepdims=True), MIN_TOTAL)
    labels = digits.argmax(axis=1)
    return [
        Glance(label, row[label], tuple(share), row[SEVERAL], row[NONE])
        for label, row, share in zip(labels.tolist(), classes.tolist(), shares.tolist(), strict=True)
    ]


def _see(network: Network, pictures: Sequence[Grey]) -> Seen:
    """Look at pictures, uint8 (64, 64) each, in chunks."""
    chunks = [
        network.see(np.stack(pictures[start : start + CHUNK_SCANS])[..., None])
        for start in range(0, len(pictures), CHUNK_SCANS)
    ]
    if not chunks:
        return Seen(np.zeros((0, CLASSES), np.float32), np.zeros((0, 4), np.float32))
    return Seen(*(np.concatenate(parts) for parts in zip(*chunks, strict=True)))


def _prediction(glance: Glance) -> Prediction:
    return Prediction(glance.label, glance.confidence, glance.probabilities, glance.none)


def _refuse(glance: Glance, reason: Reason) -> Decision:
    return Decision(_prediction(glance), Status.REFUSED, reason)
