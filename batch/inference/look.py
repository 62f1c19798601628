"""The looks: networks that see the scan itself, before digitbox looks for its ink.

Most scans are easy, and a small network that sees the whole scan answers those alone. The larger network
`close` looks closer at the others, at the whole scan and at the place of the digit. If both are not sure, the
model that sees the ink has a say, too: all that was seen is weighed into one set of probabilities.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from batch.inference import decision
from batch.inference.decision import DIGITS, MIN_TOTAL, Decision, Probabilities
from batch.inference.look_networks import CLASSES, Network, Networks, Seen
from batch.preprocessing.look import Place, look_input, place_of
from batch.records import Grey, Manifest, Prediction, Reason, Status

SEVERAL, NONE = DIGITS, DIGITS + 1  # classes after the ten digits
CHUNK_SCANS = 16  # pictures in a batch; the memory of a larger one leaves the processor's cache
LIKELY = 0.5  # a digit of this probability is likelier than all else together
MIN_SHARE = 1e-6  # what the model takes for less likely counts as this likely; it bounds what it can say

Evidence = npt.NDArray[np.float64]
"""The logits of looking closer, weighed: (12,) for one scan."""


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
        glances: What the look says, and what looking closer says if the look was not sure.
        is_sure: Whether the last glance is the answer.
        refusal: Why the scan is not one digit; None if the looks do not refuse it.
        place: Where digitbox looked closer; None if it did not.
        evidence: What the decision weighs against the model; None if digitbox did not look closer.
    """

    glances: tuple[Glance, ...]
    is_sure: bool
    refusal: Reason | None
    place: Place | None = None
    evidence: Evidence | None = None

    @property
    def is_digit(self) -> bool:
        """Whether the scan shows one digit more likely than not."""
        return self.glances[-1].confidence >= LIKELY


