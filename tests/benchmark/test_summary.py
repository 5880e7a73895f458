"""The numbers of the summary: by hand, against the functions they are made with, and damaged."""

import csv
import json
import re
import shutil
from itertools import groupby

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from unit_folders import (
    AUPRC,
    FUSED,
    GRADCAM,
    LAYERCAM,
    OCCLUSION,
    PATTERN,
    REFINED,
    UNET,
    FakeUnit,
    write_unit,
)

from hrcam.benchmark.measurement import COLUMNS
from hrcam.benchmark.summary.cohort import summarise_cohort
from hrcam.benchmark.summary.goals import goals
from hrcam.benchmark.summary.pooled_ratios import to_best_rivals, to_best_setting
from hrcam.benchmark.summary.predictors import score_predictors
from hrcam.benchmark.summary.ranking import (
    best_rival,
    resampled_means,
    score_variants,
    shown_settings,
)
from hrcam.benchmark.summary.results import finished_units, read_cohort
from hrcam.benchmark.summary.terciles import score_by_tercile
from hrcam.benchmark.summary.write import write_summary
from hrcam.benchmark.variant import Stage, Variant
from hrcam.errors import InputError, LoadError
from hrcam.evaluation.bootstrap import bootstrap_interval, paired_ratio_interval
from hrcam.evaluation.prediction import paired_difference, score_predictions


def cohort_of(out, *units):
    for unit in units:
        write_unit(out, unit)
    return read_cohort(finished_units(out))


def rewrite(folder, name, change):
    """Change a table of a unit as a text, as a fault of a disk or a program would."""
    path = folder / name
    path.write_text(change(path.read_text()))


def only(folder, rows):
    """Leave a unit these measurements alone, pairs of a subject, a variant and an AUPRC."""
    with (folder / "measurements.csv").open("w", newline="") as stream:
        table = csv.writer(stream)
        table.writerow(COLUMNS)
        for subject, variant, value in rows:
            table.writerow((subject, *vars(variant).values(), "auprc", value))


def values_of(folder, variant, measure="auprc"):
    table = pd.read_csv(folder / "measurements.csv", keep_default_na=False)
    chosen = (table[["method", "level", "fusion", "stage"]] == [*vars(variant).values()]).all(
        axis=1
    )
    rows = table[chosen & (table["measure"] == measure)]
    return rows.set_index("subject")["value"].astype(float)


def test_a_mean_is_over_seeds_first_and_subjects_then(tmp_path):
    rival = LAYERCAM["blocks.0"]
    folders = [write_unit(tmp_path, FakeUnit(seed=seed)) for seed in (0, 1)]
    only(folders[0], [("sub-001", PATTERN, 0.2), ("sub-003", PATTERN, 0.6), ("sub-001", rival, 0.1),
                      ("sub-003", rival, 0.1)])  # fmt: skip
    only(folders[1], [("sub-001", PATTERN, 0.4), ("sub-001", rival, 0.3)])
    scores = score_variants(read_cohort(finished_units(tmp_path)))["auprc"]
    # 0.3 of the first subject in two seeds, 0.6 of the second: not the mean of three numbers.
    assert scores[PATTERN].mean == pytest.approx(0.45)
    assert scores[PATTERN].subjects == 2
    assert scores[PATTERN].by_seed == pytest.approx((0.4, 0.4))
    assert scores[rival].mean == pytest.approx((0.2 + 0.1) / 2)
    assert scores[rival].ratio.value == pytest.approx(0.45 / 0.15)


def test_intervals_are_those_of_the_bootstrap_over_patients(tmp_path):
    unit = FakeUnit(group_size=2)
    cohort = cohort_of(tmp_path, unit)
    score = score_variants(cohort)["auprc"][GRADCAM["blocks.1"]]
    ours, theirs = (values_of(cohort.folders[0], each) for each in (PATTERN, score.variant))
    groups = cohort.subjects["group"][theirs.index].to_numpy()
    assert score.subjects == 6 == len(set(groups))
    estimate, ratio = score.estimate, score.ratio
    assert (estimate.low, estimate.high) == pytest.approx(bootstrap_interval(theirs, groups))
    assert (ratio.low, ratio.high) == pytest.approx(paired_ratio_interval(ours, theirs, groups))
    narrow = bootstrap_interval(theirs)
    assert estimate.low != pytest.approx(narrow[0], abs=1e-9)


