"""Runs into a bucket that are killed: nothing is lost, and nothing is published twice."""

import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from command import Digitbox, environment
from stores import Store, rows

WORK = """
import os, signal, sys
from batch.inference import classifier, model_store
from batch.outbox import batches
from batch.storage import objects
from fakes import MANIFEST, FakeClassifier, save_fake_model
from pathlib import Path
classifier.build = lambda *_: FakeClassifier(MANIFEST)
folder = save_fake_model(Path({folder!r}))
model_store.find = lambda _: folder

def killed(step, owner, name, after):
    call = getattr(owner, name)
    def calling(*arguments, **settings):
        if step == {step!r} and not after and "predictions-" in str(arguments):
            os.kill(os.getpid(), signal.SIGKILL)
        done = call(*arguments, **settings)
        if step == {step!r} and after:
            os.kill(os.getpid(), signal.SIGKILL)
        return done
    setattr(owner, name, calling)

killed("before the request", objects.Objects, "publish", False)
killed("after the request", Path, "unlink", False)
killed("after the unlink", objects.Objects, "publish", True)
killed("after the note", batches, "set_state", True)
sys.argv = ["digitbox", *{arguments!r}]
from batch.cli.main import main
main()
"""
STEPS = ["before the request", "after the request", "after the unlink", "after the note"]


@pytest.mark.slow
@pytest.mark.parametrize("step", STEPS)
def test_a_run_killed_at_any_step_of_publishing_is_gone_on_with(
    store: Store, digitbox: Digitbox, scans: str, tmp_path: Path, step: str
) -> None:
    outbox = f"s3://{scans}/out"
    arguments = ("run", f"s3://{scans}/in/", "--only-new", "--outbox", outbox, "--quiet")
    code = WORK.format(folder=str(tmp_path / "models"), step=step, arguments=arguments)
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, env=environment(), capture_output=True, text=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr
    published = results(store, scans)
    assert len(published) == (step != "before the request")
    shutil.copytree(tmp_path / "states", tmp_path / "killed")
    for taken in (False, True):  # whoever reads the outbox may be quick
        for key in published:
            store.delete(scans, key) if taken else store.put(scans, key, published[key])
        shutil.rmtree(tmp_path / "states")
        shutil.copytree(tmp_path / "killed", tmp_path / "states")
        assert digitbox(*arguments).code == 0
        there = results(store, scans)
        # The same name and the same bytes, where they appear again.
        again = step in ("before the request", "after the request")
        if published:
            assert there == (published if again or not taken else {})
        if there:
            assert [row["file"] for row in rows(store, scans, "out/")] == ["a.png", "half.png", "sub/b.png"]
        else:
            assert taken
        assert digitbox(*arguments).out == ""
        for key in there:
            store.delete(scans, key)


def results(store: Store, bucket: str) -> dict[str, bytes]:
    return {key: content for key, content in store.objects(bucket).items() if key.startswith("out/")}
