"""The map viewer of a page."""