def test_a_method_measured_on_few_is_compared_on_these(tmp_path):
    folder = write_unit(tmp_path, FakeUnit())
    names = FakeUnit().lesions
    few = names[:4]
    rows = [(name, PATTERN, 0.2 if name in few else 0.9) for name in names]
    rows += [(name, LAYERCAM["blocks.0"], 0.45) for name in names]
    rows += [(name, OCCLUSION, 0.4) for name in few]
    only(folder, rows)
    scores = score_variants(read_cohort(finished_units(tmp_path)))["auprc"]
    assert scores[OCCLUSION].subjects == 4
    assert scores[OCCLUSION].ratio.value == pytest.approx(0.2 / 0.4)
    # Its mean is smaller than LayerCAM's, but on its images it is twice as good as HR-CAM.
    assert best_rival(scores, Stage.AS_READ, fused=False).variant == OCCLUSION


def test_rivals_are_not_model_free_maps_upper_bound_ours_or_controls(tmp_path):
    best = {Variant("brightness"): 0.99, Variant("HR-CAM (2019)"): 0.95,
            Variant("Saliency (blurred)"): 0.97}  # fmt: skip
    cohort = cohort_of(tmp_path, FakeUnit(auprc=AUPRC | best))
    scores = score_variants(cohort)["auprc"]
    assert best_rival(scores, Stage.AS_READ, fused=False).variant == LAYERCAM["blocks.0"]
    assert best_rival(scores, Stage.AS_READ, fused=True).variant == FUSED
    assert best_rival(scores, Stage.REFINED).variant == FUSED.at(Stage.REFINED)
    shown = shown_settings(scores)
    assert shown[0] == Variant("brightness")
    assert {LAYERCAM["blocks.0"], FUSED, GRADCAM["blocks.1"], UNET} <= set(shown)
    assert not {LAYERCAM["blocks.1"], GRADCAM["blocks.0"]} & set(shown)


@given(
    values=st.lists(st.floats(0.01, 1), min_size=4, max_size=12),
    factor=st.floats(0.1, 3),
)
def test_resampled_means_follow_their_values(values, factor):
    groups = np.array([f"patient {index // 2}" for index in range(len(values))], dtype=object)
    columns = np.column_stack([values, factor * np.array(values)])
    means = resampled_means(columns, groups, seed=3)
    assert means[0] == pytest.approx(columns.mean(0))
    assert means[:, 1] == pytest.approx(factor * means[:, 0])
    assert (means[:, 0] >= min(values) - 1e-12).all()
    assert (means[:, 0] <= max(values) + 1e-12).all()


def test_one_subject_has_a_mean_and_no_interval(tmp_path):
    folder = write_unit(tmp_path, FakeUnit())
    only(folder, [("sub-001", PATTERN, 0.5), ("sub-001", LAYERCAM["blocks.0"], 0.25)])
    summary = write_summary(tmp_path)
    row = summary.table.set_index("method").loc["LayerCAM"]
    assert (row["mean"], row["ratio_of_default"]) == (0.25, 2)
    assert row[["low", "high", "ratio_low", "ratio_high"]].isna().all()
    measured = [each.measured for each in summary.goals if "best rival" in each.aim]
    assert measured == [
        "2.000, LayerCAM, blocks.0", "2.000", "2.000, LayerCAM", "", "", "",
    ]  # fmt: skip


