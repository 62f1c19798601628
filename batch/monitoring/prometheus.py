"""Metrics of a run in the text format of Prometheus, for the textfile collector of its node exporter."""

from __future__ import annotations

from collections.abc import Iterable

from batch.clock import seconds_of
from batch.records import RunSummary, Status

Sample = tuple[dict[str, str], float]
"""Labels beside the outbox, and a value."""


def exposition(summary: RunSummary, outbox: str, last_success_at: str | None) -> str:
    """Return the content of a metrics file.

    Args:
        summary: Summary of a run that has ended.
        outbox: Value of the label `outbox`, since one folder may hold the files of several jobs.
        last_success_at: End of the last run with exit code 0, UTC, ISO 8601; None if it is unknown.

    Returns:
        Lines that end with a newline; a metric without a value is left out.
    """
    counts: list[Sample] = [({"status": status.value}, summary.counts.get(status, 0)) for status in Status]
    reasons: list[Sample] = [({"reason": reason}, count) for reason, count in sorted(summary.reasons.items())]
    gauges: list[tuple[str, str, list[Sample]]] = [
        ("last_run_started_timestamp_seconds", "Start of the last run.", _time_sample(summary.started_at)),
        ("last_run_finished_timestamp_seconds", "End of the last run.", _time_sample(summary.finished_at)),
        (
            "last_success_timestamp_seconds",
            "End of the last run with exit code 0.",
            _time_sample(last_success_at),
        ),
        ("last_run_exit_code", "Exit code of the last run.", _samples(summary.exit_code)),
        (
            "last_run_success",
            "1 if the last run ended with exit code 0, else 0.",
            _samples(float(summary.exit_code == 0)),
        ),
        ("last_run_duration_seconds", "Duration of the last run.", _samples(summary.seconds)),
        ("last_run_scans", "Rows of the last run, by status.", counts),
        ("last_run_reasons", "Rows of the last run that are not ok, by reason.", reasons),
        ("last_run_left", "Scans that the last run found but did not read.", _samples(summary.left)),
        (
            "last_run_settled",
            "Scans that the last run left out because they had a row.",
            _samples(summary.settled),
        ),
        (
            "last_run_skipped",
            "Files and folders that the last run skipped because they are no scans.",
            _samples(summary.skipped),
        ),
        ("last_run_batches", "Files of results that the last run published.", _samples(summary.batches)),
        (
            "last_run_mean_confidence",
            "Mean confidence of the predictions of the last run.",
            _samples(summary.mean_confidence),
        ),
        (
            "last_run_drift",
            "1 if a status is much more frequent than in the runs before, else 0.",
            [({"status": s.value}, float(s in summary.drift)) for s in (Status.REVIEW, Status.REFUSED)],
        ),
    ]
    return "".join(_gauge(name, text, samples, outbox) for name, text, samples in gauges if samples)


def _gauge(name: str, text: str, samples: Iterable[Sample], outbox: str) -> str:
    name = f"digitbox_{name}"
    lines = [f"# HELP {name} {text}", f"# TYPE {name} gauge"]
    for labels, value in samples:
        pairs = {"outbox": outbox, **labels}.items()
        label_text = ",".join(f'{key}="{_escape(label)}"' for key, label in pairs)
        lines.append(f"{name}{{{label_text}}} {float(value):.15g}")
    return "\n".join(lines) + "\n"


def _samples(value: float | None) -> list[Sample]:
    return [] if value is None else [({}, value)]


def _time_sample(moment: str | None) -> list[Sample]:
    return [] if moment is None else [({}, seconds_of(moment))]


def _escape(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
