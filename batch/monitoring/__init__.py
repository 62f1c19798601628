"""The news of a run, for people and programs: health, hooks, pings, metrics and summaries."""
