"""How a service tells systemd that it is ready, alive and stopping; silent where nothing listens."""

from __future__ import annotations

import math
import os
import socket
from contextlib import suppress

PATIENCE_S = 1.0


def notify(*assignments: str) -> None:
    """Sends `READY=1`, `WATCHDOG=1`, `STOPPING=1` or `STATUS=...`; that nobody hears it is no matter.

    The protocol is that of sd_notify(3): a datagram to the socket that `$NOTIFY_SOCKET` names, which is
    a path, or one without a file, when it begins with an @.
    """
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address.startswith(("/", "@")):
        return
    message = "\n".join(" ".join(line.split()) for line in assignments).encode("utf-8", "backslashreplace")
    with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as to:
        to.settimeout(PATIENCE_S)  # a systemd that does not listen must not stop the work
        to.sendto(message, b"\0" + os.fsencode(address[1:]) if address[0] == "@" else os.fsencode(address))


def watchdog_interval_s() -> float:
    """Seconds between two signs of life: half of what systemd waits for; inf where it does not."""
    if os.environ.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        return math.inf
    limit = os.environ.get("WATCHDOG_USEC", "")
    return int(limit) / 2e6 if limit.isdecimal() and int(limit) else math.inf
