"""Messages of a service to systemd: ready, alive, stopping and its status."""

from __future__ import annotations

import math
import os
import socket
from contextlib import suppress

MORE_TIME = "EXTEND_TIMEOUT_USEC=60000000"  # a start or a stop may take another minute
PATIENCE_S = 1.0  # for a systemd that does not listen; the work goes on then


def notify(*assignments: str) -> None:
    """Send `READY=1`, `WATCHDOG=1`, `STOPPING=1`, `STATUS=...` or `MORE_TIME`, if systemd listens.

    The protocol is sd_notify(3): a datagram to the socket that `$NOTIFY_SOCKET` names. The name is a path, or
    an abstract socket if it begins with an @.
    """
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address.startswith(("/", "@")):
        return
    message = "\n".join(" ".join(line.split()) for line in assignments).encode("utf-8", "backslashreplace")
    with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as systemd:
        systemd.settimeout(PATIENCE_S)
        systemd.sendto(
            message, b"\0" + os.fsencode(address[1:]) if address[0] == "@" else os.fsencode(address)
        )


def watchdog_interval_s() -> float:
    """Return the seconds between two signs of life: half of systemd's limit; inf without a limit."""
    if os.environ.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        return math.inf
    limit = os.environ.get("WATCHDOG_USEC", "")
    return int(limit) / 2e6 if limit.isdecimal() and int(limit) else math.inf
