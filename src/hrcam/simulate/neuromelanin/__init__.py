"""Parkinson's disease on neuromelanin-sensitive MRI of the midbrain, simulated."""
