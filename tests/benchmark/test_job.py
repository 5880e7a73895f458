from pathlib import Path

import pytest

from hrcam.benchmark import job
from hrcam.benchmark.suite import MeasurementSizes, PlannedCohort, Suite
from hrcam.simulate import LesionCohort
from hrcam.training import Hardware, TrainingConfig

EFFORT = MeasurementSizes(
    images=2, attributions=1, faithfulness=1, robustness=1, comparison_epochs=1
)


@pytest.mark.parametrize(
    ("source", "asked", "used"),
    [
        (LesionCohort(dimensions=2), "auto", "bf16-mixed"),
        (LesionCohort(dimensions=3), "auto", "auto"),  # single, on a CPU
        (Path("scans"), "auto", "auto"),
        (LesionCohort(dimensions=2), "32-true", "32-true"),
    ],
)
def test_only_simulated_pictures_are_learnt_from_in_mixed_precision_on_a_cpu(
    source, asked, used, tmp_path, monkeypatch
):
    found = []
    monkeypatch.setattr(job, "open_planned", lambda *_, **__: None)
    monkeypatch.setattr(job, "is_finished", lambda *_: False)
    monkeypatch.setattr(job, "write_summary", lambda _: None)
    monkeypatch.setattr(
        job, "measure_unit", lambda *_, hardware, **__: found.append(hardware.precision)
    )
    plan = PlannedCohort(name="one", source=source, training=TrainingConfig(), sizes=EFFORT)
    job.run_benchmark(
        tmp_path / "out",
        Suite("quick", 1, (plan,)),
        hardware=Hardware(accelerator="cpu", precision=asked),
    )
    assert found == [used]
