"""Bytes on disks and in object storage: one interface for both."""
