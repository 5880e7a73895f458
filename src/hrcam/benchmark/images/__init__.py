"""The images that a benchmark measures."""