def test_ratios_compare_equal_stages_only(tmp_path):
    folder = write_unit(tmp_path, FakeUnit())
    rival = LAYERCAM["blocks.0"]
    smooth = rival.at(Stage.REFINED)
    names = FakeUnit().lesions
    only(folder, [(name, variant, value) for name in names for variant, value in
                  ((PATTERN, 0.6), (rival, 0.5), (REFINED, 0.9), (smooth, 0.6))])  # fmt: skip
    cohort = read_cohort(finished_units(tmp_path))
    scores = score_variants(cohort)["auprc"]
    assert scores[rival].ratio.value == pytest.approx(0.6 / 0.5)
    assert scores[smooth].ratio.value == pytest.approx(0.9 / 0.6)
    # Without the refined pattern, what is refined has nothing to be compared with.
    only(folder, [(name, variant, 0.5) for name in names for variant in (PATTERN, rival, smooth)])
    scores = score_variants(read_cohort(finished_units(tmp_path)))["auprc"]
    assert scores[rival].ratio.value == 1
    assert scores[smooth].ratio is None
    assert best_rival(scores, Stage.REFINED) is None


def test_the_geometric_mean_over_cohorts_by_hand(tmp_path):
    fused, single = FUSED, LAYERCAM["blocks.0"]
    auprc = {"one": (0.6, 0.3, 0.5), "two": (0.4, 0.5, 0.2)}
    for cohort, values in auprc.items():
        unit = FakeUnit(cohort=cohort)
        folder = write_unit(tmp_path, unit)
        pairs = list(zip((PATTERN, fused, single), values, strict=True))
        rows = [(name, *pair) for name in unit.lesions for pair in pairs]
        # Not measured on the other cohort, so no setting for all.
        rows += [(name, OCCLUSION, 0.55) for name in unit.lesions if cohort == "one"]
        only(folder, rows)
    units = groupby(finished_units(tmp_path), key=lambda unit: unit.cohort)
    summaries = [summarise_cohort(read_cohort(list(each))) for _, each in units]
    best = to_best_rivals(summaries, Stage.AS_READ)
    assert best.rivals == (OCCLUSION, fused)
    assert best.estimate.value == pytest.approx(np.sqrt(0.6 / 0.55 * 0.4 / 0.5))
    setting = to_best_setting(summaries, Stage.AS_READ)
    # Of the fusion (2 and 0.8) and of the only level of LayerCAM (1.2 and 2) the better one.
    assert setting.rivals == (fused, fused)
    assert setting.estimate.value == pytest.approx(np.sqrt(2 * 0.8))
    assert to_best_setting(summaries, Stage.REFINED) is None
    assert to_best_rivals([], Stage.AS_READ) is None
    assert to_best_setting([], Stage.AS_READ) is None


def test_the_interval_of_a_mean_over_cohorts_is_narrower_than_those_of_its_cohorts(tmp_path):
    units = [FakeUnit(cohort=name, seed=seed) for seed, name in enumerate(("one", "two", "three"))]
    for unit in units:
        write_unit(tmp_path, unit)
    by_cohort = groupby(finished_units(tmp_path), key=lambda unit: unit.cohort)
    summaries = [summarise_cohort(read_cohort(list(each))) for _, each in by_cohort]
    for stage in Stage:
        pooled = to_best_rivals(summaries, stage).estimate
        single = [one.rival(stage).ratio for one in summaries]
        assert pooled.value == pytest.approx(np.prod([each.value for each in single]) ** (1 / 3))
        assert pooled.high - pooled.low < min(each.high - each.low for each in single)
        # Of one cohort it is the paired ratio itself.
        alone = to_best_rivals(summaries[:1], stage).estimate
        assert (alone.value, alone.low, alone.high) == pytest.approx(
            (single[0].value, single[0].low, single[0].high)
        )


def test_measures_that_may_be_negative_have_no_ratio(tmp_path):
    cohort = cohort_of(tmp_path, FakeUnit())
    scores = score_variants(cohort)
    assert scores["randomised_spearman"][PATTERN].ratio is None
    assert scores["insertion"][LAYERCAM["blocks.0"]].ratio is not None


