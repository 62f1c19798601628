"""From a grey image to a digit and a decision: pure numpy and OpenCV, no files, clocks or globals."""
