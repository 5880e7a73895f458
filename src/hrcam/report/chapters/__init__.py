"""The chapters of the report of a cohort."""
