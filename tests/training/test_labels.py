"""Several labels at once: trained, mapped and reported."""

import numpy as np
import pandas as pd
import pytest
import torch
from picture_cohorts import write_table
from PIL import Image

from hrcam.artifacts.map_file import read_map
from hrcam.artifacts.maps_folder import read_maps
from hrcam.cli.train import _by_label, _summary
from hrcam.cohort.opening import open_cohort
from hrcam.cohort.reading import read_scan
from hrcam.errors import InputError
from hrcam.group.participants import choose_groups
from hrcam.mapping import Form, map_scans
from hrcam.mapping.inputs import open_input
from hrcam.report.cohort_report import write_cohort_report
from hrcam.training.cohort_training import train_cohort
from hrcam.training.config import Hardware, TrainingConfig
from hrcam.training.objectives import MaskedBinaryCrossEntropy
from hrcam.training.run import Run
from hrcam.training.tasks import task_of

pytestmark = pytest.mark.xdist_group("labels")  # one training for all
SCANS = 64
LABELS = ("Bright", "Dark")
CPU = Hardware(accelerator="cpu", workers=1)
OPTIONS = TrainingConfig(
    task="labels",
    label_column="Bright,Dark",
    folds=2,
    epochs=20,
    shape=(24, 24),
    batch_size=8,
    learning_rate=5e-3,
)


def write_cohort(folder, number):
    """Noise with a bright square, a dark one, both or none; every eighth answer is not known."""
    rows = []
    for index in range(number):
        generator = np.random.default_rng(index)
        pixels = generator.normal(128, 15, (24, 24))
        bright, dark = index % 2 == 1, index // 2 % 2 == 1
        for kind, there, value in (("bright", bright, 90), ("dark", dark, -90)):
            mask = np.zeros((24, 24), np.uint8)
            top = generator.integers(1, 18)
            left = generator.integers(1, 6) + (12 if kind == "dark" else 0)
            mask[top : top + 5, left : left + 5] = 255
            if there:
                pixels[mask > 0] += value
            (folder / "images").mkdir(parents=True, exist_ok=True)
            Image.fromarray(mask if there else 0 * mask).save(folder / f"images/{index}-{kind}.png")
        Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(folder / f"images/{index}.png")
        rows.append(
            {
                "participant_id": f"p{index:02d}",
                "image": f"images/{index}.png",
                "bright": "n/a" if index % 8 == 5 else "yes" if bright else "no",
                "dark": str(int(dark)),
            }
        )
    return write_table(folder, rows)


def opened(folder):
    return open_cohort(folder, label_column="Bright,Dark")


@pytest.fixture(scope="module")
def label_run(tmp_path_factory):
    folder = write_cohort(tmp_path_factory.mktemp("labels"), SCANS)
    report = train_cohort(opened(folder), folder / "run", OPTIONS, hardware=CPU, progress=False)
    return folder, report


def test_the_loss_is_the_mean_over_known_answers_in_which_both_answers_count_alike():
    answers = torch.tensor([[1.0, 0.0], [0.0, torch.nan], [0.0, 1.0], [0.0, 1.0]])
    objective = MaskedBinaryCrossEntropy.of(answers)
    # Known: one of four with the first label, two of three with the second.
    weights = torch.tensor([[4 / 6, 3 / 2], [4 / 2, 3 / 4]])
    torch.testing.assert_close(objective.answer_weights, weights)
    outputs = torch.tensor([[2.0, -1.0], [0.0, 50.0], [1.0, 3.0], [-2.0, 0.5]])
    plus, minus = (torch.nn.functional.softplus(sign * outputs) for sign in (1, -1))

    def by_hand(smoothed):
        terms = [
            weights[int(answer), column]
            * (
                (1 - smoothed) * (minus if answer else plus)[row, column]
                + smoothed * (plus if answer else minus)[row, column]
            )
            for row, both in enumerate(answers.tolist())
            for column, answer in enumerate(both)
            if answer == answer
        ]
        return sum(terms) / 7

    torch.testing.assert_close(objective.validation(outputs, answers), by_hand(0.0))
    torch.testing.assert_close(objective(outputs, answers), by_hand(0.05))
    unknown = torch.full((4, 2), torch.nan)
    assert objective(outputs, unknown) == 0


