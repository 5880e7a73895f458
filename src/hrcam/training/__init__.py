"""Train classifiers: on images in memory, and on cohorts in files, cross-validated."""
