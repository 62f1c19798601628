"""The looks: networks that see the scan itself.

Most scans are easy, and a small network that sees the whole scan answers those alone. A larger network sees
the others. If that is not enough, another one sees the place of the digit. After each look, all that was seen
is weighed into one set of probabilities.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from batch.inference import decision
from batch.inference.decision import DIGITS, Decision, Logits
from batch.inference.look_networks import CLASSES, PLACE, Networks
from batch.inference.model_store import LOOK_COUNT
from batch.inference.runtimes import Network
from batch.preprocessing.blank import has_ink, has_strokes
from batch.preprocessing.empty_box import is_empty_box
from batch.preprocessing.look import Place, look_input, place_of
from batch.preprocessing.number_line import small_line_of, written_part
from batch.records import Grey, Manifest, Prediction, Reason, Status

SEVERAL, NONE = DIGITS, DIGITS + 1  # classes after the ten digits
LIKELY = 0.5  # what has this probability is likelier than all else together
RIVAL = 0.3  # probability of another answer in the whole scan from which a person checks that of a part
SMALL_PLACE = 0.85  # share of a scan's height below which the place of its digit may hold a small line
BOX_PLACE = 0.6  # share of a scan's height from which what looks like a 0 may be a box; less is in the box
MIN_TOTAL = 1e-300  # avoids a division by zero where all ten digits have probability 0
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


class Closer(NamedTuple):
    """What the larger network says of n whole scans.

    Attributes:
        logits: Logits, float32 (n, 12).
        places: Where their digits are.
    """

    logits: npt.NDArray[np.float32]
    places: Sequence[Place]


class Sight(NamedTuple):
    """A scan after the looks.

    Attributes:
        decision: The answer.
        glances: What digitbox knew after each look that it needed. A scan without ink has none.
        place: Where the last look was; None if that was the whole scan, or there was none.
        part: The part that digitbox looked at instead of the whole scan; None if it looked at the whole.
    """

    decision: Decision
    glances: tuple[Glance, ...] = ()
    place: Place | None = None
    part: Place | None = None


@dataclass(frozen=True, slots=True)
class LookRules:
    """The numbers that turn what was seen into a decision; the command `batch.training.look.weigh` fits them.

    Attributes:
        weights: Weights of the logits of the first look; of the first two; and of all three.
        above: A digit of at least this probability is the answer after the first look, the second, and the
            third. Then it is ok, too.
        several_prior: How often several digits occur in practice, as a share of how often the scenes of the
            fit hold them, above 0.
        none_prior: How often no digit occurs, likewise.
        several_above: From this probability of several digits the scan is refused.
        none_above: From this probability of no or several digits the scan is refused after the last look.
        review_below: The user's threshold for each answer, 0 to 1; None for that of the model.
    """

    weights: tuple[tuple[float, ...], ...]
    above: tuple[float, ...]
    several_prior: float
    none_prior: float
    several_above: float
    none_above: float
    review_below: float | None = None

    @classmethod
    def of(cls, manifest: Manifest, review_below: float | None = None) -> LookRules:
        """Return the rules of a model, with the user's threshold."""
        return cls(
            manifest.look_weights,
            (*manifest.look_above, manifest.review_below),
            manifest.look_several_prior,
            manifest.look_none_prior,
            manifest.look_several_above,
            manifest.refuse_above,
            review_below,
        )

    @property
    def prior(self) -> Logits:
        """What practice adds to the logits of the twelve classes (Saerens et al., 2002)."""
        return np.log([1.0] * DIGITS + [self.several_prior, self.none_prior])

    def weigh(self, seen: Sequence[Logits]) -> Logits:
        """Return the logits after all looks so far, float64 (n, 12).

        Args:
            seen: The logits of each look, (n, 12).
        """
        weighed = np.tile(self.prior, (len(seen[0]), 1))
        for weight, logits in zip(self.weights[len(seen) - 1], seen, strict=True):
            weighed += weight * logits.astype(np.float64)
        return weighed


