"""Is a new model better than the one it went on from? Both read the same scans, and every pair counts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import numpy.typing as npt

from batch.inference import steps
from batch.inference.classifier import Classifier
from batch.inference.decision import DIGITS, Thresholds
from batch.records import Status
from batch.training import metrics
from batch.training.data import own_scans
from batch.training.data.datasets import NOT_A_DIGIT, Dataset
from batch.training.data.own_scans import OwnScan

SIGNIFICANCE = 0.05
# With fewer pairs that differ, not even all of them on one side are more than chance.
MIN_DIFFERENT = 6
SCANS_AT_ONCE = 256

Flags = npt.NDArray[np.bool_]


class Verdict(StrEnum):
    """What the pairs show of the new model."""

    BETTER = "better"
    WORSE = "worse"
    UNDECIDED = "not shown to differ"
    TOO_FEW = "too few to tell"


@dataclass(frozen=True, slots=True)
class Pairs:
    """Scans of one kind, read by both models.

    Attributes:
        name: of the scans.
        both: read right by both.
        only_old: right by the old model only.
        only_new: right by the new model only.
        neither: right by none.
    """

    name: str
    both: int
    only_old: int
    only_new: int
    neither: int

    @classmethod
    def of(cls, name: str, old: Flags, new: Flags) -> Pairs:
        """Counts what both models read right."""
        both, only_old, only_new = int((old & new).sum()), int((old & ~new).sum()), int((new & ~old).sum())
        return cls(name, both, only_old, only_new, len(old) - both - only_old - only_new)

    @property
    def count(self) -> int:
        """Number of scans."""
        return self.both + self.only_old + self.only_new + self.neither

    @property
    def p(self) -> float:
        """How likely chance alone makes as lopsided a difference (McNemar's exact test, two-sided)."""
        return metrics.mcnemar(self.only_old, self.only_new)

    @property
    def verdict(self) -> Verdict:
        """What these scans show."""
        if self.count < MIN_DIFFERENT:
            return Verdict.TOO_FEW
        if self.p >= SIGNIFICANCE:
            return Verdict.UNDECIDED
        return Verdict.BETTER if self.only_new > self.only_old else Verdict.WORSE


def compare(old: Classifier, new: Classifier, own: Sequence[OwnScan], data: Iterable[Dataset]) -> list[Pairs]:
    """Has two models read the own scans that are held out, and the test images of the data sets.

    Args:
        old: the model that the training went on from.
        new: the model that was trained.
        own: all of the user's scans; those that the training held out are read.
        data: data sets; those without test images are passed over.

    Returns:
        One count for each kind of scans that there is.
    """
    kinds = [("own scans held out", own_scans.split(own)[0])]
    for part in data:
        if part.test is not None:
            kinds.append(
                (f"{part.name} test", list(zip(part.test.images, part.test.labels.tolist(), strict=True)))
            )
    pairs = []
    for name, scans in kinds:
        if new.manifest.classes == DIGITS:  # it cannot know what is no digit
            scans = [scan for scan in scans if scan[1] != NOT_A_DIGIT]
        if scans:
            pairs.append(Pairs.of(name, read_right(old, scans), read_right(new, scans)))
    return pairs


def read_right(model: Classifier, scans: Sequence[OwnScan]) -> Flags:
    """Which scans a model reads right, (n,): its digit is the label, or it refuses what is no digit."""
    return np.concatenate(
        [_right(model, scans[at : at + SCANS_AT_ONCE]) for at in range(0, len(scans), SCANS_AT_ONCE)]
        or [np.zeros(0, np.bool_)]
    )


def _right(model: Classifier, scans: Sequence[OwnScan]) -> Flags:
    prepared = [steps.prepare(grey, model.manifest.preprocess) for grey, _ in scans]
    decisions = steps.decide_all(prepared, model, Thresholds.of(model.manifest))
    found = [
        NOT_A_DIGIT if decision is None or decision.status is Status.REFUSED else decision.prediction.label
        for decision in decisions
    ]
    return np.array(found) == np.array([label for _, label in scans])


def verdict(pairs: Sequence[Pairs]) -> Verdict:
    """What all kinds of scans together show: better at something, and worse at nothing."""
    found = {each.verdict for each in pairs}
    if Verdict.WORSE in found:
        return Verdict.WORSE
    if Verdict.BETTER in found:
        return Verdict.BETTER
    return Verdict.UNDECIDED if Verdict.UNDECIDED in found else Verdict.TOO_FEW


def table(old: str, new: str, pairs: Sequence[Pairs]) -> str:
    """The comparison for people.

    Args:
        old: version of the old model.
        new: version of the new one.
        pairs: by kind of scans.
    """
    rows = [["scans", "n", f"{old} right", f"{new} right", "only old", "only new", "p", "new is"]]
    rows += [
        [
            each.name,
            str(each.count),
            str(each.both + each.only_old),
            str(each.both + each.only_new),
            str(each.only_old),
            str(each.only_new),
            f"{each.p:.3g}",
            each.verdict.value,
        ]
        for each in pairs
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = ["| " + " | ".join(map(str.ljust, row, widths)) + " |" for row in rows]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(lines)
