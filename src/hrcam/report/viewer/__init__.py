"""The part of a page in which maps are looked at, scan by scan."""
