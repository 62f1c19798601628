"""The page `docs/commands.md`, with what each command says of itself: run this file to make it anew."""

from pathlib import Path

import click

from batch.cli.main import cli

PAGE = Path(__file__).parents[1] / "docs" / "commands.md"
COMMAND = "python tests/commands_page.py"
WIDTH = 100

_START = f"""# Commands

Each command prints its part of this page with `--help`. `{COMMAND}` makes the page from the options.
The other pages say what the commands are for; [the README](../README.md) has a list.
"""


def text() -> str:
    """Return the page as Markdown."""
    parent = click.Context(cli, info_name="digitbox", terminal_width=WIDTH, **cli.context_settings)
    parts = [_START, _block("digitbox", cli.get_help(parent))]
    for name in cli.list_commands(parent):
        command = cli.get_command(parent, name)
        assert command is not None
        context = click.Context(command, parent, info_name=name)
        parts.append(_block(f"digitbox {name}", command.get_help(context)))
    return "\n".join(parts)


def _block(name: str, help_text: str) -> str:
    return f"## {name}\n\n```text\n{help_text.rstrip()}\n```\n"


if __name__ == "__main__":
    PAGE.write_text(text(), encoding="utf-8")