def test_predictions_are_scored_seed_by_seed(tmp_path):
    cohort = cohort_of(tmp_path, *(FakeUnit(seed=seed, subjects=40) for seed in (0, 1)))
    by_name = {each.predictor: each for each in score_predictors(cohort)}
    accuracies = []
    for folder in cohort.folders:
        table = pd.read_csv(folder / "predictions.csv")
        cnn = table[table["predictor"] == "CNN"].pivot(
            index=["subject", "label"], columns="class", values="probability"
        )
        correct = cnn.idxmax(axis=1) == cnn.index.get_level_values("label")
        accuracies.append(correct.mean())
    assert by_name["CNN"].metrics["accuracy"].value == pytest.approx(np.mean(accuracies))
    assert 0.5 < np.mean(accuracies) < 1
    assert by_name["CNN"].differences == {}
    assert by_name["HR-CAM (logits)"].differences["auc"].value == 0
    assert by_name["CNN"].images == 40


def test_one_seed_is_scored_as_predictions_are_everywhere(tmp_path):
    cohort = cohort_of(tmp_path, FakeUnit(subjects=40, group_size=2))
    by_name = {each.predictor: each for each in score_predictors(cohort)}
    tables = {
        name: rows.pivot(index="subject", columns="class", values="probability")
        for name, rows in cohort.predictions.groupby("predictor")
    }
    names = tables["CNN"].index
    labels = (cohort.subjects["label"][names] == "lesion").astype(int)
    groups = cohort.subjects["group"][names].to_numpy()
    cnn, head = (tables[name].to_numpy() for name in ("CNN", "HR-CAM (labels)"))
    expected = score_predictions(labels, head, groups=groups, resamples=1000)
    found = by_name["HR-CAM (labels)"]
    for metric in ("accuracy", "auc", "calibration_error"):
        assert found.metrics[metric] == expected.metrics[metric]
        difference = paired_difference(labels, head, cnn, metric, groups=groups, resamples=1000)
        assert found.differences[metric] == difference
    assert found.differences["auc"].value < 0


def test_other_images_tested_with_another_seed(tmp_path):
    folders = [write_unit(tmp_path, FakeUnit(seed=seed)) for seed in (0, 1)]
    rewrite(
        folders[1],
        "predictions.csv",
        lambda text: "".join(
            line for line in text.splitlines(True) if not line.startswith("sub-023")
        ),
    )
    cohort = read_cohort(finished_units(tmp_path))
    assert score_predictors(cohort)[0].images == 24


def test_thirds_are_by_size_and_by_contrast(tmp_path):
    folder = write_unit(tmp_path, FakeUnit(subjects=18))
    names = FakeUnit(subjects=18).lesions
    # Larger and fainter lesions are found better here.
    only(folder, [(name, PATTERN, 0.1 * (1 + index)) for index, name in enumerate(names)])
    cohort = read_cohort(finished_units(tmp_path))
    by_size = score_by_tercile(cohort, "lesion_share", [PATTERN, UNET])
    assert [part.name for part in by_size] == ["small", "medium", "large"]
    assert [part.auprc[PATTERN].value for part in by_size] == pytest.approx([0.2, 0.5, 0.8])
    assert [part.images for part in by_size] == [3, 3, 3]
    assert (by_size[0].low, by_size[2].high) == pytest.approx((0.002, 0.018))
    assert UNET not in by_size[0].auprc
    by_contrast = score_by_tercile(cohort, "contrast", [PATTERN])
    assert [part.auprc[PATTERN].value for part in by_contrast] == pytest.approx([0.8, 0.5, 0.2])


def test_few_images_have_no_thirds(tmp_path):
    cohort = cohort_of(tmp_path, FakeUnit(subjects=10))
    assert score_by_tercile(cohort, "contrast", [PATTERN]) == ()


def goals_of(out):
    """Compare the goals with the units of a folder, without drawing figures."""
    units = groupby(finished_units(out), key=lambda unit: unit.cohort)
    return goals([summarise_cohort(read_cohort(list(each))) for _, each in units])


def verdicts(out, *units):
    for unit in units:
        write_unit(out, unit)
    return {(goal.aim.split("(")[0].strip(), goal.cohort): goal for goal in goals_of(out)}


