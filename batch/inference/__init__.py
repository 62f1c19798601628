"""From scans to outcomes: the model, its decision, and one screen that shows the whole way."""
