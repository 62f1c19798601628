"""The edges: one kind of file each."""
