"""The training of the reader of numbers: fields composed from real hands, and a network that reads a line."""
