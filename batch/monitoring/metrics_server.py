"""The metrics of a watcher for Prometheus, served on a port of this machine."""

from __future__ import annotations

import importlib.util
import math
import re
import socket
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from batch.errors import ConfigError, MissingExtraError
from batch.monitoring.news import State
from batch.outbox.run_stats import RunStats
from batch.records import Status

if TYPE_CHECKING:
    from prometheus_client.core import Metric

ADDRESS = re.compile(r"(?P<host>[^:\[\]\s/]+|\[[0-9A-Fa-f:.]+\]):(?P<port>\d{1,5})", re.ASCII)
BUCKETS_S = (0.05, 0.1, 0.25, 0.5, 1, 2, 5, 10, 30, 60, 300)  # 2 s is the target beyond --settle


def parse_address(text: str) -> tuple[str, int]:
    """Return the host and the port of an address such as `127.0.0.1:9600` or `[::1]:9600`.

    Raises:
        ConfigError: The text is no such address.
    """
    match = ADDRESS.fullmatch(text)
    if match is None or not 0 < int(match["port"]) < 65536:
        raise ConfigError(f"--metrics-listen: {text!r} is no address: give one such as 127.0.0.1:9600")
    return match["host"].strip("[]"), int(match["port"])


def check(address: str) -> None:
    """Check that metrics can be served there.

    Raises:
        ConfigError: The text is no address.
        MissingExtraError: The extra `metrics` is not installed.
    """
    parse_address(address)
    if importlib.util.find_spec("prometheus_client") is None:
        raise MissingExtraError("--metrics-listen", "metrics")


def check_host(address: str) -> None:
    """Check that the host of an address is this machine; its port may be in use.

    Raises:
        ConfigError: The text is no address, or digitbox cannot listen there.
    """
    host, _ = parse_address(address)
    try:
        family, _, _, _, place = socket.getaddrinfo(host, 0, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.bind(place)
    except (OSError, UnicodeError) as error:
        raise _listen_error(address, error) from error


def _listen_error(address: str, error: OSError | UnicodeError) -> ConfigError:
    why = error.strerror if isinstance(error, OSError) else error  # no host can have such a name
    return ConfigError(f"--metrics-listen: cannot listen on {address}: {why}; name another address")


class MetricsCollector:
    """A collector of a watcher's metrics, as `prometheus_client` calls it.

    Args:
        stats: Statistics of the watcher.
        state: State of the watcher.
        outbox: Value of the label `outbox`.
        clock: Returns the time of `State.ready_since`.
    """

    def __init__(
        self, stats: RunStats, state: State, outbox: str, clock: Callable[[], float] = time.monotonic
    ) -> None:
        from prometheus_client import CollectorRegistry, Histogram, ProcessCollector

        self._stats, self._state, self._outbox, self._clock = stats, state, outbox, clock
        self.registry = CollectorRegistry()
        self._latency = Histogram(
            "digitbox_batch_latency_seconds",
            "Time from a batch's first whole scan to its published rows.",
            ["outbox"],
            buckets=BUCKETS_S,
            registry=self.registry,
        ).labels(outbox)
        ProcessCollector(namespace="digitbox", registry=self.registry)
        self.registry.register(self)

    def observe(self, seconds: float) -> None:
        """Count the latency of a batch."""
        self._latency.observe(seconds)

    def collect(self) -> Iterable[Metric]:
        """Yield the metrics of this moment, for `prometheus_client`."""
        from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

        run, state = self._stats.summary(), self._state
        scans = CounterMetricFamily(
            "digitbox_scans", "Published rows, by status.", labels=["outbox", "status"]
        )
        for status in Status:
            scans.add_metric([self._outbox, status.value], run.counts.get(status.value, 0))
        reasons = CounterMetricFamily(
            "digitbox_reasons", "Published rows that are not ok, by reason.", labels=["outbox", "reason"]
        )
        for reason, count in sorted(run.reasons.items()):
            reasons.add_metric([self._outbox, reason], count)
        yield scans
        yield reasons
        for name, text, value in (
            ("batches", "Published files of results.", run.batches),
            ("pauses", "Times that the watcher could not write to its outbox.", state.pauses),
        ):
            counter = CounterMetricFamily(f"digitbox_{name}", text, labels=["outbox"])
            counter.add_metric([self._outbox], value)
            yield counter
        waited = self._clock() - state.ready_since if math.isfinite(state.ready_since) else 0.0
        for name, text, level in (
            ("backlog", "Files that the watcher knows and has not read.", state.backlog),
            ("oldest_waiting_seconds", "Time for which the oldest whole scan has waited.", max(0.0, waited)),
            ("paused", "1 while the watcher cannot write to its outbox, else 0.", float(bool(state.problem))),
        ):
            gauge = GaugeMetricFamily(f"digitbox_{name}", text, labels=["outbox"])
            gauge.add_metric([self._outbox], level)
            yield gauge
        model = GaugeMetricFamily(
            "digitbox_model_info", "Version of the model.", labels=["outbox", "version"]
        )
        model.add_metric([self._outbox, run.model], 1)
        yield model


@contextmanager
def serve(collector: MetricsCollector, address: str) -> Iterator[None]:
    """Serve metrics while the block runs.

    Args:
        collector: The metrics.
        address: Host and port, see `parse_address`.

    Raises:
        ConfigError: digitbox cannot listen there.
    """
    from prometheus_client import start_http_server

    host, port = parse_address(address)
    try:
        httpd, thread = start_http_server(port, host, collector.registry)
    except (OSError, UnicodeError) as error:
        raise _listen_error(address, error) from error
    try:
        yield
    finally:
        httpd.shutdown()
        httpd.server_close()
        thread.join()
