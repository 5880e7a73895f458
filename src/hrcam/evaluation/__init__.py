"""How good a map is: where it points (localisation), and how sure we are of that (bootstrap)."""
