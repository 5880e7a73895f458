"""A network that has learnt the sites: a split at random hides it, leaving out a site shows it."""

from hrcam.cohort import open_cohort
from hrcam.simulate import MultiSiteLesionCohort, write_cohort
from hrcam.training import Hardware, TrainingConfig, train_cohort

CONFIG = TrainingConfig(epochs=12, shape=(32, 32), batch_size=4, learning_rate=5e-3)


def test_a_split_at_random_hides_a_site_effect_that_leaving_out_the_site_shows(tmp_path):
    simulated = MultiSiteLesionCohort(
        subjects=90, sites=3, size=32, radius=(2.0, 3.0), strength=0.1, test_fraction=0.4
    )
    write_cohort(simulated, tmp_path / "cohort", workers=1, progress=False)
    hardware = Hardware(accelerator="cpu", workers=1)

    def trained(name, **changes):
        return train_cohort(
            open_cohort(tmp_path / "cohort"),
            tmp_path / name,
            CONFIG.model_copy(update=changes),
            hardware=hardware,
            progress=False,
        )

    split, left_out = trained("split"), trained("sites", leave_out="site")
    accuracy = [
        report.metrics["network"]["pooled"]["balanced_accuracy"]["value"]
        for report in (split, left_out)
    ]
    assert accuracy[0] > 0.85
    assert accuracy[1] < 0.5
    warned = {row.source: row.warned for row in split.shortcuts}
    assert warned["column site"] == "as the network"
    assert {problem.reason for problem in split.problems} >= {"confounded-site", "shortcut"}
