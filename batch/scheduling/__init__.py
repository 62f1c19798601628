"""Scheduled runs: units of systemd, lines of a crontab, tasks of Windows."""
