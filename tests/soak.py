"""Minutes of drops of every kind, damage and kill -9, with the real command and model.

    make soak                      three minutes
    make soak SOAK_SECONDS=3600    an hour

Beside the watcher, somebody calls `retry`, `prune`, `export`, `apply` and `status --deep` all the time. Then
the books must balance. Every scan has bytes of its own, or is counted as often as it was dropped, so
that its SHA-256 tells which rows, and which files in done/ and failed/, are its own. Prints its figures, and
what does not balance; exit code 1 then. If root calls it, the watcher is another user's in the second half of
the time: the system does not tell it who writes to the scans.
"""

from __future__ import annotations

import csv
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path

from batch.outbox import batches
from batch.outbox.ledger import Ledger
from drops import Books, Dropper, sha256
from others import OTHER_ID, open_to_all

SETTLE_S = 0.5
NUMBERED = re.compile(r"-\d+(\.\w+)$")  # the end of the name of a scan that came back to a taken one


def python_of(user: int | None) -> list[str]:
    """Return the command of Python for a user."""
    # Not by `Popen`: that becomes the user before it opens a Python that may be root's own.
    as_user = [] if user is None else ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups"]
    return [*as_user, sys.executable]


class Supervisor:
    """Keeps a watcher running, and kills it or a worker: at random moments, at times several in a row."""

    def __init__(self, folder: Path, chance: random.Random, user: int | None) -> None:
        self._command = [*python_of(user), "-m", "batch", "watch", str(folder / "inbox")]
        self._command += ["--outbox", str(folder / "outbox"), "--settle", str(SETTLE_S), "--max-wait", "0.3"]
        self._command += ["--rescan", "5", "--log-format", "json"]
        self._log = (folder / "log").open("wb")
        self._chance = chance
        self.kills: Counter[str] = Counter()
        self.process = self._start()

    def _start(self) -> subprocess.Popen[bytes]:
        return subprocess.Popen(self._command, stdout=subprocess.DEVNULL, stderr=self._log)

    def harass(self) -> None:
        """Lives with it for some seconds, kills it, and starts it anew."""
        time.sleep(self._chance.choice([0.1, 0.4, 0.6, 0.8, 1.2, 3, 5, 8]) * self._chance.uniform(0.5, 1.5))
        how = self._chance.choice(["kill -9"] * 6 + ["SIGTERM", "worker"])
        if how == "worker":
            children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
            with suppress(OSError, IndexError):
                os.kill(int(children.read_text().split()[0]), signal.SIGKILL)
                self.kills[how] += 1
            return
        self.kills[how] += 1
        self.process.send_signal(signal.SIGKILL if how == "kill -9" else signal.SIGTERM)
        self.process.wait(60)
        self.process = self._start()

    def end(self) -> int:
        """Has it stop by itself; returns its exit code."""
        self.process.terminate()
        return self.process.wait(60)


class Taker:
    """A reader that takes files of results away at once: by a rename, or by reading and deleting it.

    It reads every fourth file where it is, and leaves it there for who exports and corrects.
    """

    def __init__(self, folder: Path) -> None:
        self._outbox, self._taken = folder / "outbox", folder / "taken"
        self._outbox.mkdir()
        self._taken.mkdir()
        self.rows: list[dict[str, str]] = []
        self.seen_at: dict[str, float] = {}
        self.files: Counter[str] = Counter()
        self.left: dict[str, list[dict[str, str]]] = {}

    def take(self) -> None:
        """Takes what is there."""
        for path in self._outbox.glob("predictions-*.csv"):
            if path.name in self.left:
                continue
            now = time.monotonic()
            is_left = len(self.files) % 4 == 0
            if len(self.files) % 2:
                path = path.rename(self._taken / path.name)
            rows = list(csv.DictReader(path.read_text(encoding="utf-8").splitlines()))
            if is_left:
                self.left[path.name] = rows
            else:
                path.unlink()
            self.files[path.name] += 1
            self.rows += rows
            for row in rows:
                self.seen_at[row["sha256"]] = now


PRUNE = """
import json, sys
from datetime import UTC, datetime
from pathlib import Path
from batch.outbox.prune import Limits, prune_outbox
pruned = prune_outbox(Path(sys.argv[1]), Limits(done=datetime(2999, 1, 1, tzinfo=UTC)))
print(json.dumps([pruned.files, list(map(str, pruned.problems))]))
"""
"""Deletes all of done/, also what is of today, which `digitbox prune` keeps.

So the ledger may forget a batch that comes while it works, before the next call deletes the batch's folder.
"""
TOO_NEW = "is of a batch that the ledger does not know"


