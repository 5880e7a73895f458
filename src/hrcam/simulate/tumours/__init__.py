"""Ependymoma against glioblastoma on T1-weighted MRI after contrast, simulated."""
