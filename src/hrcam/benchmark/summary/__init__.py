"""From what was measured to what it means: ranking, goals, and the summary's files."""
