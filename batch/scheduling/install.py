"""The installation of a schedule for this user: units of systemd, or a line of the crontab."""

from __future__ import annotations

import os
import secrets
import subprocess
from pathlib import Path

from batch.errors import ConfigError
from batch.scheduling.units import (
    MADE_BY,
    NAMESPACE_LINES,
    Job,
    Service,
    cron_line,
    cron_mark,
    systemd_units,
    watcher_unit,
)

_NO_CRONTAB = (b"no crontab", b"No such file")  # messages of Vixie cron, cronie and macOS; of busybox


def install(job: Service, is_systemd: bool) -> list[str]:
    """Install a schedule or a watcher, and replace one of the same name.

    Args:
        job: The command, and its times if it is a `Job`. Only systemd keeps a watcher running.
        is_systemd: Whether to write units of systemd, or a line of the crontab.

    Returns:
        Lines for people: the installed schedule, and how to look at it and remove it.

    Raises:
        ConfigError: systemd or the crontab refuses it, or another program wrote a unit of this name.
    """
    undo = f"digitbox schedule --uninstall {'--systemd' if is_systemd else '--cron'} --name {job.name}"
    if is_systemd:
        has_namespaces = _has_namespaces()  # fails before digitbox writes anything where there is no systemd
        if isinstance(job, Job):
            _install_units(systemd_units(job, has_namespaces=has_namespaces), f"{job.name}.timer")
            lines = [f"installed {job.name}.timer in {units_folder()}: {job.when()}"]
            see = "list-timers"
        else:
            _install_units(watcher_unit(job, has_namespaces=has_namespaces), f"{job.name}.service")
            lines = [f"installed and started {job.name}.service in {units_folder()}"]
            see = f"status {job.name}"
        lines.append(f"see: systemctl --user {see}; journalctl --user -u {job.name}; undo: {undo}")
        if not has_namespaces:
            lines.append("it has fewer restrictions: this machine gives no namespaces to your services")
        if not Path("/var/lib/systemd/linger", _user()).exists():
            lines.append("it runs while you are logged in; to run it at any time: loginctl enable-linger")
    else:
        assert isinstance(job, Job)
        _write_crontab(_without_line(_read_crontab(), job.name) + os.fsencode(cron_line(job)) + b"\n")
        lines = [f"added a line to your crontab: {job.when()}", f"see: crontab -l; undo: {undo}"]
    return lines


def units_folder() -> Path:
    """Return the folder in which systemd looks for the units of this user."""
    home = os.environ.get("XDG_CONFIG_HOME") or os.path.expanduser("~/.config")
    return Path(home) / "systemd" / "user"


def _install_units(units: dict[str, str], started: str) -> None:
    """Write units, by file name, and start one of them now and whenever systemd starts."""
    folder = units_folder()
    for file in units:
        _check_ours(folder / file)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for file, text in units.items():
            part = folder / f".{file}.{secrets.token_hex(4)}"
            part.touch(mode=0o600)  # the URL of --ping may have a password
            part.write_text(text, encoding="utf-8")
            os.replace(part, folder / file)
    except OSError as error:
        raise ConfigError(
            f"cannot write the units to {folder}: {error.strerror}; solve that and try again"
        ) from error
    _systemctl("daemon-reload")
    _systemctl("enable", "--now", started)
    if started.endswith(".service"):
        _systemctl("restart", started)  # with its new options


def remove_units(name: str) -> str:
    """Stop a job or a watcher, and remove its units.

    Args:
        name: Name of the job.

    Returns:
        A line for people that says what digitbox removed.

    Raises:
        ConfigError: systemd cannot be called; another program wrote a unit of this name; or a unit cannot be
            removed.
    """
    folder = units_folder()
    files = [path for path in (folder / f"{name}.timer", folder / f"{name}.service") if path.exists()]
    if not files:
        return f"nothing to uninstall: no {name}.timer or {name}.service in {folder}"
    for path in files:
        _check_ours(path)
    _systemctl("disable", "--now", files[0].name)
    try:
        for path in files:
            path.unlink()
    except OSError as error:
        raise ConfigError(
            f"cannot remove {error.filename}: {error.strerror}; solve that and try again"
        ) from error
    _systemctl("daemon-reload")
    return f"uninstalled {' and '.join(path.name for path in files)}"


def remove_line(name: str) -> str:
    """Remove the line of a job from the crontab.

    Args:
        name: Name of the job.

    Returns:
        A line for people that says what digitbox removed.

    Raises:
        ConfigError: The crontab cannot be read or written; it stays as it was.
    """
    before = _read_crontab()
    after = _without_line(before, name)
    if after == before:
        return f"nothing to uninstall: no line of {name} in your crontab"
    _write_crontab(after)
    return f"removed the line of {name} from your crontab"


def _has_namespaces() -> bool:
    """Return whether the systemd of this user can start a service with the restrictions of namespaces.

    Raises:
        ConfigError: systemd cannot be called.
    """
    _systemctl("daemon-reload")  # fails where there is no systemd
    properties = (f"--property={line}" for line in NAMESPACE_LINES)
    command = ["systemd-run", "--user", "--wait", "--collect", "--quiet", *properties, "true"]
    try:
        return _call(command).returncode == 0
    except ConfigError:  # there is no systemd-run
        return False


def _check_ours(path: Path) -> None:
    try:
        is_ours = not path.exists() or path.read_text(encoding="utf-8").startswith(MADE_BY)
    except (OSError, UnicodeDecodeError):
        is_ours = False
    if not is_ours:
        raise ConfigError(f"another program wrote {path}: give another --name, or move the file away")


def _without_line(crontab: bytes, name: str) -> bytes:
    mark = os.fsencode(cron_mark(name))
    lines = crontab.split(b"\n")
    content = b"\n".join(line for line in lines if not line.endswith(mark))
    return content if not content or content.endswith(b"\n") else content + b"\n"


def _read_crontab() -> bytes:
    result = _call(["crontab", "-l"])
    if result.returncode == 0:
        return result.stdout
    if any(message in result.stderr for message in _NO_CRONTAB):
        return b""
    raise ConfigError(f"cannot read your crontab: {_problem(result)}; it stays as it is")


def _write_crontab(content: bytes) -> None:
    result = _call(["crontab", "-"], content)
    if result.returncode:
        raise ConfigError(f"cannot write your crontab: {_problem(result)}; it stays as it is")


def _systemctl(*arguments: str) -> None:
    result = _call(["systemctl", "--user", *arguments])
    if result.returncode:
        raise ConfigError(
            f"systemctl --user {' '.join(arguments)} failed: {_problem(result)}; use --cron, or a system "
            "unit, see deploy/"
        )


def _call(command: list[str], content: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    try:
        return subprocess.run(  # noqa: S603
            command, input=content, capture_output=True, check=False, env={**os.environ, "LC_ALL": "C"}
        )
    except OSError as error:
        alternative = "--cron" if command[0] == "systemctl" else "--systemd"
        raise ConfigError(f"cannot call {command[0]}: {error.strerror}; use {alternative}") from error


def _problem(result: subprocess.CompletedProcess[bytes]) -> str:
    lines = result.stderr.decode("utf-8", "replace").strip().splitlines()
    return lines[0] if lines else f"exit code {result.returncode}"


def _user() -> str:
    return os.environ.get("USER") or str(os.getuid())
