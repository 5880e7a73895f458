"""Maps of a whole cohort, each in the space of its image; restartable."""
