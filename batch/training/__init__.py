"""The way from labelled digits to a trained model, with TensorFlow."""
