"""From the levels and the head to maps: what `fit` learns for them, and how they are made."""