@dataclass(frozen=True, slots=True)
class LookRules:
    """The numbers that turn what was seen into a decision; the command `batch.training.look.weigh` fits them.

    Attributes:
        temperature: Divisor of the look's logits, above 0.
        above: A digit of at least this probability is the look's answer.
        close_weight: Weight of the logits of the whole scan in looking closer.
        place_weight: Weight of the logits of the digit's place in looking closer.
        model_weight: Weight of the logarithms of the model's probabilities.
        close_above: A digit of at least this probability is the answer of looking closer, and ok after that.
        several_above: From this probability of several digits the scan is refused.
        none_above: From this probability of no or several digits, the scan is refused at last.
        review_below: The user's threshold for each answer, 0 to 1; None for that of the model.
    """

    temperature: float
    above: float
    close_weight: float
    place_weight: float
    model_weight: float
    close_above: float
    several_above: float
    none_above: float
    review_below: float | None = None

    @classmethod
    def of(cls, manifest: Manifest, review_below: float | None = None) -> LookRules:
        """Return the rules of a model, with the user's threshold."""
        return cls(
            manifest.look_temperature,
            manifest.look_above,
            manifest.look_close_weight,
            manifest.look_place_weight,
            manifest.look_model_weight,
            manifest.look_close_above,
            manifest.look_several_above,
            manifest.look_none_above,
            review_below,
        )


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

    def evidence(self, rules: LookRules) -> npt.NDArray[np.float64]:
        """Return the weighed logits, (n, 12)."""
        return rules.close_weight * self.whole.astype(np.float64) + rules.place_weight * self.near.astype(
            np.float64
        )


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
        logits = self.look(pictures)
        first = glances_of(decision.probabilities(logits, "softmax", self.rules.temperature))
        sights = [self._judge(glance, self.rules.above) for glance in first]
        unsure = [index for index, sight in enumerate(sights) if not sight.is_sure and sight.refusal is None]
        if unsure:
            closer = self.look_closer([greys[i] for i in unsure], [pictures[i] for i in unsure])
            for index, place, evidence in zip(
                unsure, closer.places, closer.evidence(self.rules), strict=True
            ):
                (glance,) = glances_of(decision.probabilities(evidence[None], "softmax", 1.0))
                sight = self._judge(glance, self.rules.close_above)
                glances = first[index], glance
                sights[index] = sight._replace(glances=glances, place=place, evidence=evidence)
        return sights

    def _judge(self, glance: Glance, above: float) -> Sight:
        is_sure = glance.confidence >= above
        several = glance.several >= self.rules.several_above
        return Sight((glance,), is_sure, Reason.SEVERAL_DIGITS if several and not is_sure else None)

    def look(self, pictures: Sequence[Grey]) -> npt.NDArray[np.float32]:
        """Return the logits of the look, (n, 12), of pictures, uint8 (64, 64) each."""
        return _see(self.networks.look, pictures).logits

    def glance(self, pictures: Sequence[Grey]) -> list[Glance]:
        """Return what the look says of pictures, uint8 (64, 64) each, without looking closer."""
        if not pictures:
            return []
        return glances_of(decision.probabilities(self.look(pictures), "softmax", self.rules.temperature))

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
        parts = [
            look_input(grey[place.top : place.bottom, place.left : place.right])
            for grey, place in zip(greys, places, strict=True)
        ]
        return Closer(places, whole.logits, _see(self.networks.close, parts).logits)

    def decide(self, sight: Sight) -> Decision:
        """Decide on a scan from what the looks saw alone."""
        below = self.rules.review_below
        if below is None:
            below = 0.0 if sight.is_sure else self.rules.close_above
        return _decide(sight.glances[-1], below)

    def weigh(self, sights: Sequence[Sight], shares: Probabilities) -> list[Decision]:
        """Decide on scans of which the looks are not sure: weigh what they saw against the model.

        Args:
            sights: What was seen of each scan, with evidence.
            shares: The model's probabilities, float64 (n, 10) or (n, 11).
        """
        evidence = np.stack([sight.evidence for sight in sights if sight.evidence is not None])
        weighed = weigh_model(evidence, shares, self.rules)
        below = self.rules.close_above if self.rules.review_below is None else self.rules.review_below
        return [
            self._refuse(glance) or _decide(glance, below)
            for glance in glances_of(decision.probabilities(weighed, "softmax", 1.0))
        ]

    def _refuse(self, glance: Glance) -> Decision | None:
        if glance.several + glance.none < self.rules.none_above:
            return None
        reason = Reason.SEVERAL_DIGITS if glance.several > glance.none else Reason.NOT_A_DIGIT
        return Decision(_prediction(glance), Status.REFUSED, reason)


def weigh_model(
    evidence: npt.NDArray[np.float64], shares: Probabilities, rules: LookRules
) -> npt.NDArray[np.float64]:
    """Add what the model says to the evidence of the looks.

    The model knows no class of several digits, so its probability of no digit counts for both.

    Args:
        evidence: Result of `Closer.evidence`, (n, 12).
        shares: The model's probabilities, (n, 10) or (n, 11).
        rules: The weights.

    Returns:
        Logits, float64 (n, 12).
    """
    columns = np.minimum(np.arange(CLASSES), shares.shape[1] - 1)
    said = np.log(np.maximum(shares[:, columns], MIN_SHARE))
    if shares.shape[1] == DIGITS:
        said[:, DIGITS:] = 0.0  # it cannot tell what is no digit
    return np.asarray(evidence + rules.model_weight * said)


def glances_of(classes: Probabilities) -> list[Glance]:
    """Turn probabilities of the twelve classes, (n, 12), into glances."""
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


def _decide(glance: Glance, review_below: float) -> Decision:
    if glance.confidence < review_below:
        return Decision(_prediction(glance), Status.REVIEW, Reason.LOW_CONFIDENCE)
    return Decision(_prediction(glance), Status.OK, None)
