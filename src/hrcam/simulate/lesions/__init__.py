"""Faint irregular lesions in brain tissue: half of the subjects have them."""
