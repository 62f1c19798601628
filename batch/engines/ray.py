"""The engine of a Ray cluster: it reads scans on many machines, in actors of Ray Data."""

from __future__ import annotations

import importlib.util
import itertools
import logging
import os
import pickle
import re
import signal
import socket
import threading
import time
import warnings
from collections.abc import Generator, Iterable, Iterator
from contextlib import ExitStack, closing, contextmanager
from typing import Any, Self

from batch import __version__
from batch.engines.limits import usable_cores
from batch.engines.ray_workers import END, Feed, Worker, scan_dataset, version_error
from batch.engines.workers import ScanReader
from batch.errors import ConfigError, ExitCode, InputError, MissingExtraError, RunError
from batch.records import Outcome, Reason, ScanRef
from batch.terminal import stderr

_log = logging.getLogger(__name__)

ADDRESS = "RAY_ADDRESS"  # Ray's own variable, which `ray job submit` sets
MAX_CHUNK_SCANS = 2048  # each chunk costs this process a few milliseconds, however many scans it has
CHUNKS_AHEAD = 4  # for each worker: Ray Data asks for another worker when two chunks wait for one
CHUNKS_PER_SIZE_CHECK = 64  # digitbox looks so rarely how large the cluster is: the answer changes rarely
PATIENCE_S = 10.0  # for an answer from the cluster
THREAD_PATIENCE_S = 30.0  # for threads to end: they take a moment, and seconds on a busy machine
HEAD_CHECK_S, MAX_MISSED_CHECKS = 4.0, 10  # of the cluster's head; Ray gives it a minute to come back
MAX_STARTS = 3  # of Ray, which gives itself 30 seconds for each
MAX_INIT_DEATHS = 3  # of workers in a row that end before they have begun; more are no accident
OBJECT_STORE_BYTES = 200 << 20  # for a Ray that digitbox starts; it holds the chunks on their way
RAY_ENVIRONMENT = {  # while Ray runs
    "RAY_USAGE_STATS_ENABLED": "0",  # Ray reports to nobody
    "RAY_IGNORE_UNHANDLED_ERRORS": "1",  # of tasks that digitbox has given up: Ray prints their tracebacks
}
BACKEND_LOG_LEVEL = "RAY_BACKEND_LOG_LEVEL"  # Ray writes this log to stderr, too
RAY_SETS = ("PYTHONBREAKPOINT", "RAY_AUTH_MODE")  # variables that Ray itself sets
RAY_DATA_THREADS = ("StreamingExecutor-", "iter_threaded")  # how the names begin of those that call Ray
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")


