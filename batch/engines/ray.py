"""Where the work runs: on the machines of a Ray cluster, in actors of Ray Data."""

from __future__ import annotations

import importlib.util
import itertools
import logging
import os
import pickle
import re
import signal
import socket
import sys
import threading
import warnings
from collections.abc import Generator, Iterable, Iterator
from contextlib import ExitStack, closing, contextmanager, redirect_stdout
from typing import Any, Self

from batch import __version__
from batch.engines import local
from batch.engines.local import ScanReader
from batch.engines.ray_workers import END, Feed, Worker, scan_dataset, version_error
from batch.errors import ConfigError, ExitCode, InputError, MissingExtraError, RunError
from batch.records import Outcome, Reason, ScanRef
from batch.terminal import stderr

ADDRESS = "RAY_ADDRESS"  # Ray's own variable, which `ray job submit` sets
MAX_CHUNK_SCANS = 2048  # scans; each piece costs this process a few milliseconds, however many it has
CHUNKS_AHEAD = 4  # pieces for each worker: Ray Data asks for another worker when two wait for one
OFTEN = 64  # pieces between two looks at how large the cluster is
PATIENCE_S = 10.0
LOOK_S, MISSES = 4.0, 10  # between looks at the head of the cluster; Ray gives it a minute to come back
INIT_DEATHS = 3  # of workers in a row that end before they have begun; more is no accident
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
OBJECT_STORE_BYTES = 200 << 20  # of a Ray that is started for this run: it has the pieces in flight