class Cleaner:
    """Somebody who cleans up, exports and corrects beside the watcher, and reads what the commands say."""

    def __init__(self, folder: Path, taker: Taker, chance: random.Random, user: int | None) -> None:
        self._folder, self._outbox, self._taker, self._chance = folder, folder / "outbox", taker, chance
        self._python = python_of(user)
        self.calls: Counter[str] = Counter()
        self.pruned = self.retried = 0
        self.corrected: dict[str, str] = {}
        self.problems: list[str] = []

    def work(self) -> None:
        """Calls one of the commands."""
        if (self._outbox / ".digitbox" / "ledger.sqlite3").exists():
            self._chance.choice([self.retry, self.prune, self.export, self.apply, self.check])()

    def retry(self) -> None:
        said = self._call("retry", {0}).stderr
        count = said.split(maxsplit=1)[0] if " new" in said else "0"
        self.retried += 0 if count == "no" else int(count.replace(",", ""))

    def prune(self) -> None:
        result = self._run("prune", [*self._python, "-c", PRUNE, str(self._outbox)], {0})
        files, errors = json.loads(result.stdout)
        self.pruned += files
        self.problems += errors

    def export(self) -> None:
        result = self._call("export", {0, 4})  # 4: files were taken away
        rows = {row["sha256"]: row for row in csv.DictReader(result.stdout.splitlines())}
        for sha, label in self.corrected.items():
            if sha in rows and rows[sha]["prediction"] != label:
                self.problems.append(f"corrected to {label}: {rows[sha]}")

    def apply(self) -> None:
        left = list(self._taker.left.values())
        rows = [row for rows in left for row in rows if row["status"] == "ok"]
        if not rows:
            return
        row = self._chance.choice(rows)
        label = str(self._chance.randrange(10))
        path = self._folder / "corrections.csv"
        with path.open("w", encoding="utf-8", newline="") as file:
            lines = csv.writer(file)
            lines.writerow(["file", "sha256", "batch", "corrected"])
            lines.writerow([row["file"], row["sha256"], row["batch"], label])
        self._call("apply", {0}, str(path))
        self.corrected[row["sha256"]] = label

    def check(self) -> None:
        """Compares the ledger with the outbox, as `digitbox status --deep` does."""
        self.problems += [problem for problem in self.check_books() if TOO_NEW not in problem]

    def check_books(self) -> list[str]:
        """Returns what `digitbox status --deep` finds in the books."""
        report = json.loads(self._call("status", {0, 1}, "--deep", "--json").stdout)
        problems: list[str] = report.get("books", {}).get("problems", [])
        return problems

    def _call(self, name: str, codes: set[int], *more: str) -> subprocess.CompletedProcess[str]:
        command = [*self._python, "-m", "batch", name, "--outbox", str(self._outbox), *more]
        return self._run(name, command, codes)

    def _run(self, name: str, command: list[str], codes: set[int]) -> subprocess.CompletedProcess[str]:
        result = subprocess.run(command, capture_output=True, text=True, check=False)
        self.calls[name] += 1
        if result.returncode not in codes:
            self.problems.append(f"{name} ended with {result.returncode}: {result.stderr}")
        return result


def problems(books: Books, taker: Taker, cleaner: Cleaner, folder: Path) -> Iterator[str]:
    """Yields what does not balance."""
    yield from cleaner.problems
    vanished = {row["file"] for row in taker.rows if row["reason"] == "vanished"}
    if vanished - books.renamed:
        yield f"vanished, and nobody renamed them: {vanished - books.renamed}"
    rows = [row for row in taker.rows if row["reason"] != "vanished"]
    failed = {row["sha256"] for row in rows if row["status"] == "failed"}
    counts, moved = Counter(row["sha256"] for row in rows), disposed(folder)
    again = sum((counts - books.dropped).values())
    if again > cleaner.retried:
        yield f"{again} rows too many; {cleaner.retried} scans were read again"
    if (books.dropped - moved).total() != cleaner.pruned:
        yield f"{books.dropped.total()} dropped, {moved.total()} in done/ or failed/, {cleaner.pruned} pruned"
    for sha in books.dropped.keys() | counts.keys() | moved.keys():
        times = books.dropped[sha]
        is_right = counts[sha] == times or (sha in failed and counts[sha] > times > 0)
        if not is_right or moved[sha] > times:
            names = books.names.get(sha, set()) | {row["file"] for row in rows if row["sha256"] == sha}
            yield f"{sha} {names}: dropped {times}, rows {counts[sha]}, in done/ and failed/ {moved[sha]}"
    for row in rows:
        names = books.names.get(row["sha256"], set())
        if row["file"] not in names and NUMBERED.sub(r"\1", row["file"]) not in names:
            yield f"a row under a name that its scan never had: {row}"
    if any(count > 1 for count in taker.files.values()):
        yield f"published twice: {taker.files}"
    yield from (
        f"left in staging: {path}" for path in (folder / "outbox" / ".digitbox" / "staging").iterdir()
    )
    yield from (f"left in the inbox: {path}" for path in (folder / "inbox").rglob("*") if path.is_file())
    with closing(Ledger(folder / "outbox" / ".digitbox", read_only=True)) as ledger:
        yield from (f"unfinished in the ledger: {batch}" for batch in batches.unfinished(ledger))


