"""Figures of maps, scores and curves."""
