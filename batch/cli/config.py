"""What `run` and `watch` would go by here, and where each value comes from."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from batch.cli.options import given_value
from batch.config import CONFIG_FILE
from batch.terminal import console
from batch.text import text_cell

COMMANDS = ("run", "watch")


@dataclass(frozen=True, slots=True)
class Setting:
    """The value of an option.

    Attributes:
        value: None when there is none, and what the option's help says applies.
        source: `default`, `file` or `environment`.
        where: path of the file, or name of the variable; empty for a default.
    """

    value: Any
    source: str
    where: str = ""


def settings_of(command: click.Command, context: click.Context, config_file: Path) -> dict[str, Setting]:
    """The values of a command's options when none is given.

    Args:
        command: whose options.
        context: of the group, with what digitbox.toml says.
        config_file: that it was read from.

    Raises:
        click.UsageError: the environment or the file has a value that the option does not take.
    """
    found = {}
    inner = command.make_context(str(command.name), [], parent=context)
    for parameter in command.params:
        name = parameter.name
        if not isinstance(parameter, click.Option) or name is None or name == "help":
            continue
        value = given_value(parameter, inner)
        if isinstance(value, Path):
            value = str(value)
        source = inner.get_parameter_source(name)
        if source is ParameterSource.ENVIRONMENT:
            found[name] = Setting(value, "environment", str(parameter.envvar))
        elif source is ParameterSource.DEFAULT_MAP:
            found[name] = Setting(value, "file", str(config_file))
        else:
            found[name] = Setting(value, "default")
    return found


@click.command(name="config")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of a table.")
@click.pass_context
def config(context: click.Context, as_json: bool) -> None:
    """Print the options in force, and where each comes from.

    They are those of run and watch, with the values that they would have here without any flag. A flag given
    to run or watch beats them all.
    """
    group = context.find_root()
    config_file = Path(os.path.abspath(group.params["config_file"] or CONFIG_FILE))
    assert isinstance(group.command, click.Group)
    found = {}
    for name in COMMANDS:
        command = group.command.get_command(group, name)
        assert command is not None
        found[name] = settings_of(command, group, config_file)
    if as_json:
        shown: dict[str, Any] = {
            command: {
                name: {"value": setting.value, "from": setting.source, "where": setting.where or None}
                for name, setting in settings.items()
            }
            for command, settings in found.items()
        }
        shown["config_file"] = str(config_file) if config_file.exists() else None
        console.print_line(json.dumps(shown, indent=1))
        return
    for line in _table(found):
        if not console.print_line(line):
            break


def _table(found: dict[str, dict[str, Setting]]) -> list[str]:
    """A line for each option; for each command where they differ."""
    rows = [("option", "value", "from")]
    for name in dict.fromkeys(name for settings in found.values() for name in settings):
        by_command = {command: settings[name] for command, settings in found.items() if name in settings}
        values = set(map(repr, by_command.values()))
        for command, setting in by_command.items():
            which = "" if len(by_command) == len(COMMANDS) and len(values) == 1 else f" ({command})"
            origin = f"{setting.source} {setting.where}".strip()
            row = (name.replace("_", "-") + which, _shown(setting.value), text_cell(origin))
            if row not in rows:
                rows.append(row)
    widths = [max(len(row[column]) for row in rows) for column in range(2)]
    return [f"{one:<{widths[0]}}  {two:<{widths[1]}}  {three}" for one, two, three in rows]


def _shown(value: Any) -> str:
    """As digitbox.toml would have it; a dash for none."""
    if value is None:
        return "-"
    if isinstance(value, str):
        return text_cell(value)
    if isinstance(value, tuple | list):
        return "[" + ", ".join(json.dumps(text_cell(text)) for text in value) + "]"
    return json.dumps(value)
