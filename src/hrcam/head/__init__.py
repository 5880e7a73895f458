"""The linear head over all levels: its fit, its covariances, its quality."""
