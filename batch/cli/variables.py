"""The variables `DIGITBOX_<OPTION>` of the environment, and those that look like a misspelt one."""

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


def find_misspelt(environment: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Find variables that set no option, and have nearly the name of one that does.

    Other variables that begin with DIGITBOX_ may be somebody's own, e.g. DIGITBOX_HOME.

    Args:
        environment: The values by name.

    Yields:
        The name of such a variable, and the name that is like it.
    """
    known = {key.upper() for options in COMMANDS.values() for key in options}
    for variable in sorted(environment):
        name = variable.removeprefix(PREFIX)
        if name == variable or name in known or _NO_OPTIONS.fullmatch(name):
            continue
        import difflib  # most environments have no such variable

        for like in difflib.get_close_matches(name.upper(), known, 1, MIN_LIKENESS):
            yield variable, PREFIX + like


def warn_of_misspelt() -> None:
    """Log a warning for each variable of this process that looks like a misspelt one."""
    for variable, like in find_misspelt(os.environ):
        name = text_cell(variable)
        _log.warning(f"unknown variable {name}; did you mean {like}", extra=event("options", variable=name))
