"""From a grey image to the model's input: pure numpy and OpenCV, no files, clocks or globals."""
