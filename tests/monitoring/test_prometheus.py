"""Tests of the metrics, parsed by the rules of the text format of Prometheus."""

import re
from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from batch.monitoring.prometheus import exposition
from batch.records import RunSummary

RUN = RunSummary(
    run="r",
    command="run",
    pid=1,
    started_at="2026-01-31T02:00:00Z",
    finished_at="2026-01-31T02:00:05Z",
    exit_code=3,
    seconds=5.25,
    counts={"ok": 7, "failed": 2},
    reasons={"truncated": 2},
    left=4,
    mean_confidence=0.9,
    drift={"refused": {"share": 0.5}},
)
_SAMPLE = re.compile(r'([a-z_:][a-z0-9_:]*)\{((?:[a-z_]+="(?:[^"\\\n]|\\["\\n])*",?)*)\} (\S+)')
_LABEL = re.compile(r'([a-z_]+)="((?:[^"\\\n]|\\["\\n])*)"')


def parse(text: str) -> dict[tuple[str, str], float]:
    """Return the values by name and labels; check that each name has HELP and TYPE before it, once."""
    values: dict[tuple[str, str], float] = {}
    described: list[str] = []
    assert text.endswith("\n")
    lines = iter(text[:-1].split("\n"))
    for line in lines:
        if line.startswith("# HELP "):
            name = line.split(" ")[2]
            assert name not in described and len(line.split(" ")) > 3
            assert next(lines) == f"# TYPE {name} gauge"
            described.append(name)
            continue
        match = _SAMPLE.fullmatch(line)
        assert match is not None and match[1] == described[-1], line
        labels = dict(_LABEL.findall(match[2]))
        outbox = labels.pop("outbox")
        assert outbox
        key = (match[1].removeprefix("digitbox_"), ",".join(labels.values()))
        assert key not in values
        values[key] = float(match[3])
    return values


def test_the_metrics_of_a_run() -> None:
    values = parse(exposition(RUN, "/out", "2026-01-30T02:00:05Z"))
    ended = datetime(2026, 1, 31, 2, 0, 5, tzinfo=UTC).timestamp()
    assert values["last_run_finished_timestamp_seconds", ""] == ended
    assert values["last_run_started_timestamp_seconds", ""] == ended - 5
    assert values["last_success_timestamp_seconds", ""] == ended - 86400
    assert (values["last_run_exit_code", ""], values["last_run_success", ""]) == (3, 0)
    assert [values["last_run_scans", status] for status in ("ok", "review", "refused", "failed")] == [
        7,
        0,
        0,
        2,
    ]
    assert values["last_run_reasons", "truncated"] == 2
    assert (values["last_run_left", ""], values["last_run_mean_confidence", ""]) == (4, 0.9)
    assert (values["last_run_drift", "refused"], values["last_run_drift", "review"]) == (1, 0)
    assert values["last_run_duration_seconds", ""] == 5.25


def test_a_metric_without_a_value_is_left_out() -> None:
    empty = RunSummary(run="r", command="run", pid=1, started_at=RUN.started_at, exit_code=5)
    values = parse(exposition(empty, "/out", None))
    names = {name for name, _ in values}
    assert not names & {
        *("last_success_timestamp_seconds", "last_run_mean_confidence"),
        *("last_run_finished_timestamp_seconds", "last_run_reasons"),
    }
    assert values["last_run_exit_code", ""] == 5


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1) | st.just('a"b\\c\nd'))
def test_any_outbox_can_be_a_label(outbox: str) -> None:
    text = exposition(RUN, outbox, None)
    parse(text)
    label = _LABEL.findall(text.split("\n")[2])[0][1]
    assert re.sub(r'\\(["\\n])', lambda match: {"n": "\n"}.get(match[1], match[1]), label) == outbox
