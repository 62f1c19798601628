"""`digitbox review` as a process: killed while a person answers, and stopped with Ctrl-C."""

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from batch.outbox import batches
from batch.outbox.ledger import open_ledger
from batch.records import Outcome, ScanRef, Status
from batch.report import rows
from command import ROOT, environment
from published import publish

pytestmark = pytest.mark.slow
SCANS = 300


@contextmanager
def reviewing(outbox: Path, *arguments: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Run a review; yield the process and the address of the page."""
    command = [
        sys.executable,
        "-m",
        "batch",
        "review",
        str(outbox),
        "--no-browser",
        "--by",
        "Anna",
        *arguments,
    ]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT, env=environment()
    ) as process:
        assert process.stdout is not None
        try:
            yield process, process.stdout.readline().strip()
        finally:
            process.kill()


class Client(AbstractContextManager["Client"]):
    """A page that answers scans."""

    def __init__(self, url: str) -> None:
        self.parts = urlsplit(url)
        self.connection = HTTPConnection(self.parts.netloc)

    def __exit__(self, *_: object) -> None:
        self.connection.close()

    def scans(self) -> list[str]:
        self.connection.request("GET", f"{self.parts.path}changes?rows=0&answers=0")
        return list(json.loads(self.connection.getresponse().read())["columns"]["key"])

    def answer(self, key: str, label: str) -> bool:
        headers = {"Origin": f"http://{self.parts.netloc}", "Content-Type": "application/json"}
        body = json.dumps([{"key": key, "corrected": label}])
        self.connection.request("POST", f"{self.parts.path}answers", body, headers)
        response = self.connection.getresponse()
        response.read()
        return response.status == 200


@pytest.fixture
def outbox(tmp_path: Path) -> Path:
    scans = [
        Outcome(
            ScanRef(f"/in/{n}", f"{n}.png", source="/in"),
            Status.OK,
            None,
            f"{n:064x}",
            7,
            0.5,
        )
        for n in range(SCANS)
    ]
    publish(tmp_path / "out", scans)
    return tmp_path / "out"


def test_no_answer_is_lost_when_the_server_is_killed(outbox: Path) -> None:
    acknowledged: dict[str, str] = {}
    address = ""
    for stop_at in (100, 230, SCANS):
        # A run holds the ledger all the time, as while it reads a batch.
        with open_ledger(outbox) as running, reviewing(outbox) as (process, url):
            batches.add_members(running, "b0", [])
            assert url == (address or url)
            address = url
            with Client(url) as client:
                waiting = [key for key in client.scans() if key not in acknowledged]
                for number, key in enumerate(waiting[: stop_at - len(acknowledged)]):
                    assert client.answer(key, str(number % 10))
                    acknowledged[key] = str(number % 10)
                process.kill()
        entries = rows.collect(rows.find_sources([outbox])).entries
        assert {entry.key: entry.answer for entry in entries if entry.answer} == acknowledged
    assert len(acknowledged) == SCANS


def test_ctrl_c_ends_with_a_line(outbox: Path) -> None:
    with reviewing(outbox, "--audit", "5") as (process, url):
        with Client(url) as client:
            assert client.answer(client.scans()[0], "7")
        process.send_signal(signal.SIGINT)
        out, err = process.communicate()
    assert (process.returncode, out) == (130, "audit: no answers yet\n")
    assert err.splitlines() == [
        "stop with Ctrl-C; your answers are saved as you give them",
        "1 answer saved",
        "",  # after the ^C of a terminal
        "digitbox: stopped; published results stay",
    ]
