import json
from pathlib import Path

import pytest

from batch.cli import run, watch
from batch.cli.options import COMMANDS
from batch.config import OF_RUN, OF_WATCH
from batch.inference import model_store
from batch.lengths import Lengths
from batch.options import options_of
from command import Digitbox


def test_each_value_says_where_it_comes_from(
    digitbox: Digitbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "digitbox.toml").write_text('review-below = 0.9\noutbox = "of-file"\nsettle = 5\n')
    monkeypatch.setenv("DIGITBOX_OUTBOX", "of-environment")
    found = json.loads(digitbox("config", "--json").out)
    file = str(tmp_path / "digitbox.toml")
    assert found["config_file"] == file
    for command in ("run", "watch"):
        assert found[command]["outbox"] == {
            "value": "of-environment",
            "from": "environment",
            "where": "DIGITBOX_OUTBOX",
        }
        assert found[command]["review_below"] == {"value": 0.9, "from": "file", "where": file}
        assert found[command]["batch_size"] == {"value": 256, "from": "default", "where": None}
    assert found["watch"]["settle"]["value"] == found["run"]["settle"]["value"] == 5
    assert "rescan" not in found["run"]
    lines = digitbox("config").out.splitlines()
    assert any(
        line.split() == ["outbox", "of-environment", "environment", "DIGITBOX_OUTBOX"] for line in lines
    )
    assert any(line.split() == ["after", "(run)", "leave", "default"] for line in lines)
    assert any(line.split() == ["after", "(watch)", "move", "default"] for line in lines)


def test_every_option_of_both_is_there_with_its_default(digitbox: Digitbox) -> None:
    found = json.loads(digitbox("config", "--json").out)
    assert found["config_file"] is None
    assert {name for command in ("run", "watch") for name in found[command]} == {
        key for options in COMMANDS.values() for key in options
    }
    for command, records in ((run.run, OF_RUN), (watch.watch, OF_WATCH)):
        defaults = {key: default for key, (_, default) in options_of(*records).items()}
        shown = {name: one["value"] for name, one in found[str(command.name)].items()}
        for name in set(shown) & set(defaults):
            expected = defaults[name]
            expected = str(expected) if isinstance(expected, Lengths) else expected
            expected = list(expected) if isinstance(expected, tuple) else expected
            expected = str(expected) if isinstance(expected, Path) else expected
            expected = f"{expected:g}s" if name == "scan_timeout" else expected
            if expected is None or isinstance(expected, str | int | float | list):
                assert shown[name] == expected


def test_the_default_model_of_a_folder_is_shown(
    digitbox: Digitbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(model_store, "folders", lambda: (Path("models"), tmp_path / "own"))
    assert json.loads(digitbox("config", "--json").out)["run"]["model"]["from"] == "default"
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "CURRENT").write_text("office\n")
    shown = json.loads(digitbox("config", "--json").out)
    expected = {"value": "office", "from": "file", "where": f"{tmp_path}/models/CURRENT"}
    assert shown["run"]["model"] == shown["watch"]["model"] == expected
    (tmp_path / "digitbox.toml").write_text('model = "cnn"\n')
    assert json.loads(digitbox("config", "--json").out)["run"]["model"]["value"] == "cnn"
    (tmp_path / "digitbox.toml").unlink()
    (tmp_path / "models" / "CURRENT").write_bytes(b"\xff\xfe")
    assert json.loads(digitbox("config", "--json").out)["run"]["model"]["from"] == "default"


def test_relative_paths_count_from_the_current_folder(digitbox: Digitbox, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "scans").mkdir()
    (tmp_path / "elsewhere" / "mine.toml").write_text('inbox = "scans"\noutbox = "results"\n')
    assert digitbox("--config", "elsewhere/mine.toml", "run").code == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["elsewhere", "results", "scans"]


