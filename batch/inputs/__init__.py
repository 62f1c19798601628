"""The search for scans: files, folders, globs, and objects of a store."""
