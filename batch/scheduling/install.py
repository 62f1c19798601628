"""A schedule put in place for this user, and taken away: units of systemd, or a line of the crontab."""

from __future__ import annotations

import os
import secrets
import subprocess
from pathlib import Path

from batch.errors import ConfigError
from batch.scheduling.units import MADE_BY, Job, cron_line, cron_mark, systemd_units

_NO_CRONTAB = (b"no crontab", b"No such file")  # of Vixie's, cronie's and macOS'; of busybox'


def install(job: Job, is_systemd: bool) -> list[str]:
    """Puts a schedule in place, in the place of one of the same name.

    Returns:
        Lines that say so, and how to undo it.

    Raises:
        ConfigError: it cannot be put there; then nothing has changed.
    """
    undo = f"digitbox schedule --uninstall {'--systemd' if is_systemd else '--cron'} --name {job.name}"
    if is_systemd:
        install_units(job)
        lines = [
            f"installed {job.name}.timer in {units_folder()}: {job.when()}",
            f"see: systemctl --user list-timers; journalctl --user -u {job.name}; undo: {undo}",
        ]
        if not Path("/var/lib/systemd/linger", _user()).exists():
            lines.append("it runs while you are logged in; at any time, after: loginctl enable-linger")
    else:
        _write_crontab(_without(_crontab(), job.name) + os.fsencode(cron_line(job)) + b"\n")
        lines = [f"added a line to your crontab: {job.when()}", f"see: crontab -l; undo: {undo}"]
    return lines


def units_folder() -> Path:
    """Where systemd looks for the units of this user."""
    home = os.environ.get("XDG_CONFIG_HOME") or os.path.expanduser("~/.config")
    return Path(home) / "systemd" / "user"


def install_units(job: Job) -> None:
    """Writes the units, and starts the timer."""
    _systemctl("daemon-reload")  # nothing is written where that cannot be
    units = systemd_units(job)
    folder = units_folder()
    for file in units:
        _check_ours(folder / file)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for file, text in units.items():
            part = folder / f".{file}.{secrets.token_hex(4)}"
            part.write_text(text, encoding="utf-8")
            os.replace(part, folder / file)
    except OSError as error:
        raise ConfigError(f"cannot write the units to {folder}: {error.strerror}; change that") from error
    _systemctl("daemon-reload")
    _systemctl("enable", "--now", f"{job.name}.timer")


def remove_units(name: str) -> str:
    """Stops the timer and removes the units; says what it did."""
    folder = units_folder()
    files = [path for path in (folder / f"{name}.timer", folder / f"{name}.service") if path.exists()]
    if not files:
        return f"nothing to uninstall: no {name}.timer in {folder}"
    for path in files:
        _check_ours(path)
    _systemctl("disable", "--now", f"{name}.timer")
    try:
        for path in files:
            path.unlink()
    except OSError as error:
        raise ConfigError(f"cannot remove {error.filename}: {error.strerror}; change that") from error
    _systemctl("daemon-reload")
    return f"uninstalled {name}.timer and {name}.service"


def remove_line(name: str) -> str:
    """Takes the line of that name out of the crontab; says what it did."""
    before = _crontab()
    after = _without(before, name)
    if after == before:
        return f"nothing to uninstall: no line of {name} in your crontab"
    _write_crontab(after)
    return f"took the line of {name} out of your crontab"


def _check_ours(path: Path) -> None:
    try:
        is_ours = not path.exists() or path.read_text(encoding="utf-8").startswith(MADE_BY)
    except (OSError, UnicodeDecodeError):
        is_ours = False
    if not is_ours:
        raise ConfigError(f"{path} is not of digitbox schedule: give another --name, or move it away")


def _without(crontab: bytes, name: str) -> bytes:
    mark = os.fsencode(cron_mark(name))
    lines = crontab.split(b"\n")
    kept = b"\n".join(line for line in lines if not line.endswith(mark))
    return kept if not kept or kept.endswith(b"\n") else kept + b"\n"


def _crontab() -> bytes:
    done = _call(["crontab", "-l"])
    if done.returncode == 0:
        return done.stdout
    if any(words in done.stderr for words in _NO_CRONTAB):
        return b""
    raise ConfigError(f"cannot read your crontab: {_what(done)}; it was left as it is")


def _write_crontab(content: bytes) -> None:
    done = _call(["crontab", "-"], content)
    if done.returncode:
        raise ConfigError(f"cannot write your crontab: {_what(done)}; it was left as it is")


def _systemctl(*arguments: str) -> None:
    done = _call(["systemctl", "--user", *arguments])
    if done.returncode:
        raise ConfigError(
            f"systemctl --user {' '.join(arguments)} failed: {_what(done)}; use --cron, or a system's unit, "
            "as in deploy/"
        )


def _call(command: list[str], content: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    try:
        return subprocess.run(  # noqa: S603
            command, input=content, capture_output=True, check=False, env={**os.environ, "LC_ALL": "C"}
        )
    except OSError as error:
        other = "--cron" if command[0] == "systemctl" else "--systemd"
        raise ConfigError(f"cannot call {command[0]}: {error.strerror}; use {other}") from error


def _what(done: subprocess.CompletedProcess[bytes]) -> str:
    lines = done.stderr.decode("utf-8", "replace").strip().splitlines()
    return lines[0] if lines else f"exit code {done.returncode}"


def _user() -> str:
    return os.environ.get("USER") or str(os.getuid())