@pytest.mark.parametrize(
    ("cohort", "source", "auprc", "expected"),
    [
        ("lesions", "simulated", 0.9, "reached"),
        ("lesions-3d", "simulated", 0.7, r"missed: by 0\.\d{3}"),
        ("busi", "real", 0.7, None),
        ("lesions", "real", 0.9, None),
    ],
)
def test_the_goal_for_simulated_lesions(tmp_path, cohort, source, auprc, expected):
    unit = FakeUnit(cohort=cohort, source=source, auprc=AUPRC | {PATTERN: auprc})
    found = verdicts(tmp_path, unit)
    goal = next(
        goal
        for (aim, _), goal in found.items()
        if aim == "Simulated lesions: AUPRC ≥ 0.81, refined"
    )
    if expected is None:
        assert goal.outcome == "not measured"
        assert goal.cohort == ""
        return
    assert goal.cohort == f"{cohort} (simulated)"
    assert re.fullmatch(expected, goal.verdict)


def test_the_goals_name_what_was_missed_and_what_was_not_measured(tmp_path):
    ahead = FakeUnit()
    behind = FakeUnit(cohort="busi", source="real", auprc=AUPRC | {PATTERN: 0.45})
    again = FakeUnit(seed=1)
    found = verdicts(tmp_path, ahead, behind, again)
    for stage, mean, setting in (("as read", 1.15, 1.3), ("refined", 1.05, 1.15)):
        aim = f"AUPRC / the best rival at its best level or fusion ≥ 1.0, {stage}"
        assert found[aim, "lesions (simulated)"].outcome == "reached"
        missed = found[aim, "busi (real)"]
        assert missed.outcome == "missed"
        assert missed.measured.endswith(", LayerCAM, all levels, product")
        aim = f"Geometric mean of AUPRC / the best rival of each cohort ≥ {mean}, {stage}"
        assert found[aim, "all of 2 cohorts"].outcome == "missed"
        aim = (
            "Geometric mean of AUPRC / the best rival at one setting for all cohorts ≥ "
            f"{setting}, {stage}"
        )
        assert found[aim, "all of 2 cohorts"].measured.endswith(", LayerCAM, all levels, product")
        assert found[f"AUPRC ≥ 0.8 × that of the U-Net, {stage}", "busi (real)"].outcome == "missed"
        nigra = (
            "Neuromelanin, n = 80: maximum in the nigra in ≥ 90% of the correctly classified "
            f"patients, {stage}"
        )
        assert found[nigra, ""].outcome == "not measured"
    assert found["Ultrasound", "busi (real)"].outcome == "missed"
    repeated = found["Repeatability over seeds ≥ 0.7", "lesions (simulated)"]
    assert repeated.outcome == "reached"
    assert ("Repeatability over seeds ≥ 0.7", "busi (real)") not in found
    random = found["All weights random: SSIM with the map < 0.3, as read", "busi (real)"]
    assert random.outcome == "reached"
    assert found["Prediction not below that of the CNN without HR-CAM", "busi (real)"].measured == (
        "accuracy 0.000; AUC 0.000"
    )


def test_a_worse_head_misses_the_goal_of_prediction(tmp_path):
    folder = write_unit(tmp_path, FakeUnit(subjects=200))
    rename = {"HR-CAM (logits)": "old", "HR-CAM (labels)": "HR-CAM (logits)"}
    table = pd.read_csv(folder / "predictions.csv").replace({"predictor": rename})
    table.to_csv(folder / "predictions.csv", index=False)
    (goal,) = [each for each in goals_of(tmp_path) if "Prediction" in each.aim]
    assert goal.outcome == "missed"
    assert "AUC by 0." in goal.missed


def test_the_maximum_in_the_nigra(tmp_path):
    hits = [("sub-001", 1.0), ("sub-003", 1.0), ("sub-005", 1.0), ("sub-007", 0.0)]
    extra = [(name, *vars(PATTERN).values(), "maximum_in_nigra", hit) for name, hit in hits]
    write_unit(tmp_path, FakeUnit(cohort="neuromelanin"), extra)
    goal, refined = [each for each in goals_of(tmp_path) if "nigra" in each.aim]
    assert refined.outcome == "not measured"
    assert goal.measured.startswith("0.750 (")
    assert goal.verdict == "missed: by 0.150"


