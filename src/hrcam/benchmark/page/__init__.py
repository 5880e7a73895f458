"""The page of a benchmark: its chapters and its figures."""
