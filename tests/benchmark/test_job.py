from dataclasses import dataclass
from pathlib import Path

import pytest
from in_process_cluster import InProcessCluster

from hrcam.benchmark import job
from hrcam.benchmark.suite import MeasurementSizes, PlannedCohort, Suite
from hrcam.errors import MachineError
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


@dataclass(frozen=True)
class Opened:
    plan: PlannedCohort

    def absolute(self):
        return self


def measure(opened, seed, folder, **options):
    (folder / f"{opened.plan.name}-{seed}").touch()


def test_units_are_tasks_of_a_cluster_and_one_that_kills_workers_is_named_at_the_end(
    tmp_path, monkeypatch, caplog
):
    monkeypatch.setattr(job, "open_planned", lambda plan, *_, **__: Opened(plan))
    monkeypatch.setattr(job, "is_finished", lambda *_: False)
    monkeypatch.setattr(job, "write_summary", lambda _: "summary")
    monkeypatch.setattr(job, "unit_folder", lambda *_: tmp_path)
    monkeypatch.setattr(job, "measure_unit", measure)
    plans = [
        PlannedCohort(name=name, source=Path(name), training=TrainingConfig(), sizes=EFFORT)
        for name in ("one", "two")
    ]
    suite, cpu = Suite("quick", 2, tuple(plans)), Hardware(accelerator="cpu")
    deadly = InProcessCluster(lambda unit: str(unit) == "one, seed 1")
    with pytest.raises(MachineError, match=r"^one, seed 1 could not be measured: workers died"):
        job.run_benchmark(tmp_path / "out", suite, hardware=cpu, cluster=deadly)
    assert sorted(path.name for path in tmp_path.glob("*-*")) == ["one-0", "two-0", "two-1"]
    caplog.set_level("INFO", "hrcam")
    monkeypatch.setattr("hrcam.progress._EVERY", 0)
    monkeypatch.setattr(job, "is_finished", lambda opened, seed, _: seed == 0)
    summary = job.run_benchmark(tmp_path / "out", suite, hardware=cpu, cluster=InProcessCluster())
    assert summary == "summary"
    assert (tmp_path / "one-1").exists()
    said = [line.split(",")[0] for line in caplog.messages if line.startswith("measuring")]
    assert said[-1] == "measuring: 2 of 2 cohorts and seeds"