def disposed(folder: Path) -> Counter[str]:
    """Digests of the scans in done/ and failed/."""
    files = [path for kind in ("done", "failed") for path in (folder / "outbox" / kind).rglob("*")]
    return Counter(sha256(path.read_bytes()) for path in files if path.is_file() and path.suffix != ".json")


class Threads:
    """Does things again and again, beside the main thread."""

    def __init__(self) -> None:
        self.errors: list[str] = []
        self._ends = threading.Event()
        self._threads: list[threading.Thread] = []

    def start(self, work: Callable[[], None], pause_s: float) -> None:
        """Does `work` until `end`, with pauses."""

        def loop() -> None:
            try:
                while not self._ends.wait(pause_s):
                    work()
            except Exception as error:
                self.errors.append(f"the soak itself failed: {error!r}")
                raise

        self._threads.append(threading.Thread(target=loop, daemon=True))
        self._threads[-1].start()

    def end(self) -> list[str]:
        """Returns what went wrong."""
        self._ends.set()
        for thread in self._threads:
            thread.join()
        return self.errors


def soak(seconds: float, folder: Path, seed: int, user: int | None = None) -> list[str]:
    """Soaks a watcher, of a user; prints figures and returns what does not balance."""
    (folder / "inbox").mkdir()
    books, taker, drops, takes = Books(), Taker(folder), Threads(), Threads()
    takes.start(taker.take, 0.01)
    for number in range(4):
        drops.start(Dropper(folder, books, number, seed, SETTLE_S).drop, 0.0)
    if user is not None:
        open_to_all(folder, folder / "inbox", folder / "outbox")
    cleans, cleaner = Threads(), Cleaner(folder, taker, random.Random(seed + 100), user)
    cleans.start(cleaner.work, 0.5)
    supervisor = Supervisor(folder, random.Random(seed), user)
    until = time.monotonic() + seconds
    while time.monotonic() < until and not drops.errors:
        supervisor.harass()
    errors = drops.end() + cleans.end()
    last = time.monotonic() + 60  # for what is still on its way
    while any(path.is_file() for path in (folder / "inbox").rglob("*")) and time.monotonic() < last:
        time.sleep(0.2)
    if supervisor.end() != 0:
        errors.append("the watcher did not end well")
    time.sleep(0.1)
    errors += takes.end()
    cleaner.prune()
    cleaner.problems += cleaner.check_books()
    cleaner.export()
    show(seconds, books, taker, supervisor, cleaner)
    return errors + list(problems(books, taker, cleaner, folder))


def show(seconds: float, books: Books, taker: Taker, supervisor: Supervisor, cleaner: Cleaner) -> None:
    """Prints the figures."""
    read = [row["sha256"] for row in taker.rows if row["status"] != "failed"]
    late = sorted(
        taker.seen_at[key] - books.whole_at[key] - SETTLE_S for key in read if books.dropped[key] == 1
    )
    statuses = Counter(row["status"] for row in taker.rows)
    kinds = ", ".join(f"{count} {status}" for status, count in sorted(statuses.items()))
    kills = ", ".join(f"{count} {how}" for how, count in sorted(supervisor.kills.items()))
    print(f"{seconds:.0f} s with --settle {SETTLE_S}; stopped: {kills}")
    print(
        f"{books.dropped.total()} files dropped; {len(taker.rows)} rows ({kinds}) in {len(taker.files)} CSVs"
    )
    calls = ", ".join(f"{count} {name}" for name, count in sorted(cleaner.calls.items()))
    print(
        f"beside the watcher: {calls}; {cleaner.retried} scans read again, {cleaner.pruned} deleted, "
        f"{len(cleaner.corrected)} corrected"
    )
    print(
        "from a whole file to its row in the reader's hands, beyond --settle: "
        f"median {late[len(late) // 2]:.2f} s, 95 % within {late[int(0.95 * len(late))]:.2f} s"
    )


def main() -> int:
    """Soaks for SOAK_SECONDS, from the state of chance SOAK_SEED."""
    seconds = float(os.environ.get("SOAK_SECONDS", "180"))
    seed = int(os.environ.get("SOAK_SEED", str(time.time_ns() % 1_000_000)))
    print(f"SOAK_SEED={seed}")
    os.umask(0)  # so that another user may move the scans, too
    users = [None, OTHER_ID] if os.geteuid() == 0 and shutil.which("setpriv") else [None]
    for user in users:
        folder = Path(tempfile.mkdtemp(prefix="digitbox-soak-"))
        if user is not None:
            print("as another user:")
        found = soak(seconds / len(users), folder, seed, user)
        for problem in found[:50]:
            print(problem)
        if found:
            print(f"{len(found)} things do not balance; everything is in {folder}")
            return 1
        shutil.rmtree(folder)
        print("the books balance: each file has one row in one CSV, and is in done/ or failed/ or pruned")
    return 0


if __name__ == "__main__":
    sys.exit(main())
