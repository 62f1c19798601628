"""How well a model reads: figures, pictures, comparisons and robustness."""
