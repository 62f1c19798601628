"""The interface to bytes on disks and in object storage."""