def test_each_label_is_learnt_and_scored_where_it_is_known(label_run):
    folder, report = label_run
    table = pd.read_csv(folder / "run/predictions.tsv", sep="\t")
    assert list(table.columns) == [
        *("scan", "participant", "group", "label", "fold", "repeat", "label_Bright", "label_Dark"),
        *("probability_Bright", "probability_Dark"),
        *("head_probability_Bright", "head_probability_Dark"),
    ]
    assert len(table) == SCANS
    assert table["label_Bright"].isna().sum() == SCANS // 8
    for who, prefix in (("network", "probability_"), ("head", "head_probability_")):
        pooled = report.metrics[who]["pooled"]
        areas = []
        for name in LABELS:
            known = table[table[f"label_{name}"].notna()]
            having, lacking = (
                known.loc[known[f"label_{name}"] == answer, f"{prefix}{name}"].to_numpy()
                for answer in (1, 0)
            )
            found = pooled["per_label"][name]
            assert (found["with_label"], found["without_label"]) == (len(having), len(lacking))
            steps = having[:, None] - lacking
            area = ((steps > 0) + (steps == 0) / 2).mean()
            assert found["auc"]["value"] == pytest.approx(area)
            rates = ((having > 0.5).mean(), (lacking <= 0.5).mean())
            assert found["balanced_accuracy"]["value"] == pytest.approx(np.mean(rates))
            assert area > 0.9
            areas.append(area)
        assert pooled["auc"]["value"] == pytest.approx(np.mean(areas))


def test_a_run_that_is_opened_again_predicts_what_its_table_says(label_run):
    folder, _ = label_run
    run = Run.open(folder / "run")
    assert (run.classes, run.reference, run.task.classes) == (LABELS, None, ())
    table = pd.read_csv(folder / "run/predictions.tsv", sep="\t").set_index("scan")
    scans = [scan for scan in opened(folder).scans if table.loc[scan.name, "fold"] == 1][:5]
    with torch.no_grad():
        found = run.task.activated(run.explainer(1).model(prepared(run, scans)))
    expected = table.loc[[scan.name for scan in scans], [f"probability_{n}" for n in LABELS]]
    np.testing.assert_allclose(found, expected, rtol=1e-4)


def prepared(run, scans):
    return torch.from_numpy(np.stack([run.preparation.apply(read_scan(s)).voxels for s in scans]))


def test_each_pattern_is_highest_in_its_own_lesion(label_run):
    folder, report = label_run
    hits = []
    for scan in opened(folder).scans:
        for index, kind in enumerate(("bright", "dark")):
            mask = np.asarray(Image.open(folder / f"images/{int(scan.participant[1:])}-{kind}.png"))
            if mask.any():
                voxels = prepared(report.run, [scan])
                pattern = report.run.explainer(1).explain(voxels, index).pattern[0].numpy()
                hits.append(mask[np.unravel_index(np.abs(pattern).argmax(), mask.shape)] > 0)
    assert len(hits) == SCANS
    assert np.mean(hits) > 0.9


def test_folds_have_equal_shares_of_combinations(label_run):
    folder, _ = label_run
    table = pd.read_csv(folder / "run/predictions.tsv", sep="\t")
    counts = table.groupby("fold")["label"].value_counts().unstack()
    assert set(counts.columns) == {"none", "Bright", "Dark", "Bright, Dark"}
    assert (counts.max() - counts.min()).max() <= 1


def test_the_page_has_each_label(label_run):
    folder, report = label_run
    page = write_cohort_report(folder / "run", None, folder / "page.html", progress=False)
    text = page.read_text(encoding="utf-8")
    assert "The CNN predicts Bright and Dark better than chance." in text
    assert "By label: Network" in text
    assert "Confusion matrix" not in text
    assert "stratified by combination of labels" in text
    assert [line.split("  ")[0] for line in _by_label(report.metrics).splitlines()] == [
        *("network, by label", "Bright", "Dark"),
    ]
    assert _summary(report.metrics).splitlines()[1].startswith("auc, mean of labels")


@pytest.fixture(scope="module")
def label_maps(label_run):
    folder, report = label_run
    scans = open_input(folder, trained=report.run.config).scans
    done = map_scans(
        report.run, scans, folder / "maps", all_classes=True, hardware=CPU, progress=False
    )
    return folder, report, done