class Looks:
    """The looks of one model.

    Attributes:
        networks: The loaded networks.
        rules: Their rules.
    """

    def __init__(self, networks: Networks, rules: LookRules) -> None:
        self.networks, self.rules = networks, rules

    def see(self, greys: Sequence[Grey]) -> list[Sight]:
        """Look at some scans, and again at those of which digitbox is not sure.

        Of a long scan, digitbox sees the part in which something is written, and a person checks it: more
        may be there. What is small in its scan is looked at alone. If the scan looks blank, a person checks
        that, too.

        Args:
            greys: Grey images, uint8 (height, width), at least one pixel.

        Returns:
            What was seen of each, in the same order. It does not depend on the others.
        """
        written = [written_part(grey) for grey in greys]
        greys = [grey if part is None else cut(grey, part) for grey, part in zip(greys, written, strict=True)]
        sights = self._see(greys)
        lines = {
            index: line
            for index, (grey, sight) in enumerate(zip(greys, sights, strict=True))
            if (line := self._line_of(grey, sight)) is not None
        }
        again = self._see([cut(greys[index], line) for index, line in lines.items()])
        for (index, line), sight in zip(lines.items(), again, strict=True):
            sights[index] = _surer(sights[index], _in_scan(sight, line))
        return [
            sight if part is None else _doubted(_in_scan(sight, part))
            for sight, part in zip(sights, written, strict=True)
        ]

    def _line_of(self, grey: Grey, sight: Sight) -> Place | None:
        """Return the small line of a scan to look at alone; None if that would tell no more."""
        if sight.decision.reason is Reason.BLANK:
            return small_line_of(grey)
        if sight.place is None or sight.decision.status is Status.REFUSED:
            return None
        is_small = sight.place.bottom - sight.place.top < SMALL_PLACE * grey.shape[0]
        if is_small and sight.glances[-1].confidence < self.rules.above[-1]:
            return small_line_of(grey)
        return None

    def _see(self, greys: Sequence[Grey]) -> list[Sight]:
        """Look at whole scans, and at the places of their digits."""
        pictures = [look_input(grey) for grey in greys]
        sights = [Sight(Decision(None, Status.REFUSED, Reason.BLANK))] * len(greys)
        glances: dict[int, list[Glance]] = {index: [] for index in range(len(greys))}
        unsure = [index for index, picture in enumerate(pictures) if has_ink(picture, greys[index].shape)]
        seen: list[Logits] = []  # of the scans that are unsure, by look
        places: Sequence[Place] = ()
        while unsure:
            now = [greys[i] for i in unsure], [pictures[i] for i in unsure]
            if not seen:
                seen.append(self.look(now[1]))
            elif len(seen) == 1:
                whole = self.look_closer(*now)
                seen.append(whole.logits)
                places = whole.places
            else:
                seen.append(self.look_at(now[0], places))
            rows = []  # that are still unsure
            for row, (index, found) in enumerate(
                zip(unsure, glances_of(self.rules.weigh(seen)), strict=True)
            ):
                is_small = bool(places) and _is_small(places[row], greys[index])
                glance = found if is_small else _unless_box(found, pictures[index])
                glances[index].append(glance)
                decided = self._decide(glance, len(seen), pictures[index])
                if decided is None:
                    rows.append(row)
                else:
                    place = places[row] if len(seen) == LOOK_COUNT else None
                    sights[index] = Sight(decided, tuple(glances[index]), place)
            unsure = [unsure[row] for row in rows]
            seen = [logits[rows] for logits in seen]
            places = [places[row] for row in rows] if places else ()
        return sights

    def look(self, pictures: Sequence[Grey]) -> npt.NDArray[np.float32]:
        """Return the logits of the small network, (n, 12), of pictures, uint8 (64, 64) each."""
        return _ask(self.networks.look, pictures)[0]

    def look_closer(self, greys: Sequence[Grey], pictures: Sequence[Grey]) -> Closer:
        """Let the larger network see whole scans, and say where their digits are.

        Args:
            greys: Grey images, uint8 (height, width).
            pictures: Their pictures, uint8 (64, 64).
        """
        logits, places = _ask(self.networks.close, pictures)
        where = zip(greys, places.tolist(), strict=True)
        return Closer(logits, [place_of(grey.shape, shares) for grey, shares in where])

    def look_at(self, greys: Sequence[Grey], places: Sequence[Place]) -> npt.NDArray[np.float32]:
        """Let the network for places see parts of scans.

        Args:
            greys: Grey images, uint8 (height, width).
            places: The part of each.

        Returns:
            Logits, (n, 12).
        """
        parts = [look_input(cut(grey, place)) for grey, place in zip(greys, places, strict=True)]
        return _ask(self.networks.place, parts)[0]

    def glance(self, pictures: Sequence[Grey]) -> list[Glance]:
        """Return what the first look says of pictures, uint8 (64, 64) each."""
        return glances_of(self.rules.weigh([self.look(pictures)]))

    def glance_twice(self, pictures: Sequence[Grey]) -> list[Glance]:
        """Return what the looks say of pictures, the larger network where the first look is not sure.

        Args:
            pictures: Pictures of one digit each, uint8 (64, 64).
        """
        logits = self.look(pictures)
        glances = glances_of(self.rules.weigh([logits]))
        unsure = [row for row, glance in enumerate(glances) if glance.confidence < self.rules.above[0]]
        closer = _ask(self.networks.close, [pictures[row] for row in unsure])[0]
        for row, glance in zip(unsure, glances_of(self.rules.weigh([logits[unsure], closer])), strict=True):
            glances[row] = glance
        return glances

    def _decide(self, glance: Glance, looks: int, picture: Grey) -> Decision | None:
        """Decide on a scan after so many looks; return None if digitbox should look again."""
        above, user = self.rules.above[looks - 1], self.rules.review_below
        if glance.confidence >= above:
            return decision.review(_prediction(glance), 0.0 if user is None else user)
        if glance.several >= self.rules.several_above:
            return _refuse(glance, Reason.SEVERAL_DIGITS)
        if looks < LOOK_COUNT:
            return None
        if glance.none >= LIKELY and (not has_strokes(picture) or is_empty_box(picture)):
            return _refuse(glance, Reason.BLANK)
        if glance.several + glance.none >= self.rules.none_above:
            is_several = glance.several > glance.none
            return _refuse(glance, Reason.SEVERAL_DIGITS if is_several else Reason.NOT_A_DIGIT)
        return decision.review(_prediction(glance), above if user is None else user)