def test_another_file_and_what_is_wrong_in_it(digitbox: Digitbox, tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text('ignore = ["*\\n.png"]\n')
    result = digitbox("--config", "mine.toml", "config")
    assert f"file {tmp_path}/mine.toml" in result.out
    assert len(result.out.splitlines()) == len(digitbox("config").out.splitlines())
    (tmp_path / "mine.toml").write_text("workers = 0\n")
    result = digitbox("--config", "mine.toml", "config")
    assert (result.code, result.out, len(result.err.splitlines())) == (2, "", 1)
    assert digitbox("--config", "gone.toml", "config").code == 2


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('on-complete = "foo \\"bar"', "--on-complete: 'foo \"bar' cannot be split into words"),
        ("rescan = 5", "digitbox run has no option rescan, digitbox watch has: put it under a line [watch]"),
        ("max-files = 5", "digitbox watch has no option max-files, digitbox run has: put it under"),
        ('summary = "gone/x"', "--summary: no folder gone"),
        ('summary = "x"\nmetrics-file = "./x"', "--metrics-file: x is the file of --summary: name another"),
        ('summary = "x"\nlog-file = "inbox/../x"', "--log-file: inbox/../x is the file of --summary"),
        ('metrics-file = "x"\nlog-file = "x"', "--log-file: x is the file of --metrics-file"),
        ('outbox = "inbox/out"', "must not lie in each other"),
        ('after = "move"\noutbox = "s3://bucket/out"', "is for scans and an outbox on a disk"),
    ],
)
@pytest.mark.parametrize("form", [[], ["--json"]], ids=["table", "json"])
def test_values_that_a_command_refuses_end_it_with_2(
    digitbox: Digitbox, tmp_path: Path, text: str, says: str, form: list[str]
) -> None:
    (tmp_path / "digitbox.toml").write_text(f"{text}\n")
    result = digitbox("config", *form)
    assert result.code == 2 and says in result.err and len(result.err.splitlines()) == 1
    assert "review" in result.out  # whoever looks for the mistake sees the values


@pytest.mark.parametrize(
    "text", ["[watch]\nrescan = 5", 'outbox = "s3://bucket/out"', "[run]\nmax-files = 5"]
)
def test_values_that_one_command_obeys_are_well(digitbox: Digitbox, tmp_path: Path, text: str) -> None:
    (tmp_path / "digitbox.toml").write_text(f"{text}\n")
    assert digitbox("config").code == 0


SENSITIVE = ["on-failure", "on-complete", "ping", "summary", "metrics-file", "log-file", "after", "model"]
SENSITIVE += ["metrics-listen"]


@pytest.mark.parametrize("key", SENSITIVE)
def test_others_set_no_option_that_needs_trust(digitbox: Digitbox, tmp_path: Path, key: str) -> None:
    file = tmp_path / "digitbox.toml"
    file.write_text(f'{key} = "move"\n')
    file.chmod(0o646)
    result = digitbox("run")
    assert (result.code, result.out) == (2, "")
    assert result.err == (
        f"digitbox: digitbox.toml: {key} is refused, since others can write to this file or its folder: take "
        "that right from them, or name the file with --config digitbox.toml\n"
    )
    file.write_text("batch-size = 3\n")
    assert json.loads(digitbox("config", "--json").out)["run"]["batch_size"]["value"] == 3


def test_a_run_says_which_options_file_it_reads(digitbox: Digitbox, inbox: Path, tmp_path: Path) -> None:
    (tmp_path / "digitbox.toml").write_text("batch-size = 3\n")
    assert digitbox("run").err.splitlines()[0] == "options: digitbox.toml"


def test_models_beside_the_scans_are_not_trusted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "models").mkdir(mode=0o755)
    assert model_store.folders()[0] == Path("models")
    (tmp_path / "models").chmod(0o757)
    assert len(model_store.folders()) == 1


def test_the_secrets_of_a_ping_are_not_shown(digitbox: Digitbox, monkeypatch: pytest.MonkeyPatch) -> None:
    for address, shown in (
        ("https://anna:secret@example.org/secret", "https://example.org/..."),
        ("secret", "..."),
    ):
        monkeypatch.setenv("DIGITBOX_PING", address)
        for result in (digitbox("config"), digitbox("config", "--json")):
            assert shown in result.out and "secret" not in result.out


@pytest.mark.parametrize(
    "arguments", [["config"], ["status", "--json"], ["run", "--dry-run"], ["schedule", "--at", "2:30"]]
)
def test_a_current_folder_that_is_gone_is_no_bug(
    digitbox: Digitbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str]
) -> None:
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    result = digitbox(*arguments)
    assert (result.code, result.err) == (
        2,
        "digitbox: the current folder is gone: change to one that exists\n",
    )
