"""The way from the bytes of a file to a grey image."""
