"""The way from scans to outcomes: the reader on one screen, the model and its decision."""
