"""SIGHUP: the watcher begins anew with what `digitbox.toml` says now."""

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from batch.config import WatchOptions
from batch.inference.reader import Reader
from batch.monitoring.news import News
from batch.outbox.run_stats import RunStats
from batch.watcher import loop
from batch.watcher.inbox import find_inputs
from batch.watcher.signals import StopSignal
from command import Digitbox

Step = Callable[[], object]


@pytest.fixture
def watched(monkeypatch: pytest.MonkeyPatch) -> tuple[list[WatchOptions], list[Step]]:
    """Return the options of each start, and a list for what happens after each; after the last, SIGTERM."""
    seen: list[WatchOptions] = []
    steps: list[Step] = []

    def watch(
        options: WatchOptions, reader: Reader, _: object, news: News, stop: StopSignal, *, goes_on: bool
    ) -> None:
        reader.load()
        if not goes_on:
            find_inputs(options)
        seen.append(options)
        news.state.is_watching = True
        if not steps:
            os.kill(os.getpid(), signal.SIGTERM)
        else:
            steps.pop(0)()
            os.kill(os.getpid(), signal.SIGHUP)
        assert stop.is_asked()

    monkeypatch.setattr(loop, "watch", watch)
    return seen, steps


def test_the_file_is_read_again_and_given_options_stay(
    digitbox: Digitbox, tmp_path: Path, watched: tuple[list[WatchOptions], list[Step]]
) -> None:
    seen, steps = watched
    (tmp_path / "in").mkdir()
    file = tmp_path / "digitbox.toml"
    file.write_text("settle = 3\nrescan = 10\nlog-file = 'first'\n")
    steps.append(lambda: file.write_text("settle = 4\nrescan = 20\nlog-file = 'second'\n"))
    steps.append(file.unlink)
    result = digitbox("watch", "in", "--settle", "5")
    assert (result.code, [(options.settle_s, options.rescan_s) for options in seen]) == (
        0,
        [(5.0, 10.0), (5.0, 20.0), (5.0, 30.0)],
    )
    assert all((tmp_path / name).is_file() for name in ("first", "second"))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("settle = 'x'", "digitbox.toml: settle"),
        ("review-below = 7", "digitbox.toml: Invalid value for '--review-below'"),
        ("runtime = 'x'", "digitbox.toml: Invalid value for '--runtime'"),
        ("digits = 0", "digitbox.toml: Invalid value for '--digits'"),
        ("log-file = 'inbox'", "digitbox.toml: Invalid value for '--log-file'"),
        ("dry-run = true", "digitbox.toml: dry-run reads nothing"),
        ("no-such-key = 1", "no-such-key"),
        ("settle = ", "digitbox.toml"),
        ("outbox = 'inbox'", "must not lie in each other"),
        ("summary = 'gone/summary.json'", "no folder gone"),
        ("model = 'nope'", "no model 'nope'"),
        ("inbox = 'nope'", "nope"),
        ("log-file = 'gone/log'", "gone/log"),
        ("[watch]\nmetrics-listen = '192.0.2.1:9999'", "cannot listen on 192.0.2.1:9999"),
    ],
)
def test_a_wrong_file_leaves_the_options_as_they_were(
    digitbox: Digitbox,
    tmp_path: Path,
    watched: tuple[list[WatchOptions], list[Step]],
    text: str,
    says: str,
) -> None:
    if "metrics-listen" in text:
        pytest.importorskip("prometheus_client", reason="needs the extra 'metrics'")
    seen, steps = watched
    (tmp_path / "inbox").mkdir()
    file = tmp_path / "digitbox.toml"
    file.write_text("rescan = 10\n")
    steps.append(lambda: file.write_text(text))
    result = digitbox("watch")
    *before, line = result.err.splitlines()
    assert (result.code, "stay as they were" in line, says in line) == (0, True, True), result.err
    assert len(before) <= 2 and all(" options: digitbox.toml" in line for line in before)
    assert (result.out, seen) == ("", [seen[0]] * 2)


@pytest.mark.parametrize(
    "text", ["", "settle = 3", "model = 'nope'", "inbox = 'nope'", "log-file = 'gone/x'"]
)
def test_a_share_that_is_away_ends_no_watcher(
    digitbox: Digitbox, tmp_path: Path, watched: tuple[list[WatchOptions], list[Step]], text: str
) -> None:
    """Its inbox, its log file and its summary are gone when SIGHUP comes, e.g. from logrotate."""
    seen, steps = watched
    share = tmp_path / "share"
    (share / "in").mkdir(parents=True)
    options = "inbox = 'share/in'\nlog-file = 'share/log'\nsummary = 'share/summary'\n"
    file = tmp_path / "digitbox.toml"
    file.write_text(options)
    steps.append(lambda: (share.rename(tmp_path / "away"), file.write_text(f"{text}\n")))
    steps.append(lambda: file.write_text(options))
    steps.append(lambda: (tmp_path / "away").rename(share))
    result = digitbox("watch")
    assert (result.code, len(seen)) == (0, 4), result.err
    assert seen[0] == seen[2] == seen[3]
    (share / "in").rename(tmp_path / "lost")
    assert digitbox("watch").code == 4  # at its start, a watcher needs its inbox


@pytest.mark.parametrize("text", ["rescan = 10", "settle = 3", "settle = 'x'"])
def test_a_model_that_is_gone_ends_no_watcher(
    digitbox: Digitbox,
    fake_model: Path,
    inbox: Path,
    watched: tuple[list[WatchOptions], list[Step]],
    text: str,
) -> None:
    """Whatever the file says then, the watcher goes on with the model that it holds."""
    seen, steps = watched
    file = inbox.parent / "digitbox.toml"
    file.write_text("rescan = 10\n")
    steps.append(lambda: (fake_model.rename(fake_model.with_name("away")), file.write_text(f"{text}\n")))
    steps.append(lambda: None)
    steps.append(lambda: (fake_model.with_name("away")).rename(fake_model))
    result = digitbox("watch")
    assert (result.code, len(seen)) == (0, 4), result.err
    assert seen[0] == seen[1] == seen[2]
    lines = [line for line in result.err.splitlines() if "names the model 'fake', which is not there" in line]
    assert len(lines) == 2 and all("the options and the model stay as they were" in line for line in lines)
    file.unlink()
    fake_model.rename(fake_model.with_name("away"))
    assert digitbox("watch").code == 5  # at its start, a watcher needs its model


@pytest.mark.parametrize("text", ["", "model = 'nope'"])
def test_an_end_that_has_no_entry_reaches_the_next_start(
    digitbox: Digitbox, inbox: Path, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    """The ledger could not be written when SIGHUP came, and may be when the next start opens it."""
    seen: list[int] = []

    def watch(
        _: WatchOptions, reader: Reader, stats: RunStats, news: News, stop: StopSignal, *, goes_on: bool
    ) -> None:
        reader.load()
        seen.append(len(news.state.unnoted))
        news.state.unnoted.append(stats.summary())
        news.state.is_watching = True
        (inbox.parent / "digitbox.toml").write_text(f"{text}\n")
        os.kill(os.getpid(), signal.SIGTERM if len(seen) == 3 else signal.SIGHUP)

    monkeypatch.setattr(loop, "watch", watch)
    assert digitbox("watch").code == 0
    assert seen == [0, 1, 2]
