"""Digits and other drawings as the scans that they might have come from."""
