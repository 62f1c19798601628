"""Types of options: numbers."""

from __future__ import annotations

import math
import sys
from typing import Any

import click


class Whole(click.IntRange):
    """A whole number that everything can count to."""

    name = "whole number"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the number.

        Raises:
            click.BadParameter: It is no whole number, or out of bounds.
        """
        number = super().convert(value, param, ctx)
        if number > sys.maxsize:
            self.fail(f"give a smaller number than {value}", param, ctx)
        return number


class Number(click.FloatRange):
    """A number; it refuses nan, which no bound refuses, and inf."""

    name = "number"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the number.

        Raises:
            click.BadParameter: It is no finite number, or out of bounds.
        """
        number = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"give a finite number, not {value}", param, ctx)
        return number
