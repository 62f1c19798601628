"""Making and judging models: the only place that imports TensorFlow."""
