"""The declaration of an option, once, as a field of a record.

digitbox makes four names of a declaration: the flag (`--max-pixels`), the environment variable
(`DIGITBOX_MAX_PIXELS`), the key in `digitbox.toml` (`max-pixels`) and the field for Python programs
(`max_pixels`). The name of a field in seconds ends in `_s`; the other names leave that out.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from enum import Enum, auto
from typing import Any


class Kind(Enum):
    """The types of values that options take."""

    TEXT = auto()
    CHOICE = auto()
    WHOLE = auto()
    NUMBER = auto()
    FLAG = auto()
    PATTERNS = auto()
    """A list of texts."""
    FILE = auto()
    FILE_OR_STDOUT = auto()
    FOLDER = auto()
    INPUT = auto()
    """A folder of scans, or an address of object storage."""
    OUTBOX = auto()
    """A folder, or an address of object storage."""
    DURATION = auto()
    """A text such as `90m`; the field holds seconds."""
    TOLERANCE = auto()
    """A number of scans, or a share of them."""
    LENGTHS = auto()
    """How many digits a scan holds: a number, a range, or `any`."""


TOML_TYPES: dict[Kind, tuple[type, ...]] = {
    **dict.fromkeys(Kind, (str,)),
    Kind.WHOLE: (int,),
    Kind.NUMBER: (float, int),
    Kind.FLAG: (bool,),
    Kind.PATTERNS: (list,),
    Kind.TOLERANCE: (str, int),
    Kind.LENGTHS: (str, int),
}
"""The types of values in `digitbox.toml`, by kind."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """The way in which people set a field.

    Attributes:
        kind: The type of its values.
        help: One or two sentences for `--help`.
        metavar: The placeholder of the value in `--help`.
        unset: The behaviour if nobody sets it, for a field with the default None.
        choices: The values of a `CHOICE`.
        low: The lowest number, included; None for no bound.
        high: The highest number, included; None for no bound.
        convert: Function from the given value to the field's value; None if they are the same.
        needs_trust: True if it can run commands, write files or delete scans. A `digitbox.toml` that others
            can write must not set it.
    """

    kind: Kind
    help: str
    metavar: str | None = None
    unset: str = ""
    choices: tuple[str, ...] = ()
    low: float | None = None
    high: float | None = None
    convert: Any = None
    needs_trust: bool = False


def option(default: Any, kind: Kind, text: str, **settings: Any) -> Any:
    """Declare a field that people can set."""
    return field(default=default, metadata={"option": Option(kind=kind, help=text, **settings)})


def key(name: str) -> str:
    """Return the key of a field: its name without the unit."""
    return name.removesuffix("_s")


def options_of(*records: type[Any]) -> dict[str, tuple[Option, Any]]:
    """Return the options of these records with their defaults, by key."""
    return {
        key(declared.name): (declared.metadata["option"], declared.default)
        for record in records
        for declared in fields(record)
        if "option" in declared.metadata
    }


def build(record: Any, values: dict[str, Any], **fixed: Any) -> Any:
    """Make a record from values by key.

    Args:
        record: The class.
        values: Values by key; it ignores those of other records.
        fixed: Values of fields that are not options.

    Raises:
        ConfigError: The values do not go together.
    """
    for declared in fields(record):
        option = declared.metadata.get("option")
        if option is not None and key(declared.name) in values and declared.name not in fixed:
            value = values[key(declared.name)]
            fixed[declared.name] = option.convert(value) if option.convert else value
    return record(**fixed)
