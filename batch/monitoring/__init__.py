"""Who is told what: health, hooks, pings, metrics and summaries."""
