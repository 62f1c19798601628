"""The watched inbox: from events and looks to settled scans to batches."""
