"""The quick suite for given cohorts, smaller still: all parts, on a few images each."""

import sys

from hrcam.benchmark import suite
from hrcam.training import TrainingConfig

EFFORT = suite.MeasurementSizes(
    images=20, attributions=2, faithfulness=1, robustness=2, comparison_epochs=1, unet_epochs=8
)
GIVEN = {
    "quick": (TrainingConfig(epochs=8, learning_rate=5e-3), EFFORT),
    "full": suite._GIVEN["full"],
}

if __name__ == "__main__":
    from hrcam.cli import app

    suite._GIVEN.update(GIVEN)
    app(sys.argv[1:])
