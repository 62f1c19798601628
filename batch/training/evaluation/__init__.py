"""The evaluation of models: figures, charts, comparisons and robustness."""