def test_a_cohort_without_masks_is_summarised_too(tmp_path):
    folder = write_unit(tmp_path, FakeUnit())
    rewrite(folder, "measurements.csv", lambda text: text.splitlines(True)[0])
    summary = write_summary(tmp_path)
    outcomes = {goal.aim: goal.outcome for goal in summary.goals}
    assert outcomes.pop("Prediction not below that of the CNN without HR-CAM") == "reached"
    assert set(outcomes.values()) == {"not measured"}
    assert summary.table.empty
    assert "lesions (simulated)" in (tmp_path / "table.md").read_text()


def test_every_measurement_is_kept_digit_for_digit(tmp_path):
    folders = [write_unit(tmp_path, FakeUnit(seed=seed)) for seed in (0, 1)]
    odd = 'a "quoted", \n broken name'
    digits = "0.12345678901234567890"
    quoted = odd.replace('"', '""')
    for folder in folders:
        rewrite(
            folder,
            "measurements.csv",
            lambda text: f'{text}"{quoted}",M,,,as read,auprc,{digits}\n',
        )
    write_summary(tmp_path)
    with (tmp_path / "benchmark.csv").open(newline="") as stream:
        rows = list(csv.reader(stream))
    assert rows[0] == ["cohort", "seed", *COLUMNS]
    expected = []
    for seed, folder in enumerate(folders):
        with (folder / "measurements.csv").open(newline="") as stream:
            expected += [["lesions", str(seed), *row] for row in list(csv.reader(stream))[1:]]
    between = rows[1 + len(expected) :]
    assert rows[1 : 1 + len(expected)] == expected
    assert ["lesions", "0", odd, "M", "", "", "as read", "auprc", digits] in expected
    # What was compared between seeds comes last, with no seed of its own.
    assert {(row[1], row[7]) for row in between} == {("", "repeatability")}
    assert len(between) == 3 * 3


def test_the_table_of_the_summary(tmp_path):
    write_unit(tmp_path, FakeUnit())
    summary = write_summary(tmp_path)
    table = pd.read_csv(tmp_path / "summary.csv", keep_default_na=False)
    assert list(table.columns) == [
        "cohort", "method", "level", "fusion", "stage", "measure", "mean", "low", "high",
        "ratio_of_default", "ratio_low", "ratio_high", "subjects", "seeds", "seed_low",
        "seed_high", "source",
    ]  # fmt: skip
    assert len(table) == len(summary.table)
    assert set(table["source"]) == {"simulated"}
    row = table[(table["method"] == "HR-CAM pattern") & (table["measure"] == "auprc")].iloc[0]
    assert float(row["ratio_of_default"]) == 1
    assert float(row["low"]) < float(row["mean"]) < float(row["high"])


def test_the_same_folder_gives_the_same_files(tmp_path):
    write_unit(tmp_path, FakeUnit())
    files = ("benchmark.csv", "summary.csv", "table.md", "index.html")
    write_summary(tmp_path)
    first = [(tmp_path / name).read_bytes() for name in files]
    write_summary(tmp_path)
    assert [(tmp_path / name).read_bytes() for name in files] == first
    assert not [each for each in tmp_path.rglob("*") if each.name.startswith(".")]


def test_names_that_look_like_missing_values_stay_names(tmp_path):
    unit = FakeUnit(classes=("NA", "null"), prefix="NA-")
    cohort = cohort_of(tmp_path, unit)
    assert set(cohort.subjects["label"]) == {"NA", "null"}
    assert {each.predictor for each in score_predictors(cohort)} >= {"CNN"}


