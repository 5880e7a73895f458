"""The summary of a benchmark: ranking, goals, tables and page."""