class RayEngine:
    """Reader of scans on a Ray cluster; use it with `with`, which ends what it has started there.

    The listing goes to Ray Data in chunks, as the answers come back. Neither this process nor the cluster
    ever holds more of it than the workers are about to read.

    Args:
        reader: Reads scans. It goes to each worker once, with its model.
        workers: The largest number of actors; None for as many as the cluster has room for.
        address: `HOST:PORT` of the cluster, or `auto` for the one that this machine is part of. With None,
            Ray's own RAY_ADDRESS counts; without that, a Ray on this machine lives as long as the engine.
        scan_limit_s: Seconds that a worker may take for an image; None for no limit.

    Raises:
        MissingExtraError: Ray is not installed.
        ConfigError: The address is not of that form.
    """

    def __init__(
        self,
        reader: ScanReader,
        workers: int | None = None,
        address: str | None = None,
        scan_limit_s: float | None = None,
    ) -> None:
        if importlib.util.find_spec("ray") is None:
            raise MissingExtraError("--engine ray", "ray")
        self._reader, self._workers, self._scan_limit_s = reader, workers, scan_limit_s
        self._address = address or os.environ.get(ADDRESS) or "local"
        self._host = None if self._address in ("auto", "local") else _host_of(self._address)
        self._ray: Any = None
        self._running, self._connected = ExitStack(), ExitStack()
        self._room = 1  # for workers, on the whole cluster

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        # The work on the cluster ends before the connection to it.
        self._running.close()
        self._connected.close()

    def map(self, refs: Iterable[ScanRef], size: int) -> Iterator[list[Outcome]]:
        """Read scans; yield their outcomes in the order of the scans.

        Args:
            refs: The scans. The engine takes them no faster than the workers read them.
            size: Number of scans that a worker gets at a time. Early chunks have so many, later ones more.

        Yields:
            The outcomes of one chunk.

        Raises:
            ConfigError: The cluster cannot be reached, fails, or has another version of digitbox.
            InputError: The machines of the cluster cannot see the scans.
            RunError: A worker could not begin.
        """
        chunks = self._chunks(iter(refs), size)
        first = list(itertools.islice(chunks, 2))
        if first:
            self._connect()
            running = self._map(itertools.chain(first, chunks), size, is_small=len(first) == 1)
            self._running.callback(running.close)
            with _failures():
                yield from running

    def _chunks(self, refs: Iterator[ScanRef], size: int) -> Iterator[list[ScanRef]]:
        """Cut the listing into chunks, small ones first.

        So the first answers come soon, and each worker has a chunk even of a short listing.
        """
        for number in itertools.count():
            larger = size << min(number // (CHUNKS_AHEAD * self._room), 16)
            chunk = list(itertools.islice(refs, max(size, min(larger, MAX_CHUNK_SCANS))))
            if not chunk:
                return
            yield chunk

    def _map(
        self, chunks: Iterator[list[ScanRef]], size: int, is_small: bool
    ) -> Generator[list[Outcome], None, None]:
        feed = self._ray.remote(Feed).options(**self._here()).remote()
        answers = self._running.enter_context(
            closing(self._answers(feed, size, 1 if is_small else self._room))
        )
        sent = answered = 0
        has_more = True
        while has_more or answered < sent:
            while has_more and sent - answered < CHUNKS_AHEAD * self._room:
                chunk = next(chunks, [])
                feed.put.remote(sent, pickle.dumps(chunk) if chunk else END, answered)
                has_more = bool(chunk)
                sent += has_more
                if has_more and sent % CHUNKS_PER_SIZE_CHECK == 0:
                    self._measure_room()
            if answered < sent:
                yield _outcomes(next(answers), answered)
                answered += 1

    def _answers(self, feed: Any, size: int, workers: int) -> Generator[Any, None, None]:
        from ray import data

        context = data.DataContext.get_current()
        context.execution_options.preserve_order = True
        context.enable_progress_bars = False
        context.print_on_execution_start = False
        # Each row is a block: no row waits for others to fill a block.
        context.target_max_block_size = 1
        # digitbox may look for new scans among very many settled ones for longer than any limit.
        context.execution_no_progress_timeout_s = -1
        context.max_consecutive_actor_init_deaths = MAX_INIT_DEATHS
        listing = data.read_datasource(
            scan_dataset(feed), override_num_blocks=1, ray_remote_args={**self._here(), "max_retries": -1}
        )
        answers = listing.map_batches(
            Worker,
            fn_constructor_args=(
                __version__,
                pickle.dumps(self._reader),
                os.getcwd(),
                size,
                self._scan_limit_s,
            ),
            batch_size=None,
            batch_format="pyarrow",
            compute=data.ActorPoolStrategy(min_size=1, max_size=self._workers, initial_size=workers),
            num_cpus=1,
        )
        yield from answers.iter_batches(batch_size=None, batch_format="pyarrow", prefetch_batches=0)

    def _here(self) -> dict[str, Any]:
        """Return the options that place a task on this machine, without which the run ends anyway."""
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        node = self._ray.get_runtime_context().get_node_id()
        return {"num_cpus": 0, "scheduling_strategy": NodeAffinitySchedulingStrategy(node, soft=False)}

    def _connect(self) -> None:
        if self._ray is not None:
            return
        settings: dict[str, Any] = {"logging_level": logging.ERROR, "log_to_driver": False}
        if self._address == "local":
            settings["num_cpus"] = self._workers or usable_cores()
            settings["object_store_memory"] = OBJECT_STORE_BYTES
            settings["include_dashboard"] = False
        elif self._host is not None:
            try:
                socket.create_connection(self._host, PATIENCE_S).close()
            except (OSError, UnicodeError) as error:  # UnicodeError: no host can have such a name
                raise self._unreachable(error) from error
        try:
            with _silent_start():
                import ray.data

                if ray.is_initialized():
                    raise ConfigError(
                        "this program uses Ray already: call ray.shutdown first, or run digitbox in a "
                        "process of its own"
                    )
                self._connected.enter_context(_settings_of_run())
                self._connected.callback(ray.shutdown)
                self._connected.callback(_join_ray_data)
                _start(ray, self._address, settings)
        except ConfigError:
            raise
        except ImportError as error:
            raise MissingExtraError("--engine ray", "ray") from error
        except Exception as error:  # Ray raises it as it is, e.g. on a machine that is too busy
            raise self._unreachable(error) from error
        self._ray = ray
        context = ray.data.DataContext
        self._connected.enter_context(context.current(context.get_current().copy()))
        has_ended = threading.Event()
        self._connected.callback(has_ended.set)
        head = _host_of(ray.get_runtime_context().gcs_address)
        threading.Thread(target=_exit_with_head, args=(head, has_ended), daemon=True).start()
        if not self._measure_room():
            raise ConfigError(f"the Ray cluster at {self._address} has no CPU: start a node that has some")

    def _measure_room(self) -> bool:
        """Look how many workers the cluster has room for; return False if it has no CPU at this moment."""
        cores = int(self._ray.cluster_resources().get("CPU", 0))
        if cores:
            self._room = min(cores, self._workers or cores)
        return cores > 0

    def _unreachable(self, error: Exception) -> ConfigError:
        if self._address == "local":
            return ConfigError(f"Ray cannot be started: {_lines(error)[0]}; leave --engine out to do without")
        if self._address == "auto":
            return ConfigError(
                "this machine is part of no Ray cluster: start Ray, or leave --ray-address out"
            )
        why = error.strerror if isinstance(error, OSError) and error.strerror else _lines(error)[0]
        return ConfigError(f"no Ray cluster at {self._address}: {why}; start it, or leave --ray-address out")


def _start(ray: Any, address: str, settings: dict[str, Any]) -> None:
    """Start Ray, or connect to a cluster; try again if a busy machine is too slow for Ray."""
    for attempt in range(1, MAX_STARTS + 1):
        try:
            ray.init(address, **settings)
            return
        except Exception as error:  # Ray has no type for it
            if "timed out during startup" not in str(error) or attempt == MAX_STARTS:
                raise
        ray.shutdown()


def _outcomes(answer: Any, due: int) -> list[Outcome]:
    """Return the outcomes in a worker's answer.

    Args:
        answer: A pyarrow table, see `Worker`.
        due: The number of the chunk that comes next.

    Raises:
        InputError: That machine cannot see a scan which is here.
        RunError: The worker could not begin.
    """
    (number,), (node,), (content,) = (answer[name].to_pylist() for name in ("number", "node", "answer"))
    if number != due:
        raise RuntimeError(f"Ray answered for chunk {number} of the listing, and chunk {due} was due")
    outcomes: list[Outcome] | RunError = pickle.loads(content)  # noqa: S301  # from our own workers
    if isinstance(outcomes, RunError):
        raise outcomes
    # A few scans may vanish after digitbox has found them, but not all of them while they are still here.
    if all(outcome.reason is Reason.VANISHED for outcome in outcomes):
        visible = next((outcome.ref.path for outcome in outcomes if os.path.lexists(outcome.ref.path)), None)
        if visible is not None:
            raise InputError(
                f"{visible} cannot be seen from {node}: scans must have the same path on every machine of "
                "the cluster"
            )
    return outcomes


def _join_ray_data() -> None:
    """Wait until the threads of Ray Data have ended.

    Ray Data waits two seconds for its scheduler, and never for its reader of results. A thread that still
    calls Ray during or after `ray.shutdown` makes Ray end this process at once: exit code 1, and not a word.
    """
    deadline = time.monotonic() + THREAD_PATIENCE_S
    for thread in threading.enumerate():
        if thread.name.startswith(RAY_DATA_THREADS):
            thread.join(max(0.0, deadline - time.monotonic()))


def _exit_with_head(head: tuple[str, int], has_ended: threading.Event) -> None:
    """End this process when the head of the cluster is lost.

    Ray itself would end it a little later, without a word. As after any kill, published results stay.

    Args:
        head: Host and port.
        has_ended: Tells that the run needs the head no more.
    """
    misses = 0
    while misses < MAX_MISSED_CHECKS:
        if has_ended.wait(HEAD_CHECK_S):
            return
        try:
            socket.create_connection(head, PATIENCE_S).close()
            misses = 0
        except OSError:
            misses += 1
    where = f"{head[0]}:{head[1]}"
    _log.error(f"the Ray cluster failed: its head {where} is lost; what was published stays: run again")
    os._exit(ExitCode.USAGE)


@contextmanager
def _failures() -> Iterator[None]:
    """Turn an error of Ray into one line; let bugs pass as they are."""
    from ray.exceptions import RayError, RayTaskError

    try:
        yield
    except RayError as error:
        if re.search(r"(ModuleNotFound|Import)Error: .*'batch", str(error)):
            raise version_error(__version__, "none, or an old one") from error
        if isinstance(error, RayTaskError):
            raise
        raise ConfigError(
            f"the Ray cluster failed: {_lines(error)[-1]}; what was published stays: run again"
        ) from error


@contextmanager
def _settings_of_run() -> Iterator[None]:
    """Set what Ray reads in this process; at the end, give the program back what was there."""
    from ray._private import auto_init_hook, worker

    names = (*RAY_ENVIRONMENT, BACKEND_LOG_LEVEL, *RAY_SETS)
    variables = {name: os.environ.get(name) for name in names}
    levels = {logger: logger.level for logger in map(logging.getLogger, ("ray", "ray.data"))}
    connects, prints = auto_init_hook.enable_auto_connect, worker._worker_logs_enabled
    os.environ.update(RAY_ENVIRONMENT)
    os.environ.setdefault(BACKEND_LOG_LEVEL, "fatal")
    logging.getLogger("ray.data").setLevel(logging.CRITICAL)
    # A call after the shutdown is an error and starts no second Ray.
    auto_init_hook.enable_auto_connect = False
    # Ray would print to stdout which workers it has lost.
    worker._worker_logs_enabled = False
    try:
        yield
    finally:
        auto_init_hook.enable_auto_connect, worker._worker_logs_enabled = connects, prints
        for logger, level in levels.items():
            logger.setLevel(level)
        for name, value in variables.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


@contextmanager
def _silent_start() -> Iterator[None]:
    """Keep the handler of SIGTERM, which Ray replaces; drop what Ray says, which is in its logs as well."""
    handler = signal.getsignal(signal.SIGTERM)
    with stderr.silence(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            yield
        finally:
            if threading.current_thread() is threading.main_thread():  # Ray replaces it only there
                signal.signal(signal.SIGTERM, handler)


def _host_of(address: str) -> tuple[str, int]:
    """Return host and port of an address."""
    host, _, port = address.rpartition(":")
    if "/" in address or not host or not port.isdecimal() or not 0 < int(port) < 1 << 16:
        raise ConfigError(
            "--ray-address must be HOST:PORT of a cluster that this machine is part of, or auto, not "
            f"{address!r}"
        )
    return host.strip("[]"), int(port)


def _lines(error: Exception) -> list[str]:
    """Return the lines of an error without colours: the first says what happened, the last one why."""
    lines = (line.strip().rstrip(".") for line in _COLOUR.sub("", str(error)).splitlines())
    return [line for line in lines if line] or [type(error).__name__]
