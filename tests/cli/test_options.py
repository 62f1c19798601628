from pathlib import Path

import click
import pytest

from batch.cli.options import given_value


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
