"""`digitbox` with addresses instead of paths."""

import csv
import json
import os
import shlex
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from batch import locations
from batch.config import RunOptions
from batch.engines.local import Engine
from batch.errors import ConfigError
from batch.inputs.names import has_image_suffix
from batch.records import After
from batch.run import job
from batch.storage import locks
from command import ROOT, Digitbox, Result
from formats import FORMATS, two
from pdfs import cards
from stores import SECRET, Answer, Store, rows

PNG = FORMATS["png-8"](two())


def only_line(result: Result) -> str:
    (line,) = result.err.splitlines()
    return line


# Runs


def test_scans_are_read_and_results_published(digitbox: Digitbox, store: Store, scans: str) -> None:
    result = digitbox("run", f"s3://{scans}/in/", "--outbox", f"s3://{scans}/out/")
    assert result.code == 3  # one is damaged
    (address,) = result.out.splitlines()
    assert address.startswith(f"s3://{scans}/out/predictions-")
    assert f"s3://{scans}/out/" in result.err
    assert [(row["file"], row["status"], row["reason"]) for row in rows(store, scans)] == [
        ("a.png", "ok", ""),
        ("half.png", "failed", "truncated"),
        ("sub/b.png", "ok", ""),
    ]
    assert not os.path.exists("outbox") and not os.path.exists("s3:")


def test_pages_of_an_object_are_rows_of_one_batch(digitbox: Digitbox, store: Store, scans: str) -> None:
    store.put(scans, "in/cards.pdf", cards(70, two()))
    arguments = ("run", f"s3://{scans}/in/", "--only-new", "--outbox", f"s3://{scans}/out/")
    digitbox(*arguments, "--rows-per-file", "5")
    pages = [row for row in rows(store, scans) if row["file"] == "cards.pdf"]
    assert [row["page"] for row in pages] == [str(page) for page in range(1, 71)]
    assert len({row["batch"] for row in pages}) == 1
    assert digitbox(*arguments, "--dry-run").out == ""


def test_only_new_scans_are_read(digitbox: Digitbox, store: Store, scans: str) -> None:
    arguments = ("run", f"s3://{scans}/in", "--only-new", "--outbox", f"s3://{scans}/in/out")
    assert digitbox(*arguments).code == 3
    assert digitbox(*arguments, "--dry-run").out == ""
    assert digitbox(*arguments).out == ""
    store.put(scans, "in/c.png", PNG)
    store.put(scans, "in/a.png", PNG + b" ")
    assert digitbox(*arguments, "--dry-run").out == "a.png\nc.png\n"
    # What is limited is looked at once more when it is read: its time must be the same then.
    assert len(digitbox(*arguments, "--max-files", "1").out.splitlines()) == 1
    assert len(digitbox(*arguments, "--max-time", "1h").out.splitlines()) == 1
    assert digitbox(*arguments).out == ""
    files = [row["file"] for row in rows(store, scans)]
    assert sorted(files) == ["a.png", "a.png", "c.png", "half.png", "sub/b.png"]


def test_from_a_disk_into_a_bucket_and_back(
    digitbox: Digitbox, store: Store, scans: str, inbox: Path
) -> None:
    (inbox / "here.png").write_bytes(PNG)
    assert digitbox("run", "--outbox", f"s3://{scans}/out").code == 0
    assert [row["file"] for row in rows(store, scans)] == ["here.png"]
    result = digitbox("run", f"s3://{scans}/in/*.png", inbox.as_uri(), f"s3://{scans}/in/sub/b.png")
    assert [row["file"] for row in result.rows] == [
        f"s3://{scans}/in/a.png",
        f"s3://{scans}/in/half.png",
        f"{inbox}/here.png",
        f"s3://{scans}/in/sub/b.png",
    ]
    assert digitbox("run", "--outbox", (inbox.parent / "out").as_uri()).rows[0]["file"] == "here.png"
    assert (inbox.parent / "out" / ".digitbox").is_dir()


