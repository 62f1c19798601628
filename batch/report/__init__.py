"""The report: a page to look at results and correct them, and the step that applies the corrections."""
