"""The elements of a page, and how they become one HTML file."""