def test_rows_per_file_and_parquet(digitbox: Digitbox, store: Store, scans: str) -> None:
    outbox = f"s3://{scans}/out"
    result = digitbox("run", f"s3://{scans}/in", "--outbox", outbox, "--rows-per-file", "2")
    assert len(result.out.splitlines()) == 2
    pytest.importorskip("pyarrow")
    (address,) = digitbox("run", f"s3://{scans}/in", "--outbox", outbox, "--format", "parquet").out.split()
    content = store.objects(scans)[address.removeprefix(f"s3://{scans}/")]
    assert content[:4] == content[-4:] == b"PAR1"


def test_the_state_is_where_it_is_asked_for(
    digitbox: Digitbox, scans: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = ("run", f"s3://{scans}/in/sub", "--only-new", "--outbox", f"s3://{scans}/out")
    assert len(digitbox(*arguments).out.splitlines()) == 1
    (here,) = (tmp_path / "states" / "digitbox").iterdir()
    assert (here / "ledger.sqlite3").exists() and list((here / "staging").iterdir()) == []
    assert len(digitbox(*arguments, "--state", "volume").out.splitlines()) == 1
    assert (tmp_path / "volume" / here.name / "ledger.sqlite3").exists()
    monkeypatch.setenv("DIGITBOX_STATE", str(tmp_path / "volume"))
    assert digitbox(*arguments).out == ""
    monkeypatch.delenv("DIGITBOX_STATE")
    (tmp_path / "digitbox.toml").write_text('state = "other"\n')
    assert len(digitbox(*arguments).out.splitlines()) == 1
    (tmp_path / "other").rename(tmp_path / "gone")
    (tmp_path / "other").write_text("in the way")
    result = digitbox(*arguments)
    assert (result.code, "--state" in only_line(result)) == (2, True)


def test_status_and_history_look_into_the_ledger(digitbox: Digitbox, store: Store, scans: str) -> None:
    outbox = f"s3://{scans}/out"
    assert digitbox("status", "--outbox", outbox).code == 1  # nothing has been read
    digitbox("run", f"s3://{scans}/in/sub", "--outbox", outbox, "--summary", "summary.json")
    store.put(scans, "in/sub/c.png", PNG)
    said = json.loads(digitbox("status", "--outbox", outbox, "--json").out)
    assert (said["healthy"], said["waiting"], said["outbox"]) == (True, 1, outbox)
    assert said["inputs"] == [f"s3://{scans}/in/sub"]
    (run,) = json.loads(digitbox("history", "--outbox", outbox, "--json").out)
    assert (run["inputs"], run["counts"]["ok"]) == ([f"s3://{scans}/in/sub"], 1)
    summary = json.loads(Path("summary.json").read_text())
    assert summary["results"][0].startswith(f"{outbox}/predictions-")
    assert digitbox("status", "--outbox", outbox, "--state", "elsewhere").code == 1


def test_retry_makes_objects_new(digitbox: Digitbox, scans: str) -> None:
    for outbox in (f"s3://{scans}/out", "outbox"):
        arguments = ("run", f"s3://{scans}/in", "--only-new", "--outbox", outbox)
        retry = ("retry", "--outbox", outbox)
        digitbox(*arguments)
        assert digitbox(*retry, "--dry-run").out == f"s3://{scans}/in/half.png\n"
        result = digitbox(*retry)
        assert (result.code, result.err.startswith("1 scan is new;")) == (0, True)
        assert digitbox(*arguments, "--dry-run").out == "half.png\n"
        assert digitbox(*retry, f"s3://{scans}/in/sub/").err.startswith("1 scan is new;")
        assert digitbox(*arguments, "--dry-run").out == "half.png\nsub/b.png\n"
    assert digitbox("retry", "--outbox", f"s3://{scans}/out", "--state", "elsewhere").err.startswith(
        "nothing"
    )


def test_the_commands_to_give_next_take_a_bucket(digitbox: Digitbox, scans: str) -> None:
    place = f"--outbox s3://{scans}/out"
    assert digitbox("run", f"s3://{scans}/in", *place.split()).code == 3
    assert (
        f"1 scan of the last run could not be read: see them with digitbox retry --dry-run {place}, and read "
        f"them again with digitbox retry {place}\n"
    ) in digitbox("status", *place.split()).out
    assert digitbox("retry", *place.split()).err == (
        f"1 scan is new; read with digitbox run INPUT --only-new {place}; name INPUT as before, and "
        "--digits if you gave it\n"
    )


def test_what_the_ledger_knows_of_objects_is_not_pruned(digitbox: Digitbox, scans: str) -> None:
    digitbox("run", f"s3://{scans}/in", "--only-new")
    assert "; 0 scans, 0 superseded rows" in digitbox("prune", "--older-than", "0d").err
    assert digitbox("run", f"s3://{scans}/in", "--only-new", "--dry-run").out == ""


def test_a_report_on_objects_asks_nobody(digitbox: Digitbox, store: Store, scans: str) -> None:
    digitbox("run", f"s3://{scans}/in/*.png")
    store.requests.clear()
    (page,) = digitbox("report").out.splitlines()
    assert '"problem":{"0":"remote","1":"remote"}' in Path(page).read_text(encoding="utf-8").replace(" ", "")
    assert store.requests == []


def test_two_runs_do_not_write_to_the_same_outbox(digitbox: Digitbox, scans: str) -> None:
    arguments = ("run", f"s3://{scans}/in/sub", "--outbox", f"s3://{scans}/out")
    digitbox(*arguments)
    lock = locations.state_folder(locations.parse_outbox(arguments[-1])) / "lock"
    with locks.hold(lock, exclusive=True, busy=""):
        result = digitbox(*arguments)
    assert (result.code, "another digitbox is writing to s3://" in only_line(result)) == (75, True)


def test_a_state_that_cannot_be_written_is_named(digitbox: Digitbox, scans: str, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    arguments = ("--outbox", f"s3://{scans}/out", "--state", str(tmp_path / "file" / "states"))
    result = digitbox("run", f"s3://{scans}/in/sub", *arguments)
    assert result.code == 6
    line = only_line(result)
    assert (
        f"which has the ledger of s3://{scans}/out: Not a directory; make room or give another --state"
        in line
    )


def test_a_hook_is_told_the_address(digitbox: Digitbox, scans: str, tmp_path: Path) -> None:
    hook = tmp_path / "hook"
    hook.write_text('#!/bin/sh\nprintf %s "$DIGITBOX_RUN_OUTBOX" > told\n')
    hook.chmod(0o755)
    outbox = f"s3://{scans}/out"
    arguments = ("--on-complete", shlex.quote(str(hook)), "--metrics-file", "metrics.prom")
    assert digitbox("run", f"s3://{scans}/in/sub", "--outbox", outbox, *arguments).code == 0
    assert (tmp_path / "told").read_text() == outbox
    assert f'outbox="{outbox}"' in (tmp_path / "metrics.prom").read_text()


def test_explain_takes_an_address(digitbox: Digitbox, scans: str) -> None:
    result = digitbox("explain", f"s3://{scans}/in/sub/b.png")
    assert (result.code, result.out.startswith(f"s3://{scans}/in/sub/b.png: ")) == (0, True)


def test_a_schedule_is_for_any_environment(
    digitbox: Digitbox, scans: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    outbox = f"s3://{scans}/out"
    arguments = ("schedule", "--at", "04:00", "--cron", f"s3://{scans}/in/", "--outbox", outbox)
    result = digitbox(*arguments)
    assert "note: AWS_ACCESS_KEY_ID is not set for the scheduled run" in result.err
    line = result.out
    states = tmp_path / "states" / "digitbox"
    assert f"run --outbox {outbox} --state {shlex.quote(str(states))} --only-new s3://{scans}/in/ #" in line
    monkeypatch.setenv("DIGITBOX_STATE", "volume")
    assert f"--state {shlex.quote(f'{tmp_path}/volume')} --only-new" in digitbox(*arguments).out
    assert "--state" not in digitbox("schedule", "--at", "04:00", "--cron", f"s3://{scans}/in/").out


def test_config_shows_what_is_in_force(digitbox: Digitbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DIGITBOX_OUTBOX", "s3://bucket/out")
    monkeypatch.setenv("DIGITBOX_STATE", "volume")
    found = json.loads(digitbox("config", "--json").out)["run"]
    assert [found[name]["value"] for name in ("outbox", "state")] == ["s3://bucket/out", "volume"]
    monkeypatch.setenv("DIGITBOX_OUTBOX", f"s3://key:{SECRET}@bucket/out")
    result = digitbox("config")
    assert (result.code, SECRET in only_line(result)) == (2, False)


def test_a_report_on_copies_needs_no_outbox_on_a_disk(
    digitbox: Digitbox, inbox: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (inbox / "a.png").write_bytes(PNG)
    assert digitbox("run", "--outbox", "copies").code == 0
    monkeypatch.setenv("DIGITBOX_OUTBOX", "s3://bucket/out")
    assert digitbox("report", "copies").code == 0


# What is refused


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["run", "s3://b/x", "--after", "move"], "--after move is for scans and an outbox on a disk"),
        (["run", "x", "--after", "delete", "--outbox", "s3://b/x"], "--after delete is for scans and an"),
        (["run", "s3://b/x/", "--outbox", "s3://b/x"], "the outbox s3://b/x cannot be an input"),
        (["run", "x", "--report", "--outbox", "s3://b/x"], "--report needs an outbox on a disk"),
        (["run", "ftp://host/x"], "cannot read or write ftp:// addresses"),
        (["run", f"s3://key:{SECRET}@b/x"], "no credentials and no query in an s3:// address"),
        (["run", "--outbox", f"s3://b/x?X-Amz-Signature={SECRET}"], "no credentials and no query"),
        (["watch", "s3://b/x"], "digitbox watch needs files on a disk, not s3://b/x: use digitbox schedule"),
        (["watch", "--outbox", "s3://b/x"], "digitbox watch needs an outbox on a disk, not s3://b/x: use"),
        (["prune", "--older-than", "1d", "--outbox", "s3://b/x"], "digitbox prune needs files on a disk"),
        (["export", "--outbox", "s3://b/x"], "digitbox export needs files on a disk, not s3://b/x: copy its"),
        (["report", "s3://b/x"], "digitbox report needs files on a disk, not s3://b/x: copy its files"),
        (["report", "--outbox", "s3://b/x"], "digitbox report needs files on a disk, not s3://b/x: copy its"),
        (["apply", "x.csv", "--outbox", "s3://b/x"], "digitbox apply needs files on a disk, not s3://b/x"),
        (["schedule", "--at", "04:00", f"s3://k:{SECRET}@b/x"], "no credentials and no query"),
    ],
)
def test_what_makes_no_sense_is_one_line(digitbox: Digitbox, arguments: list[str], said: str) -> None:
    result = digitbox(*arguments)
    assert result.code == 2
    assert said in only_line(result)
    assert SECRET not in result.err + result.out


def test_what_is_not_there_is_one_line(digitbox: Digitbox, store: Store, scans: str, tmp_path: Path) -> None:
    for given in (f"s3://{scans}/none/", f"s3://{scans}/*.gif", "s3://nowhere-at-all/x"):
        result = digitbox("run", given)
        assert (result.code, len(result.err.splitlines())) == (4, 1)
    result = digitbox("run", f"s3://{scans}/in", "--outbox", "s3://nowhere-at-all/x")
    assert (result.code, "no bucket for the outbox" in only_line(result)) == (6, True)
    assert not (tmp_path / "states").exists()
    result = digitbox("run", "gs://bucket/x")
    assert (result.code, "gcsfs" in only_line(result)) == (7, True)


def test_a_denied_run_does_not_tell_its_credentials(
    digitbox: Digitbox, store: Store, scans: str, tmp_path: Path
) -> None:
    store.rule = lambda *_: (403, "SignatureDoesNotMatch")
    arguments = ("--verbose", "--log-file", "log", "--summary", "summary.json")
    result = digitbox("run", f"s3://{scans}/in/", "--outbox", f"s3://{scans}/out", *arguments)
    assert (result.code, len(result.err.splitlines())) == (4, 1)
    said = result.err + result.out + "".join(path.read_text() for path in tmp_path.glob("[ls]*[!s]"))
    assert SECRET not in said and "key-of-the-tests" not in said


# Stores that fail


def test_what_cannot_be_published_is_published_by_the_next_run(
    digitbox: Digitbox, store: Store, scans: str
) -> None:
    arguments = ("run", f"s3://{scans}/in/", "--only-new", "--outbox", f"s3://{scans}/out")
    store.rule = lambda what, _: (0, "") if what.startswith("PUT") else None
    result = digitbox(*arguments)
    assert (result.code, result.out, "publishes the staged results" in only_line(result)) == (6, "", True)
    result = digitbox(*arguments)  # it is tried first, and nothing else is begun
    assert (result.code, result.out, len(result.err.splitlines())) == (6, "", 1)
    store.rule = None
    result = digitbox(*arguments)
    assert (result.code, len(result.out.splitlines())) == (0, 1)
    assert [row["file"] for row in rows(store, scans)] == ["a.png", "half.png", "sub/b.png"]
    ends = [run["exit_code"] for run in json.loads(digitbox("history", *arguments[3:], "--json").out)]
    assert ends == [0, 6, 6]


def test_a_store_that_goes_away_ends_the_run(
    digitbox: Digitbox, store: Store, scans: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job, "new_engine", lambda _, reader: Engine(reader, 0))
    arguments = ("run", f"s3://{scans}/in/", "--only-new", "--outbox", f"s3://{scans}/out")
    one_by_one = ("--batch-size", "1", "--rows-per-file", "1", "--workers", "1")
    gone: list[str] = []

    def rule(what: str, _: Mapping[str, str]) -> Answer | None:
        if "half.png" in what:
            gone.append(what)
        return (0, "") if gone else None

    store.rule = rule
    result = digitbox(*arguments, *one_by_one)
    assert (result.code, len(result.out.splitlines())) == (4, 1)
    assert "check the network" in only_line(result)
    store.rule = None
    assert [row["file"] for row in rows(store, scans)] == ["a.png"]
    assert digitbox(*arguments, *one_by_one).code == 3
    assert sorted(row["file"] for row in rows(store, scans)) == ["a.png", "half.png", "sub/b.png"]


@pytest.mark.slow
def test_workers_read_what_one_process_reads(store: Store, tmp_path: Path) -> None:
    samples = {path.name: path.read_bytes() for path in (ROOT / "inbox").iterdir() if path.is_file()}
    bucket = store.bucket({f"{number}/{name}": samples[name] for number in range(3) for name in samples})
    found = []
    for workers in ("1", "2"):
        command = [sys.executable, "-m", "batch", "run", f"s3://{bucket}/", "--workers", workers]
        command += ["--batch-size", "5", "--outbox", str(tmp_path / workers), "--quiet"]
        done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
        assert (done.returncode, done.stderr) == (3, "")
        (path,) = map(Path, done.stdout.splitlines())
        with path.open(encoding="utf-8", newline="") as file:
            found.append(
                [(r["file"], r["prediction"], r["status"], r["sha256"]) for r in csv.DictReader(file)]
            )
    assert found[0] == found[1]
    assert len(found[0]) == 3 * sum(map(has_image_suffix, samples))


# Options


def test_objects_are_left_where_they_are() -> None:
    for after in (After.MOVE, After.DELETE):
        with pytest.raises(ConfigError, match="leave objects where they are"):
            RunOptions(inputs=("a.png", "s3://b/a.png"), after=after)


def test_nothing_is_locked_but_folders(store: Store, scans: str, inbox: Path) -> None:
    inputs = job.find(RunOptions(inputs=(f"s3://{scans}/in", str(inbox))))
    assert inputs.folders == [inbox]
