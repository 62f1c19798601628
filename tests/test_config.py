import os
from pathlib import Path

import pytest

from batch.cli.config_file import read_config
from batch.config import RunOptions
from batch.errors import ConfigError


@pytest.mark.parametrize(
    ("inputs", "outbox"),
    [
        ((), "inbox"),
        ((), "inbox/results"),
        ((), "."),
        (("scans",), "scans"),
    ],
)
def test_an_outbox_in_the_inbox_is_refused(
    inputs: tuple[str, ...], outbox: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match="outbox"):
        RunOptions(inputs=inputs, outbox=Path(outbox))


def test_an_outbox_below_an_input_is_fine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    RunOptions(inputs=(".",), outbox=Path("outbox"))


def test_keys_have_dashes_or_underscores(tmp_path: Path) -> None:
    file = tmp_path / "digitbox.toml"
    file.write_text("rows-per-file = 5\nquiet = true\n")
    assert read_config(file).common == {"rows_per_file": 5, "quiet": True}


def test_the_mark_that_editors_leave_is_no_matter(tmp_path: Path) -> None:
    file = tmp_path / "digitbox.toml"
    file.write_bytes(b"\xef\xbb\xbfquiet = true\n")
    assert read_config(file).common == {"quiet": True}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("wrokers = 2", "unknown key 'wrokers'; did you mean workers"),
        ("zzz = 2", "unknown key 'zzz'; known are: after, batch-size"),
        ("[ran]\nworkers = 2", "unknown key 'ran'"),
        ("run = 2", "unknown key 'run'"),
        (
            "[run]\nrescan = 2",
            r"\[run\] unknown key 'rescan'; digitbox watch has it: put it under a line \[watch\]",
        ),
        (
            "[watch]\nmax_files = 3",
            r"\[watch\] unknown key 'max_files'; digitbox run has it: put it under a line \[run\]",
        ),
        ("[watch]\nsettle = 'x'", "settle must be a number, not"),
        ("workers = 'two'", 'workers must be a whole number, not "two"'),
        ("workers = true", "workers must be a whole number, not true"),
        ("settle = 'x'", "settle must be a number, not"),
        ("only-new = 1\nonly_new = 2", "only-new must be true or false"),
        ("only-new = true\nonly_new = true", "only_new is there twice"),
        ("workers = ", "not TOML"),
        ('outbox = "a\\u0000"', "plain text"),
        ("ignore = [1]", "plain text"),
    ],
)
def test_mistakes_are_told_with_the_file(content: str, message: str, tmp_path: Path) -> None:
    file = tmp_path / "digitbox.toml"
    file.write_text(content)
    with pytest.raises(ConfigError, match=message) as caught:
        read_config(file)
    assert str(file) in str(caught.value)


def test_only_a_file_that_was_named_must_be_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert read_config(None).common == {}
    with pytest.raises(ConfigError, match="no such file"):
        read_config(tmp_path / "mine.toml")
    os.mkfifo(tmp_path / "digitbox.toml")  # which would block
    with pytest.raises(ConfigError, match="is not a file"):
        read_config(None)
    file = tmp_path / "latin.toml"
    file.write_bytes(b"# \xe9\n")
    with pytest.raises(ConfigError, match="not TOML"):
        read_config(file)


def test_a_table_is_for_its_command_alone(tmp_path: Path) -> None:
    file = tmp_path / "digitbox.toml"
    file.write_text("quiet = true\nworkers = 2\n[watch]\nrescan = 5\nworkers = 1\n")
    config = read_config(file)
    assert config.of("run") == {"quiet": True, "workers": 2}
    assert config.of("watch") == {"quiet": True, "workers": 1, "rescan": 5}


@pytest.mark.parametrize(
    ("command", "key", "value", "other"),
    [("run", "rescan", "5", "watch"), ("watch", "max-files", "5", "run"), ("watch", "report", "true", "run")],
)
def test_a_command_obeys_each_key_or_names_the_other(
    command: str, key: str, value: str, other: str, tmp_path: Path
) -> None:
    file = tmp_path / "digitbox.toml"
    file.write_text(f"{key} = {value}\n")
    config = read_config(file)
    config.check(other)
    with pytest.raises(ConfigError) as caught:
        config.check(command)
    assert str(caught.value) == (
        f"{file}: digitbox {command} has no option {key}, digitbox {other} has: put it under a line [{other}]"
    )
