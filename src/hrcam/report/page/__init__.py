"""The elements of a page and their rendering as one HTML file."""
