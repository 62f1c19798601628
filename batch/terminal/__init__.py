"""What stands between digitbox and the terminal: lines, a log, and what C libraries write."""
