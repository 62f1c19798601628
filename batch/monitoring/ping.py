"""A monitor that raises the alarm when it does not hear of a run: one that it is asked for in time."""

from __future__ import annotations

import base64
import threading
from urllib.parse import unquote, urlsplit, urlunsplit

from batch.errors import ConfigError

TIMEOUT_S = 10.0
NO_ANSWER = "no answer in time"


def check(address: str) -> None:
    """Checks an address before the run. No message has it: it may have a password in it.

    Raises:
        ConfigError: it is none of http or https.
    """
    try:
        parts = urlsplit(address)
        is_good = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_good = False
    if not is_good or not all("!" <= character <= "~" for character in address):
        raise ConfigError("this is no address: give one of http or https, such as https://example.org/uuid")


def ping(address: str, *, failed: bool, timeout_s: float = TIMEOUT_S) -> str:
    """Asks for an address, or for the one with /fail at the end of its path; waits no longer than allowed.

    Returns:
        What went wrong, with no more of the address than its host; empty when nothing did.
    """
    problems = [NO_ANSWER]

    def ask() -> None:
        problems[0] = _ask(address, failed, timeout_s)

    # In a thread that nobody waits for, since looking up a name knows no timeout.
    asking = threading.Thread(target=ask, daemon=True)
    asking.start()
    asking.join(timeout_s)
    return problems[0] and f"{urlsplit(address).hostname}: {problems[0]}"


def _ask(address: str, failed: bool, timeout_s: float) -> str:
    from http.client import HTTPException
    from urllib.error import HTTPError, URLError
    from urllib.request import Request, urlopen

    parts = urlsplit(address)
    user, has_user, host = parts.netloc.rpartition("@")
    path = parts.path.rstrip("/") + "/fail" if failed else parts.path
    request = Request(urlunsplit((parts.scheme, host, path, parts.query, "")))  # noqa: S310, checked before
    request.add_header("User-Agent", "digitbox")
    if has_user:
        secret = base64.b64encode(unquote(user).encode()).decode()
        request.add_unredirected_header("Authorization", f"Basic {secret}")
    try:
        with urlopen(request, timeout=timeout_s):  # noqa: S310
            return ""
    except HTTPError as error:
        error.close()
        return f"answered {error.code}"
    except (OSError, HTTPException, ValueError) as error:
        cause = error.reason if isinstance(error, URLError) else error
        if isinstance(cause, TimeoutError):
            return NO_ANSWER
        return (cause.strerror if isinstance(cause, OSError) else None) or type(cause).__name__
