"""Every file that a job leaves on disk: one writer and one reader each."""
