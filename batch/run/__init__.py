"""One run over its inputs: which scans it reads, and what it comes to."""
