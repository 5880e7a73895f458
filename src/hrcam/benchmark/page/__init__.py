"""The page of a benchmark: chapters and figures."""
