"""What the report of a cohort says, chapter by chapter."""
