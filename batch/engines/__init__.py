"""Where the work runs: this process and its workers, or a Ray cluster."""
