"""From an image in its own space to the grid of a network, and back."""
