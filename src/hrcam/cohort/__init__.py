"""A cohort of images in files: its table, its images with their geometry, checks and splits."""