def test_a_unit_that_is_not_finished_does_not_count(tmp_path):
    write_unit(tmp_path, FakeUnit())
    begun = write_unit(tmp_path, FakeUnit(seed=1))
    (begun / "unit.json").unlink()
    rewrite(begun, "measurements.csv", lambda text: text[: len(text) // 2])
    summary = write_summary(tmp_path)
    assert set(summary.table["seeds"]) == {1}
    assert "1 unit (a cohort with a seed) is not included" in summary.text


def test_nothing_to_summarise(tmp_path):
    with pytest.raises(InputError, match="no finished unit"):
        write_summary(tmp_path)


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("measurements.csv", None, "cannot be read"),
        ("predictions.csv", None, "cannot be read"),
        ("subjects.csv", None, "cannot be read"),
        ("measurements.csv", lambda text: "", "cannot be read"),
        ("measurements.csv", lambda text: text.replace("fusion", "fission", 1), "no column fusion"),
        ("measurements.csv", lambda text: text + "s,m,,,as read,auprc,much\n", "cannot be read"),
        ("measurements.csv", lambda text: text + "s,m,,,as read,auprc,inf\n", "are infinite"),
        ("measurements.csv", lambda text: text + "s,m,,,raw,auprc,1\n", "neither 'as read' nor"),
        ("subjects.csv", lambda text: text.replace("True", "yes"), "neither True nor False"),
        ("unit.json", lambda text: text[:20], "does not describe a unit"),
        ("unit.json", lambda text: text.replace("simulated", "made up"), "does not describe"),
        ("unit.json", lambda text: "[]", "does not describe a unit"),
        (
            "predictions.csv",
            lambda text: "".join(text.splitlines(True)[:-1]),
            "not one for each class",
        ),
        ("predictions.csv", lambda text: text + text.splitlines(True)[-1], "not one for each"),
        ("predictions.csv", lambda text: text.replace(",lesion,CNN", ",ill,CNN"), "none of the cl"),
    ],
)
def test_damaged_units_are_refused(tmp_path, name, change, message):
    folder = write_unit(tmp_path, FakeUnit())
    if change is None:
        (folder / name).unlink()
    else:
        rewrite(folder, name, change)
    with pytest.raises(InputError, match=message):
        write_summary(tmp_path)
    assert not (tmp_path / "index.html").exists()


def test_damaged_maps_are_refused(tmp_path):
    write_unit(tmp_path, FakeUnit())
    folder = write_unit(tmp_path, FakeUnit(seed=1))
    content = (folder / "maps.npz").read_bytes()
    (folder / "maps.npz").write_bytes(content[: len(content) // 2])
    with pytest.raises(LoadError, match=r"maps\.npz"):
        write_summary(tmp_path)


def test_two_units_cannot_be_of_the_same_cohort_and_seed(tmp_path):
    folder = write_unit(tmp_path, FakeUnit())
    shutil.copytree(folder, folder.with_name("copy"))
    with pytest.raises(InputError, match="the same cohort and seed"):
        write_summary(tmp_path)
    content = json.loads((folder / "unit.json").read_text())
    (folder / "unit.json").write_text(json.dumps(content | {"seed": 1, "source": "real"}))
    with pytest.raises(InputError, match="real with one seed, simulated"):
        write_summary(tmp_path)


def test_thirds_compare_rivals_that_were_measured_on_all_images(tmp_path):
    folder = write_unit(tmp_path, FakeUnit())
    names = FakeUnit().lesions
    rival = LAYERCAM["blocks.0"]
    rows = [(name, each, 0.4) for name in names for each in (PATTERN, rival, UNET)]
    only(folder, [*rows, *((name, OCCLUSION, 0.8) for name in names[:4])])
    summary = summarise_cohort(read_cohort(finished_units(tmp_path)))
    assert summary.rival(Stage.AS_READ).variant == OCCLUSION
    for parts in summary.terciles.values():
        assert all(list(part.auprc) == [PATTERN, rival, UNET] for part in parts)


def test_a_perfect_accuracy_has_the_interval_of_that_many_patients(tmp_path):
    folder = write_unit(tmp_path, FakeUnit(subjects=16, group_size=2))
    table = pd.read_csv(folder / "predictions.csv")
    table["probability"] = (table["label"] == table["class"]).astype(float)
    table.to_csv(folder / "predictions.csv", index=False)
    cohort = read_cohort(finished_units(tmp_path))
    accuracy = score_predictors(cohort)[0].metrics["accuracy"]
    assert cohort.subjects["group"].nunique() == 8
    assert (accuracy.value, accuracy.high) == (1, 1)
    assert accuracy.low == pytest.approx(8 / (8 + 1.959964**2))
