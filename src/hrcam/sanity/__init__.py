"""Sanity checks of maps: randomised networks, similarity to the image, repeatability, stability."""
