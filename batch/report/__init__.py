"""The page to look at results and to correct them, and what becomes of the corrections."""
