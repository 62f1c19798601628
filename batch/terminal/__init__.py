"""The terminal: lines of results, the log, and the messages of C libraries."""
