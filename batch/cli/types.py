"""Types of arguments and options: paths and addresses."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from batch.errors import ConfigError
from batch.inputs.names import has_image_suffix
from batch.locations import RemoteOutbox, check_location, check_path, parse_outbox

COPY_RESULTS = "copy its files of results to a folder, and name that"
"""The advice of commands that need the results of an outbox on a disk."""


class NamedPath(click.Path):
    """A path that is not empty. Otherwise an unset shell variable would name the current folder."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the path.

        Raises:
            click.BadParameter: It is empty, or no path of the kind that the option takes.
            ConfigError: No file can have its name, or it begins with `~`, which the shell has not replaced.
        """
        if value == "":
            self.fail("it is empty: give a name, or leave it out", param, ctx)
        if isinstance(value, str):
            check_path(value)
        return super().convert(value, param, ctx)


class WrittenPath(NamedPath):
    """A file that digitbox replaces or appends to; no scan."""

    def __init__(self, *, allow_dash: bool = False) -> None:
        super().__init__(dir_okay=False, readable=False, allow_dash=allow_dash, path_type=Path)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the path.

        Raises:
            click.BadParameter: It is a folder, or has the name of an image or a document.
        """
        path = super().convert(value, param, ctx)
        if has_image_suffix(path.name):  # where the shell put the first of many scans
            self.fail(f"{str(path)!r} is the name of a scan: name another file", param, ctx)
        return path


class ScanPath(NamedPath):
    """A path, an address or a pattern of either."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the path or address; file:///scans becomes /scans.

        Raises:
            ConfigError: It is an address of another kind, or has credentials in it.
        """
        return super().convert(check_location(value), param, ctx)


class OutboxPath(NamedPath):
    """A path or an address."""

    def __init__(self) -> None:
        super().__init__(readable=False, path_type=Path)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the path or address.

        Raises:
            ConfigError: It is an address of another kind, or has credentials in it.
        """
        location = parse_outbox(value) if isinstance(value, str) and value else value
        if isinstance(location, RemoteOutbox):
            return location
        return super().convert(location, param, ctx)


class LocalPath(OutboxPath):
    """A path on a disk; it refuses addresses.

    Args:
        advice: What to do instead.
    """

    def __init__(self, advice: str) -> None:
        super().__init__()
        self._advice = advice

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the path.

        Raises:
            ConfigError: It is an address.
        """
        location = super().convert(value, param, ctx)
        if isinstance(location, RemoteOutbox):
            command = ctx.command_path if ctx else "this"
            raise ConfigError(f"{command} needs files on a disk, not {location}: {self._advice}")
        return location
