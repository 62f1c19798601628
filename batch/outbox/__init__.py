"""Exactly once from scan to row: batches, the ledger, and what is done with scans that have their row."""
