"""The images of a fold that a benchmark measures: seen and unseen, read and prepared."""
