"""Engines that read the scans of a run: processes on this machine, or a Ray cluster."""
