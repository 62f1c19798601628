"""The edges: everything that touches the file system, one kind of file in each module."""
