"""Calls to a monitor that raises the alarm if it does not hear of a run in time."""

from __future__ import annotations

import base64
import threading
from urllib.parse import unquote, urlsplit, urlunsplit

from batch.errors import ConfigError

TIMEOUT_S = 10.0  # a monitor answers within a second; a slow one delays the next run no longer than this
NO_ANSWER = "no answer in time"


def check(address: str) -> None:
    """Check an address before the run.

    Args:
        address: Address of http or https; no message repeats it, since it may hold a password.

    Raises:
        ConfigError: The text is no address of http or https.
    """
    try:
        parts = urlsplit(address)
        is_address = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_address = False
    if not is_address or not all("!" <= character <= "~" for character in address):
        raise ConfigError("this is no address: give one of http or https, e.g. https://example.org/uuid")


def without_secrets(address: str) -> str:
    """Return the beginning of an address; user, password and path may be secrets."""
    try:
        check(address)
    except ConfigError:
        return "..."
    parts = urlsplit(address)
    return f"{parts.scheme}://{parts.hostname}/..."


def ping(address: str, *, failed: bool, timeout_s: float = TIMEOUT_S) -> str:
    """Send a GET request to a monitor.

    Args:
        address: Address that `check` accepts.
        failed: Whether the run failed; then digitbox adds `/fail` to the path.
        timeout_s: Seconds to wait at most, the look-up of the name included.

    Returns:
        The problem, with only the host of the address; empty if there is none.
    """
    problems = [NO_ANSWER]

    def request() -> None:
        problems[0] = _request(address, failed, timeout_s)

    # The look-up of a name has no timeout. A daemon thread does not keep digitbox from ending.
    thread = threading.Thread(target=request, daemon=True)
    thread.start()
    thread.join(timeout_s)
    return problems[0] and f"{urlsplit(address).hostname}: {problems[0]}"


def _request(address: str, failed: bool, timeout_s: float) -> str:
    from http.client import HTTPException
    from urllib.error import HTTPError, URLError
    from urllib.request import Request, urlopen

    parts = urlsplit(address)
    user, has_user, host = parts.netloc.rpartition("@")
    path = parts.path.rstrip("/") + "/fail" if failed else parts.path
    request = Request(urlunsplit((parts.scheme, host, path, parts.query, "")))  # noqa: S310, see `check`
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
