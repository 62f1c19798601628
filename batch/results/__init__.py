"""Files of results: their columns and names, how they are written, and how they are read again."""