def cut(grey: Grey, place: Place) -> Grey:
    """Return a part of a scan."""
    return grey[place.top : place.bottom, place.left : place.right]


def _in_scan(sight: Sight, part: Place) -> Sight:
    """Return what was seen of a part of a scan, with places in the whole scan."""
    place = _within(part, sight.place) if sight.place else part if sight.glances else None
    return Sight(sight.decision, sight.glances, place, _within(part, sight.part) if sight.part else part)


def _within(part: Place, place: Place) -> Place:
    """Return in the whole scan the place that a part of it has."""
    left, top, right, bottom = place
    return Place(part.left + left, part.top + top, part.left + right, part.top + bottom)


def _surer(whole: Sight, part: Sight) -> Sight:
    """Return what was seen of a scan or of a part of it, whichever is surer; doubt it if they differ."""
    if whole.decision.reason is Reason.BLANK:
        return _doubted(part)
    before, now = whole.glances[-1], part.glances[-1] if part.glances else None
    if now is None or part.decision.status is Status.REFUSED or now.confidence <= before.confidence:
        return whole
    against = max(before.several, before.none, before.confidence if before.label != now.label else 0.0)
    return _doubted(part) if against >= RIVAL else part


def _doubted(sight: Sight) -> Sight:
    """Return what was seen, for a person to check."""
    return sight._replace(decision=decision.doubted(sight.decision))


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


def _is_small(place: Place, grey: Grey) -> bool:
    """Return whether what was seen at a place is too small for a box that fills the scan."""
    return place.bottom - place.top < BOX_PLACE * grey.shape[0]


def _unless_box(glance: Glance, picture: Grey) -> Glance:
    """Return a glance, or that of no digit if it takes an empty box of a form for a 0."""
    if glance.label or not is_empty_box(picture):
        return glance
    return glance._replace(confidence=0.0, none=glance.none + glance.confidence)


def _ask(network: Network, pictures: Sequence[Grey]) -> list[npt.NDArray[np.float32]]:
    """Show pictures, uint8 (64, 64) each, to a network in chunks, and return its outputs."""
    chunks = [
        network.outputs(np.stack(pictures[start : start + CHUNK_SCANS])[..., None])
        for start in range(0, len(pictures), CHUNK_SCANS)
    ]
    if not chunks:
        return [np.zeros((0, columns), np.float32) for columns in (CLASSES, PLACE)]
    return [np.concatenate(parts) for parts in zip(*chunks, strict=True)]


def _prediction(glance: Glance) -> Prediction:
    return Prediction(glance.label, glance.confidence, glance.probabilities, glance.several + glance.none)


def _refuse(glance: Glance, reason: Reason) -> Decision:
    return Decision(_prediction(glance), Status.REFUSED, reason)
