"""Names of what a benchmark's folder holds, and the version of its format."""

BENCHMARK_FORMAT = 2

COHORTS, UNITS = "cohorts", "units"
MANIFEST, ALL_MEASUREMENTS, SUMMARY = "manifest.json", "benchmark.csv", "summary.csv"

# In the folder of a unit, which is finished when FINISHED exists.
MEASUREMENTS, PREDICTIONS, SUBJECTS = "measurements.csv", "predictions.csv", "subjects.csv"
MAPS, EXAMPLES = "maps.npz", "examples.png"
FINISHED = "unit.json"
