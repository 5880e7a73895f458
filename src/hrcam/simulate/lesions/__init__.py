"""Simulated faint irregular lesions in brain tissue."""
