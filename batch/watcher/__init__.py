"""The watcher of an inbox: events, whole files, batches, signals and systemd."""