class RayEngine:
    """Reads scans on a Ray cluster; to be used with `with`, which ends what it has started there.

    The listing goes to Ray Data piece by piece, as the answers come back: neither this process nor the
    cluster ever holds more of it than the workers are about to read.

    Args:
        reader: reads scans; it goes to each worker once, with its model.
        workers: actors, at most; None for as many as the cluster has room for.
        address: `HOST:PORT` of the cluster, or `auto` for the one that this machine is part of; None for
            Ray's own RAY_ADDRESS, or else a Ray on this machine that lives as long as the engine.

    Raises:
        MissingExtraError: Ray is not installed.
        ConfigError: the address is none.
    """

    def __init__(self, reader: ScanReader, workers: int | None = None, address: str | None = None) -> None:
        if importlib.util.find_spec("ray") is None:
            raise MissingExtraError("--engine ray", "ray")
        self._reader, self._workers = reader, workers
        self._address = address or os.environ.get(ADDRESS) or "local"
        self._host = None if self._address in ("auto", "local") else _host_of(self._address)
        self._ray: Any = None
        self._running, self._connected = ExitStack(), ExitStack()
        self._room = 1  # for workers

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        # What runs on the cluster ends first: without one, Ray would start another to end it on.
        self._running.close()
        self._connected.close()

    def map(self, refs: Iterable[ScanRef], size: int) -> Iterator[list[Outcome]]:
        """Reads scans; yields their outcomes in the order of the scans, many at a time.

        Args:
            refs: are taken from no faster than they are read.
            size: scans that the model sees at a time; a piece of work has as many, and later more.

        Raises:
            ConfigError: the cluster cannot be reached, or failed; or digitbox there is another one than here.
            InputError: the scans cannot be seen from there.
            RunError: what a worker could not begin with.
        """
        pieces = self._pieces(iter(refs), size)
        first = list(itertools.islice(pieces, 2))
        if first:
            self._connect()
            running = self._map(itertools.chain(first, pieces), size, is_small=len(first) == 1)
            self._running.callback(running.close)
            with _failures():
                yield from running

    def _pieces(self, refs: Iterator[ScanRef], size: int) -> Iterator[list[ScanRef]]:
        """Small ones first, so that answers come soon, and each worker has one though there are few scans."""
        for number in itertools.count():
            larger = size << min(number // (CHUNKS_AHEAD * self._room), 16)
            piece = list(itertools.islice(refs, max(size, min(larger, MAX_CHUNK_SCANS))))
            if not piece:
                return
            yield piece

    def _map(
        self, pieces: Iterator[list[ScanRef]], size: int, is_small: bool
    ) -> Generator[list[Outcome], None, None]:
        feed = self._ray.remote(Feed).options(**self._here()).remote()
        answers = self._running.enter_context(
            closing(self._answers(feed, size, 1 if is_small else self._room))
        )
        put = given = 0
        has_more = True
        while has_more or given < put:
            while has_more and put - given < CHUNKS_AHEAD * self._room:
                piece = next(pieces, [])
                feed.put.remote(put, pickle.dumps(piece) if piece else END, given)
                has_more = bool(piece)
                put += has_more
                if put % OFTEN == 0:
                    self._look_around()
            if given < put:
                yield _outcomes(next(answers), given)
                given += 1

    def _answers(self, feed: Any, size: int, workers: int) -> Generator[Any, None, None]:
        from ray import data

        context = data.DataContext.get_current()
        context.execution_options.preserve_order = True
        context.enable_progress_bars = False
        context.print_on_execution_start = False
        # Each row is a block: none waits for others to fill one with.
        context.target_max_block_size = 1
        # To find what is new among very many settled scans may take longer than any limit.
        context.execution_no_progress_timeout_s = -1
        context.max_consecutive_actor_init_deaths = INIT_DEATHS
        listing = data.read_datasource(
            scan_dataset(feed), override_num_blocks=1, ray_remote_args={**self._here(), "max_retries": -1}
        )
        answers = listing.map_batches(
            Worker,
            fn_constructor_args=(__version__, pickle.dumps(self._reader), os.getcwd(), size),
            batch_size=None,
            batch_format="pyarrow",
            compute=data.ActorPoolStrategy(min_size=1, max_size=self._workers, initial_size=workers),
            num_cpus=1,
        )
        yield from answers.iter_batches(batch_size=None, batch_format="pyarrow", prefetch_batches=0)

    def _here(self) -> dict[str, Any]:
        """Where the listing is served: on this machine, without which the run ends anyway."""
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        node = self._ray.get_runtime_context().get_node_id()
        return {"num_cpus": 0, "scheduling_strategy": NodeAffinitySchedulingStrategy(node, soft=False)}

    def _connect(self) -> None:
        if self._ray is not None:
            return
        os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
        os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")  # of what goes to stderr, too
        settings: dict[str, Any] = {"logging_level": logging.ERROR, "log_to_driver": False}
        if self._address == "local":
            settings["num_cpus"] = self._workers or local.usable_cores()
            settings["object_store_memory"] = OBJECT_STORE_BYTES
            settings["include_dashboard"] = False
        elif self._host is not None:
            try:
                socket.create_connection(self._host, PATIENCE_S).close()
            except OSError as error:
                raise self._unreachable(error) from error
        try:
            with _ignore_interrupts():
                import ray.data

                # Ray tells there of each worker that it lost: stdout is for results.
                nowhere = self._connected.enter_context(open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115
                self._connected.enter_context(redirect_stdout(nowhere))
                self._connected.callback(ray.shutdown)
                ray.init(self._address, **settings)
        except ImportError as error:
            raise MissingExtraError("--engine ray", "ray") from error
        except (ConnectionError, RuntimeError, ValueError, OSError) as error:
            raise self._unreachable(error) from error
        self._ray = ray
        logging.getLogger("ray.data").setLevel(logging.CRITICAL)
        has_ended = threading.Event()
        self._connected.callback(has_ended.set)
        head = _host_of(ray.get_runtime_context().gcs_address)
        threading.Thread(target=_leave_with_head, args=(head, has_ended), daemon=True).start()
        self._look_around()

    def _look_around(self) -> None:
        cores = int(self._ray.cluster_resources().get("CPU", 0))
        if not cores:
            raise ConfigError(f"the Ray cluster at {self._address} has no CPU: start a node that has some")
        self._room = min(cores, self._workers or cores)

    def _unreachable(self, error: Exception) -> ConfigError:
        if self._address == "local":
            return ConfigError(f"Ray cannot be started: {_lines(error)[0]}; leave --engine out to do without")
        if self._address == "auto":
            return ConfigError(
                "this machine is part of no Ray cluster: start Ray, or leave --ray-address out"
            )
        why = error.strerror if isinstance(error, OSError) and error.strerror else _lines(error)[0]
        return ConfigError(f"no Ray cluster at {self._address}: {why}; start it, or leave --ray-address out")


def _outcomes(answer: Any, due: int) -> list[Outcome]:
    """The outcomes of a piece."""
    (number,), (node,), (content,) = (answer[name].to_pylist() for name in ("number", "node", "answer"))
    if number != due:
        raise RuntimeError(f"Ray gave piece {number} of the listing where {due} was due")
    found: list[Outcome] | RunError = pickle.loads(content)  # noqa: S301  # our own workers'
    if isinstance(found, RunError):
        raise found
    # A few scans may be gone since they were found; but not all, and be here.
    if all(outcome.reason is Reason.VANISHED for outcome in found):
        seen = next((outcome.ref.path for outcome in found if os.path.lexists(outcome.ref.path)), None)
        if seen is not None:
            raise InputError(
                f"{seen} cannot be seen from {node}: scans must have the same path on every machine of "
                "the cluster"
            )
    return found


def _leave_with_head(head: tuple[str, int], has_ended: threading.Event) -> None:
    """Ends this process when the head of the cluster is lost: Ray would, a little later, without a word.

    As after any kill, what was published stays, and nothing else was done.
    """
    misses = 0
    while misses < MISSES:
        if has_ended.wait(LOOK_S):
            return
        try:
            socket.create_connection(head, PATIENCE_S).close()
            misses = 0
        except OSError:
            misses += 1
    where = f"{head[0]}:{head[1]}"
    print(
        f"digitbox: the Ray cluster failed: its head {where} is lost; what was published stays: run again",
        file=sys.stderr,
        flush=True,
    )
    os._exit(ExitCode.USAGE)


@contextmanager
def _failures() -> Iterator[None]:
    """What Ray raises, in one line; bugs stay what they are."""
    from ray.exceptions import RayError, RayTaskError

    try:
        yield
    except RayError as error:
        if re.search(r"(ModuleNotFound|Import)Error: .*'batch", str(error)):
            raise version_error("none, or an old one") from error
        if isinstance(error, RayTaskError):
            raise
        raise ConfigError(
            f"the Ray cluster failed: {_lines(error)[-1]}; what was published stays: run again"
        ) from error


@contextmanager
def _ignore_interrupts() -> Iterator[None]:
    """Ray sets a handler of its own for SIGTERM, and has much to say that is in its logs, too."""
    handler = signal.getsignal(signal.SIGTERM)
    with stderr.silence(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            yield
        finally:
            signal.signal(signal.SIGTERM, handler)


def _host_of(address: str) -> tuple[str, int]:
    """Host and port of an address."""
    host, _, port = address.rpartition(":")
    if "/" in address or not host or not port.isdecimal() or not 0 < int(port) < 1 << 16:
        raise ConfigError(
            "--ray-address must be HOST:PORT of a cluster that this machine is part of, or auto, not "
            f"{address!r}"
        )
    return host.strip("[]"), int(port)


def _lines(error: Exception) -> list[str]:
    """What an error says, without colours: in the first line what happened, in the last one why."""
    lines = (line.strip().rstrip(".") for line in _COLOUR.sub("", str(error)).splitlines())
    return [line for line in lines if line] or [type(error).__name__]
