"""The comparison of a new model with the one it went on from. Both read the same scans."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import numpy.typing as npt

from batch.inference import steps
from batch.inference.decision import DIGITS
from batch.inference.models import Model
from batch.records import Status
from batch.training import metrics
from batch.training.data import own_scans
from batch.training.data.datasets import NOT_A_DIGIT, Dataset
from batch.training.data.own_scans import OwnScan

SIGNIFICANCE = 0.05  # the usual one: the highest p at which a difference counts
MIN_SCANS = 6  # with fewer, p stays above 0.05 even if the models differ on all of them
SCANS_CHUNK = 256  # scans that are prepared and read together; it bounds the memory

Flags = npt.NDArray[np.bool_]


class Verdict(StrEnum):
    """The verdict on the new model."""

    BETTER = "better"
    WORSE = "worse"
    UNDECIDED = "not shown to differ"
    TOO_FEW = "too few to tell"


@dataclass(frozen=True, slots=True)
class Pairs:
    """Counts of scans of one kind that both models have read.

    Attributes:
        name: Name of the kind.
        both: Scans that both models read right.
        only_old: Scans that only the old model reads right.
        only_new: Scans that only the new model reads right.
        neither: Scans that both read wrong.
    """

    name: str
    both: int
    only_old: int
    only_new: int
    neither: int

    @classmethod
    def of(cls, name: str, old: Flags, new: Flags) -> Pairs:
        """Count scans, given whether each model reads each of them right, (n,)."""
        both, only_old, only_new = int((old & new).sum()), int((old & ~new).sum()), int((new & ~old).sum())
        return cls(name, both, only_old, only_new, len(old) - both - only_old - only_new)

    @property
    def count(self) -> int:
        """The number of scans."""
        return self.both + self.only_old + self.only_new + self.neither

    @property
    def p(self) -> float:
        """The probability of as large a difference by chance alone (McNemar's exact test, two-sided)."""
        return metrics.mcnemar(self.only_old, self.only_new)

    @property
    def verdict(self) -> Verdict:
        """The verdict from these scans alone."""
        if self.count < MIN_SCANS:
            return Verdict.TOO_FEW
        if self.p >= SIGNIFICANCE:
            return Verdict.UNDECIDED
        return Verdict.BETTER if self.only_new > self.only_old else Verdict.WORSE


def compare(old: Model, new: Model, own: Sequence[OwnScan], data: Iterable[Dataset]) -> list[Pairs]:
    """Have two models read the own scans that are held out, and the test images of the data sets.

    Args:
        old: The model that the training went on from.
        new: The model that was trained.
        own: All of the user's scans. The models read those that the training held out.
        data: Data sets. Those without test images are not used.

    Returns:
        The counts of each kind of scans that there is.
    """
    kinds = [("own scans held out", own_scans.split(own)[0])]
    for part in data:
        if part.test is not None:
            kinds.append(
                (f"{part.name} test", list(zip(part.test.images, part.test.labels.tolist(), strict=True)))
            )
    pairs = []
    for name, scans in kinds:
        if new.manifest.classes == DIGITS:  # such a model cannot refuse what is no digit
            scans = [scan for scan in scans if scan[1] != NOT_A_DIGIT]
        if scans:
            pairs.append(Pairs.of(name, read_right(old, scans), read_right(new, scans)))
    return pairs


def read_right(model: Model, scans: Sequence[OwnScan]) -> Flags:
    """Return whether a model reads each scan right, (n,). It is right to refuse what is no digit."""
    chunks = [scans[start : start + SCANS_CHUNK] for start in range(0, len(scans), SCANS_CHUNK)]
    return np.concatenate([_right(model, chunk) for chunk in chunks] or [np.zeros(0, np.bool_)])


def _right(model: Model, scans: Sequence[OwnScan]) -> Flags:
    decisions = steps.decide_all(steps.examine_all([grey for grey, _ in scans], model), model)
    labels = [
        NOT_A_DIGIT if decision is None or decision.status is Status.REFUSED else decision.prediction.label
        for decision in decisions
    ]
    return np.array(labels) == np.array([label for _, label in scans])


def verdict(pairs: Sequence[Pairs]) -> Verdict:
    """Return the verdict from all kinds of scans. Better means better at one kind and worse at none."""
    verdicts = {kind.verdict for kind in pairs}
    if Verdict.WORSE in verdicts:
        return Verdict.WORSE
    if Verdict.BETTER in verdicts:
        return Verdict.BETTER
    return Verdict.UNDECIDED if Verdict.UNDECIDED in verdicts else Verdict.TOO_FEW


def table(old: str, new: str, pairs: Sequence[Pairs]) -> str:
    """Write the comparison as a Markdown table.

    Args:
        old: Version of the old model.
        new: Version of the new model.
        pairs: Counts of each kind of scans.
    """
    rows = [["scans", "n", f"{old} right", f"{new} right", "only old", "only new", "p", "new is"]]
    rows += [
        [
            kind.name,
            str(kind.count),
            str(kind.both + kind.only_old),
            str(kind.both + kind.only_new),
            str(kind.only_old),
            str(kind.only_new),
            f"{kind.p:.3g}",
            kind.verdict.value,
        ]
        for kind in pairs
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = ["| " + " | ".join(map(str.ljust, row, widths)) + " |" for row in rows]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(lines)