def test_a_scan_has_a_map_of_each_label_and_that_of_the_most_probable_stands_for_it(label_maps):
    folder, report, done = label_maps
    assert (done.done, done.failed) == (SCANS, ())
    maps = read_maps(folder / "maps")
    assert (len(maps.records), len(maps.further)) == (SCANS, SCANS)
    table = pd.read_csv(folder / "run/predictions.tsv", sep="\t").set_index("scan")
    for record in (*maps.records, *maps.further):
        probabilities = table.loc[record.scan, [f"probability_{name}" for name in LABELS]]
        found = [record.prediction.probabilities[name] for name in LABELS]
        assert found == pytest.approx(probabilities.tolist(), rel=1e-4)
        most = LABELS[int(np.argmax(found))]
        assert (record.map_class == most) == record.primary
        evidence = read_map(record.files["evidence"], record.scaling["evidence"])
        head = 1 / (1 + np.exp(-(evidence.mean() + record.bias)))
        expected = table.loc[record.scan, f"head_probability_{record.map_class}"]
        assert head == pytest.approx(expected, abs=record.scaling["evidence"].largest_error)
        assert (record.outcome, record.findings) == ("", None)
    rows = pd.read_csv(folder / "maps/maps.tsv", sep="\t")
    assert {"probability_Bright", "probability_Dark"} <= set(rows.columns)
    again = map_scans(
        report.run, opened(folder).scans, folder / "maps", hardware=CPU, progress=False
    )
    assert (again.done, again.skipped) == (0, SCANS)


def test_a_page_of_maps_of_labels_speaks_of_no_class(label_maps):
    folder, *_ = label_maps
    page = write_cohort_report(folder / "run", folder / "maps", folder / "both.html", subjects=4)
    text = page.read_text(encoding="utf-8")
    assert "true <bdi>" in text
    assert "evenly spaced by the probability of the most probable label" in text
    assert "so there are no findings" in text
    assert "output for the label is not above the median" in text
    assert "it needs maps of every scan for one label" in text
    assert [
        word for word in ("✗ wrong", "✓ correct", "True class <select", "t-like") if word in text
    ] == []


def test_maps_of_one_label_have_a_mean(label_run):
    folder, report = label_run
    scans = opened(folder).scans[:4]
    map_scans(report.run, scans, folder / "dark", classes="Dark", hardware=CPU, progress=False)
    assert {record.map_class for record in read_maps(folder / "dark").records} == {"Dark"}
    page = write_cohort_report(None, folder / "dark", folder / "dark.html", progress=False)
    text = page.read_text(encoding="utf-8")
    assert "Mean of 4 scans: labelled; pattern for Dark" in text
    assert "t-like" not in text
    assert "not of the predicted class" not in text


def test_what_needs_classes_refuses_maps_of_labels(label_maps):
    folder, report, _ = label_maps
    with pytest.raises(InputError, match="DICOM objects are of classes"):
        map_scans(report.run, opened(folder).scans, folder / "x", form=Form(dicom=True))
    with pytest.raises(InputError, match="the maps are of Bright, Dark, several labels"):
        choose_groups(read_maps(folder / "maps"), {})


def test_a_prediction_names_the_labels_that_are_more_probable_than_not():
    task = task_of(OPTIONS, ())
    found = task.prediction(np.array([0.75, 0.5]))
    assert (found.text, found.chosen(None)) == ("Bright", "Bright")
    assert found.to_json() == {
        "PredictedLabels": ["Bright"],
        "Probabilities": {"Bright": 0.75, "Dark": 0.5},
    }
    assert task.prediction(np.array([0.25, 0.5])).text == "none"


@pytest.mark.parametrize("option", [{"learning_curve": True}, {"by": ("dark",)}])
def test_what_needs_classes_is_refused(option, label_run):
    folder, _ = label_run
    with pytest.raises(InputError, match="of classes, and the task labels has none"):
        train_cohort(opened(folder), folder / "other", OPTIONS, hardware=CPU, **option)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"head": "labels"}, "'labels' is a classifier of one class"),
        ({"positive": "Bright"}, "several labels have no such class"),
        ({"reference": "Dark"}, "several labels have no such class"),
        ({"balance": "sampling"}, "cannot be drawn by one"),
        ({"label_column": "bright"}, "several labels need a column for each"),
        ({"label_column": None}, "several labels need a column for each"),
        ({"label_column": "a, A"}, "name one twice"),
    ],
)
def test_options_that_do_not_fit_are_refused(change, message):
    with pytest.raises(InputError, match=message):
        task_of(OPTIONS.model_copy(update=change), ())
