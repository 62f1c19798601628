"""From labelled digits to a trained model; TensorFlow lives here and nowhere else."""
