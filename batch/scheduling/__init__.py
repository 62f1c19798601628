"""Runs that happen again and again: units of systemd, cron lines, tasks of Windows."""
