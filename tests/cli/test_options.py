from pathlib import Path
from typing import Any

import click
import pytest
from click.shell_completion import get_completion_class

from batch.cli import main
from batch.cli.options import given_value
from batch.training import __main__ as training
from batch.training.look import weigh
from command import ROOT, Digitbox
from formats import FORMATS, two

TWO = FORMATS["png-8"](two())


class Share:
    """What an option makes of a text."""


@click.command()
@click.option("--share", callback=lambda *_: Share(), envvar="SHARE", default="3%")
@click.option("--number", type=int)
@click.option("--flag", is_flag=True, envvar="FLAG")
@click.option("--file", type=click.Path(path_type=Path))
def command() -> None:
    pass


@pytest.mark.parametrize(
    ("arguments", "variable", "share"), [([], "", "3%"), ([], "5%", "5%"), (["--share", "7%"], "5%", "7%")]
)
def test_what_was_given_is_given_back(
    arguments: list[str], variable: str, share: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FLAG", "1")
    if variable:
        monkeypatch.setenv("SHARE", variable)
    arguments = [*arguments, "--file", "a"]
    context = command.make_context("command", list(arguments))
    values = [given_value(parameter, context, arguments) for parameter in command.params]
    assert values == [share, None, True, Path("a")]


def test_the_shell_completes_commands_and_options(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    page = (ROOT / "docs" / "usage.md").read_text(encoding="utf-8")
    for shell in ("bash", "zsh", "fish"):
        assert f"_DIGITBOX_COMPLETE={shell}_source" in page
        complete = get_completion_class(shell)
        assert complete is not None
        completion = complete(main.cli, {}, "digitbox", "_DIGITBOX_COMPLETE")
        assert [item.value for item in completion.get_completions([], "expl")] == ["explain", "explore"]
        options = [item.value for item in completion.get_completions(["run"], "--re")]
        assert options == ["--review-below", "--recursive", "--report"]


def refuse(text: str, *kinds: type[Any]) -> int:
    """Check that no option of these kinds takes a text, and return how many there are."""
    context = click.Context(main.cli)
    names = main.cli.list_commands(context)
    commands = [training.main, weigh.main, *(main.cli.get_command(context, name) for name in names)]
    options = [option for command in commands if command is not None for option in command.params]
    numbers = [option for option in options if isinstance(option.type, kinds)]
    for option in numbers:
        with pytest.raises(click.BadParameter):
            option.type.convert(text, option, context)
    return len(numbers)


@pytest.mark.parametrize("text", ["nan", "inf", "-inf", "NaN", "1e999"])
def test_no_option_takes_what_is_no_finite_number(text: str) -> None:
    assert refuse(text, click.FloatRange, type(click.FLOAT)) > 5


def test_no_option_takes_a_number_beyond_all_counts(digitbox: Digitbox, tmp_path: Path) -> None:
    """Neither the list of scans nor SQLite counts that far."""
    assert refuse("99999999999999999999", click.IntRange, type(click.INT)) > 10
    (tmp_path / "digitbox.toml").write_text("max-files = 99999999999999999999")
    result = digitbox("run", "--dry-run")
    assert (result.code, "give a smaller number than 99999999999999999999" in result.err) == (2, True)


def test_a_scan_stays_if_settle_is_no_number(
    digitbox: Digitbox, inbox: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (inbox / "a.png").touch()
    file = tmp_path / "digitbox.toml"
    result = digitbox("run", "--after", "delete", "--settle", "nan")
    assert (result.code, "give a finite number, not nan" in result.err) == (2, True)
    monkeypatch.setenv("DIGITBOX_SETTLE", "nan")
    assert digitbox("run", "--after", "delete").code == 2
    monkeypatch.delenv("DIGITBOX_SETTLE")
    file.write_text("settle = nan")
    assert digitbox("run", "--after", "delete").code == 2
    assert (inbox / "a.png").exists()


@pytest.mark.parametrize("option", ["summary", "metrics-file", "log-file"])
@pytest.mark.parametrize("way", ["flag", "file"])
def test_no_option_writes_over_a_scan(
    digitbox: Digitbox, inbox: Path, tmp_path: Path, option: str, way: str
) -> None:
    """Somebody forgets the file of an option, and the shell puts the names of scans there."""
    for name in ("a.png", "b.PDF"):
        (inbox / name).write_bytes(TWO)
    if way == "file":
        (tmp_path / "digitbox.toml").write_text(f'{option} = "inbox/b.PDF"\n')
        result = digitbox("run", "inbox")
    else:
        result = digitbox("run", f"--{option}", "inbox/a.png", "inbox/b.PDF")
    assert result.code == 2 and len(result.err.splitlines()) == 1
    assert "is the name of a scan: name another file" in result.err
    assert [path.read_bytes() for path in inbox.iterdir()] == [TWO, TWO]
    assert not Path("outbox").exists()
