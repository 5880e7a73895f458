"""Every method on every cohort, on the same footing: ``hrcam benchmark``."""
