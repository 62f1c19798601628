"""The variables `DIGITBOX_<OPTION>` of the environment, and others that begin so, which may be misspelt."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Iterator, Mapping

from batch.cli.options import COMMANDS
from batch.terminal.log import event
from batch.text import text_cell

_log = logging.getLogger(__name__)

PREFIX = "DIGITBOX_"
MIN_LIKENESS = 0.65  # of two names, 0 to 1: that of REVIEW and REVIEW_BELOW; ROOT and REPORT have 0.6
# digitbox sets the first for the commands that it calls, and Kubernetes the others for a service.
_NO_OPTIONS = re.compile(r"RUN_.*|(.*_)?(SERVICE_HOST|SERVICE_PORT.*|PORT|PORT_\d+_.*)", re.ASCII | re.DOTALL)


def find_unknown(environment: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Find variables that begin with DIGITBOX_ and set no option.

    Args:
        environment: The values by name.

    Yields:
        The name of such a variable, and the name of one that sets an option and is like it; empty for none.
    """
    known = {key.upper() for options in COMMANDS.values() for key in options}
    for variable in sorted(environment):
        name = variable.removeprefix(PREFIX)
        if name == variable or name in known or _NO_OPTIONS.fullmatch(name):
            continue
        import difflib  # most environments have no such variable

        alike = difflib.get_close_matches(name.upper(), known, 1, MIN_LIKENESS)
        yield variable, PREFIX + alike[0] if alike else ""


def warn_of_unknown() -> None:
    """Log a warning for each variable of this process that looks misspelt, and one for all others."""
    others = []
    for variable, like in find_unknown(os.environ):
        name = text_cell(variable)
        if like:
            _log.warning(
                f"unknown variable {name}; did you mean {like}", extra=event("options", variable=name)
            )
        else:
            others.append(name)
    if others:
        words = f"unknown variable{'s' * (len(others) > 1)} {', '.join(others)}; see digitbox run --help"
        _log.warning(words, extra=event("options", variable=", ".join(others)))
