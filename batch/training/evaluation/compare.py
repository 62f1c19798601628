"""The comparison of a new model with the one it went on from. Both read the same scans."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

import numpy as np

from batch.inference import steps
from batch.inference.models import Model
from batch.records import Status
from batch.training import metrics
from batch.training.data.datasets import NOT_A_DIGIT
from batch.training.data.own_scans import OwnScan
from batch.training.evaluation.evaluate import NO_DIGIT, REFUSED, SCANS_CHUNK, Answers

OWN = "own scans held out"
SIGNIFICANCE = 0.05  # the usual one: the highest p at which a difference counts
MIN_SCANS = 6  # with fewer, p stays above 0.05 even if the models differ on all of them


class Verdict(StrEnum):
    """The verdict on the new model."""

    BETTER = "better"
    WORSE = "worse"
    UNDECIDED = "not shown to differ"
    TOO_FEW = "too few to tell"


class Ok(NamedTuple):
    """How many scans of one kind a model answers `ok`, and how many of these wrongly."""

    answered: int
    wrong: int


@dataclass(frozen=True, slots=True)
class Pairs:
    """Counts of scans of one kind that both models have read.

    Attributes:
        name: Name of the kind.
        both: Scans that both models read right.
        only_old: Scans that only the old model reads right.
        only_new: Scans that only the new model reads right.
        neither: Scans that both read wrong.
        old_ok: What the old model answers `ok`.
        new_ok: What the new model answers `ok`.
    """

    name: str
    both: int
    only_old: int
    only_new: int
    neither: int
    old_ok: Ok = field(default=Ok(0, 0))
    new_ok: Ok = field(default=Ok(0, 0))

    @classmethod
    def of(cls, name: str, old: Answers, new: Answers) -> Pairs:
        """Count scans, given the answers of each model to them."""
        both = int((old.right & new.right).sum())
        only_old, only_new = int((old.right & ~new.right).sum()), int((new.right & ~old.right).sum())
        neither = len(old.right) - both - only_old - only_new
        ok = [Ok(int(each.ok.sum()), int((each.ok & ~each.right).sum())) for each in (old, new)]
        return cls(name, both, only_old, only_new, neither, *ok)

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


class Tested(NamedTuple):
    """Scans of one kind that a new model has read.

    Attributes:
        name: Name of the kind.
        scans: The scans, which the training held out.
        answers: The model's answers to them.
    """

    name: str
    scans: Sequence[OwnScan]
    answers: Answers


def test(new: Model, kinds: Iterable[tuple[str, Sequence[OwnScan]]]) -> list[Tested]:
    """Have a new model read scans.

    Args:
        new: The model that was trained.
        kinds: Names of kinds of scans, with scans that the training held out.

    Returns:
        Each kind of which there are scans.
    """
    if new.looks is None:  # such a model cannot refuse what is no digit
        kinds = [(name, [scan for scan in scans if scan[1] != NOT_A_DIGIT]) for name, scans in kinds]
    return [Tested(name, scans, answers(new, scans)) for name, scans in kinds if scans]


def compare(old: Model, tested: Sequence[Tested]) -> list[Pairs]:
    """Have the model that the training went on from read the same scans, and count both models' answers."""
    return [Pairs.of(kind.name, answers(old, kind.scans), kind.answers) for kind in tested]


def answers(model: Model, scans: Sequence[OwnScan]) -> Answers:
    """Let a model read scans.

    Args:
        model: The model.
        scans: Scans with their labels.
    """
    decisions = [
        scan.decision
        for start in range(0, len(scans), SCANS_CHUNK)
        for scan in steps.examine_all([grey for grey, _ in scans[start : start + SCANS_CHUNK]], model)
    ]
    read = [None if decision.status is Status.REFUSED else decision.prediction for decision in decisions]
    return Answers(
        np.array([NO_DIGIT if label == NOT_A_DIGIT else label for _, label in scans], np.int64),
        np.array([REFUSED if answer is None else answer.label for answer in read], np.int64),
        np.array([0.0 if answer is None else answer.confidence for answer in read], np.float64),
        np.array([decision.status is Status.OK for decision in decisions], np.bool_),
        np.array([1.0 if answer is None else answer.not_a_digit for answer in read], np.float64),
    )


def verdict(pairs: Sequence[Pairs]) -> Verdict:
    """Return the verdict from all kinds of scans. Better means better at one kind and worse at none."""
    verdicts = {kind.verdict for kind in pairs}
    if Verdict.WORSE in verdicts:
        return Verdict.WORSE
    if Verdict.BETTER in verdicts:
        return Verdict.BETTER
    return Verdict.UNDECIDED if Verdict.UNDECIDED in verdicts else Verdict.TOO_FEW


def own_verdict(pairs: Sequence[Pairs]) -> Verdict:
    """Return the verdict from the user's own scans alone."""
    return next((kind.verdict for kind in pairs if kind.name == OWN), Verdict.TOO_FEW)


def table(old: str, new: str, pairs: Sequence[Pairs]) -> str:
    """Write the comparison as a Markdown table.

    Args:
        old: Version of the old model.
        new: Version of the new model.
        pairs: Counts of each kind of scans.
    """
    rows = [
        ["scans", "n", f"{old} right", f"{new} right", "only old", "only new", "p", "new is", "ok", "wrong"]
    ]
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
            f"{kind.old_ok.answered} -> {kind.new_ok.answered}",
            f"{kind.old_ok.wrong} -> {kind.new_ok.wrong}",
        ]
        for kind in pairs
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = ["| " + " | ".join(map(str.ljust, row, widths)) + " |" for row in rows]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(lines)
