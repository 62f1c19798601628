"""Figures on a run in the text format of Prometheus, for the textfile collector of its node exporter."""

from __future__ import annotations

from collections.abc import Iterable

from batch.clock import seconds_of
from batch.records import RunSummary, Status

Sample = tuple[dict[str, str], float]


def exposition(summary: RunSummary, outbox: str, last_success_at: str | None) -> str:
    """The content of a metrics file.

    Args:
        summary: of a run that has ended.
        outbox: becomes a label, since the files of several jobs may lie in one folder.
        last_success_at: end of the last run with exit code 0, UTC, ISO 8601; None when it is not known.
    """
    counts: list[Sample] = [({"status": status.value}, summary.counts.get(status, 0)) for status in Status]
    reasons: list[Sample] = [({"reason": reason}, count) for reason, count in sorted(summary.reasons.items())]
    gauges: list[tuple[str, str, list[Sample]]] = [
        ("last_run_started_timestamp_seconds", "When the last run began.", _at(summary.started_at)),
        ("last_run_finished_timestamp_seconds", "When the last run ended.", _at(summary.finished_at)),
        ("last_success_timestamp_seconds", "When a run last ended with 0.", _at(last_success_at)),
        ("last_run_exit_code", "Exit code of the last run.", _one(summary.exit_code)),
        ("last_run_success", "Whether the last run ended with 0.", _one(float(summary.exit_code == 0))),
        ("last_run_duration_seconds", "How long the last run took.", _one(summary.seconds)),
        ("last_run_scans", "Scans that the last run gave a row, by status.", counts),
        ("last_run_reasons", "Those of them that are not ok, by reason.", reasons),
        ("last_run_left", "Scans that the last run found and did not read.", _one(summary.left)),
        ("last_run_settled", "Scans left out since they have had their row.", _one(summary.settled)),
        ("last_run_skipped", "Other files that the last run met.", _one(summary.skipped)),
        ("last_run_batches", "Files of results of the last run.", _one(summary.batches)),
        ("last_run_mean_confidence", "Mean confidence of the last run.", _one(summary.mean_confidence)),
        (
            "last_run_drift",
            "Whether there is much more of a status than in the runs before.",
            [({"status": s.value}, float(s in summary.drift)) for s in (Status.REVIEW, Status.REFUSED)],
        ),
    ]
    return "".join(_gauge(name, text, samples, outbox) for name, text, samples in gauges if samples)


def _gauge(name: str, text: str, samples: Iterable[Sample], outbox: str) -> str:
    name = f"digitbox_{name}"
    lines = [f"# HELP {name} {text}", f"# TYPE {name} gauge"]
    for labels, value in samples:
        shown = ",".join(f'{key}="{_escaped(text)}"' for key, text in {"outbox": outbox, **labels}.items())
        lines.append(f"{name}{{{shown}}} {float(value):.15g}")
    return "\n".join(lines) + "\n"


def _one(value: float | None) -> list[Sample]:
    return [] if value is None else [({}, value)]


def _at(moment: str | None) -> list[Sample]:
    return [] if moment is None else [({}, seconds_of(moment))]


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
