"""The command `digitbox config`, which prints options and where each value comes from."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from batch.cli.config_file import read_config
from batch.cli.options import COMMANDS, given_value
from batch.cli.run import build_options, run
from batch.cli.watch import watch
from batch.config import CONFIG_FILE
from batch.errors import ModelError
from batch.inference import model_store
from batch.locations import absolute
from batch.monitoring.ping import without_secrets
from batch.terminal import console
from batch.text import text_cell


@dataclass(frozen=True, slots=True)
class Setting:
    """The value of an option.

    Attributes:
        value: The value; None if nobody set one, and the option's help says what then holds.
        source: The word `default`, `file` or `environment`.
        where: Path of the file, or name of the variable; empty for a default.
    """

    value: Any
    source: str
    where: str = ""


def _settings_of(command: click.Command, context: click.Context, config_file: Path) -> dict[str, Setting]:
    """Return the values of a command's options if it is called without any.

    Args:
        command: The command.
        context: Context of the group, with the values from digitbox.toml.
        config_file: Path of digitbox.toml.

    Raises:
        click.UsageError: The environment or the file has a value that the option does not take.
    """
    settings = {}
    inner = command.make_context(str(command.name), [], parent=context)
    for parameter in command.params:
        name = parameter.name
        if not isinstance(parameter, click.Option) or name is None or not parameter.expose_value:
            continue
        value = given_value(parameter, inner)
        if isinstance(value, Path):
            value = str(value)
        if name == "ping" and value is not None:
            value = without_secrets(value)
        source = inner.get_parameter_source(name)
        if source is ParameterSource.ENVIRONMENT:
            settings[name] = Setting(value, "environment", str(parameter.envvar))
        elif source is ParameterSource.DEFAULT_MAP:
            settings[name] = Setting(value, "file", str(config_file))
        else:
            settings[name] = Setting(value, "default")
    return settings


@click.command(name="config")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of a table.")
@click.pass_context
def config(context: click.Context, as_json: bool) -> None:
    """Print the value of each option and where it comes from.

    These are the options of run and watch, with the values that they have in this folder without any flag. A
    flag of run or watch goes before all of them. The exit code is 2 if run refuses the values. It is also 2
    if the file has an option of only one of the two outside its table.
    """
    group = context.find_root()
    config_file = Path(absolute(str(group.params["config_file"] or CONFIG_FILE)))
    commands = {"run": run, "watch": watch}
    by_command = {name: _settings_of(command, group, config_file) for name, command in commands.items()}
    _name_default_model(by_command)
    if as_json:
        content: dict[str, Any] = {
            command: {
                name: {"value": setting.value, "from": setting.source, "where": setting.where or None}
                for name, setting in settings.items()
            }
            for command, settings in by_command.items()
        }
        content["config_file"] = str(config_file) if config_file.exists() else None
        console.print_line(json.dumps(content, indent=1))
    else:
        for line in _table(by_command):
            if not console.print_line(line):
                break
    _check(group)


def _name_default_model(by_command: Mapping[str, dict[str, Setting]]) -> None:
    """Put the name in `models/CURRENT` of this folder, if it has that, into settings without a model."""
    unset = [settings for settings in by_command.values() if settings["model"].source == "default"]
    current = model_store.find_current() if unset else None
    if current is not None:
        try:
            name = model_store.read_default(current.parent)
        except ModelError:  # what reads with it says so
            return
        for settings in unset:
            settings["model"] = Setting(name, "file", absolute(str(current)))


def _check(group: click.Context) -> None:
    """Check what the commands would check of their options.

    Raises:
        ConfigError: A command refuses them. An outbox that only `watch` refuses may be meant for `run`.
    """
    config = read_config(group.params["config_file"])
    for name in COMMANDS:
        config.check(name)
    build_options((), run.make_context("run", [], parent=group).params)


def _table(settings_by_command: dict[str, dict[str, Setting]]) -> list[str]:
    """Return a line for each option, or one for each command if their values differ."""
    rows = [("option", "value", "from")]
    for name in dict.fromkeys(name for settings in settings_by_command.values() for name in settings):
        by_command = {
            command: settings[name] for command, settings in settings_by_command.items() if name in settings
        }
        values = set(map(repr, by_command.values()))
        for command, setting in by_command.items():
            which = "" if len(by_command) == len(COMMANDS) and len(values) == 1 else f" ({command})"
            origin = f"{setting.source} {setting.where}".strip()
            row = (name.replace("_", "-") + which, _shown(setting.value), text_cell(origin))
            if row not in rows:
                rows.append(row)
    widths = [max(len(row[column]) for row in rows) for column in range(2)]
    return [f"{option:<{widths[0]}}  {value:<{widths[1]}}  {origin}" for option, value, origin in rows]


def _shown(value: Any) -> str:
    """Return a value as digitbox.toml has it; a dash for none."""
    if value is None:
        return "-"
    if isinstance(value, str):
        return text_cell(value)
    if isinstance(value, tuple | list):
        return "[" + ", ".join(json.dumps(text_cell(text)) for text in value) + "]"
    return json.dumps(value)
