"""The training of the look: scenes rendered from real hands, and networks that see a whole scan."""
