"""Group statistics: values by hand, a planted difference found, none invented, and refusals."""

import csv
import json
import warnings
from dataclasses import replace

import nibabel
import numpy as np
import pytest
from group_maps import AFFINE, BLOB, SHAPE, people, write_covariates, write_folder
from matplotlib.axes import Axes
from typer.testing import CliRunner

from hrcam.cli import app
from hrcam.errors import InputError
from hrcam.group import compare_groups
from hrcam.group.atlas import nearest_region
from hrcam.group.design import design_of
from hrcam.group.page import significant

AGES = np.random.default_rng(5).normal(60, 8, 24).round(1)
SITES = ["a", "b", "c"] * 8


def by_hand(values, group, confounds):
    """t of the group in an ordinary least squares fit."""
    design = np.column_stack([group, np.ones(len(group)), *confounds])
    inverse = np.linalg.inv(design.T @ design)
    weights = inverse @ design.T @ values
    residual = values - design @ weights
    variance = (residual**2).sum(0) / (len(group) - design.shape[1])
    return weights[0] / np.sqrt(variance * inverse[0, 0])


def test_t_and_effect_are_those_of_least_squares(tmp_path):
    persons = [
        replace(one, fold=(1 + index % 2,)) for index, one in enumerate(people(effect=0.8, seed=1))
    ]
    table = write_covariates(tmp_path / "participants.tsv", age=AGES, site=SITES)
    found = compare_groups(
        write_folder(tmp_path / "maps", persons),
        tmp_path / "out",
        covariates=("age", "site"),
        table=table,
        permutations=20,
    )
    assert found.groups.names == ("patient", "control")
    assert found.design.names == ("age", "site b", "site c", "fold 2")
    # Means over one network of each of two repeats: there is no fold that a map is of.
    averaged = [
        replace(one, records=tuple(
            replace(record, folds=(*record.folds, 3 + index % 3)) for record in one.records
        ))
        for index, one in enumerate(found.groups.participants)
    ]  # fmt: skip
    repeated = replace(found.groups, participants=tuple(averaged))
    assert design_of(repeated, ("age", "site")).names == ("age", "site b", "site c")
    group = np.array([one.label == "patient" for one in persons], float)
    sites = np.array(SITES)
    confounds = [AGES, sites == "b", sites == "c", np.arange(24) % 2]
    values = np.stack([one.values for one in persons]).reshape(24, -1).astype(float)
    inside = found.test.mask.ravel()
    assert inside.sum() == np.prod(SHAPE) - 2 * SHAPE[1] * SHAPE[2]
    expected = by_hand(values[:, inside], group, confounds)
    np.testing.assert_allclose(found.test.t.ravel()[inside], expected, rtol=1e-5, atol=1e-6)
    freedom = 24 - 6
    small = 1 - 3 / (4 * freedom - 1)
    np.testing.assert_allclose(
        found.test.effect.ravel()[inside], expected * small * np.sqrt(2 / 12), rtol=1e-5, atol=1e-6
    )
    assert not found.test.t.ravel()[~inside].any()
    assert (found.test.voxel_p.ravel()[~inside] == 1).all()


def test_a_planted_difference_is_found_where_it_is(tmp_path):
    folder = write_folder(tmp_path / "maps", people(effect=2.5))
    found = compare_groups(folder, tmp_path / "out", permutations=300)
    test = found.test
    blob = np.zeros(SHAPE, bool)
    blob[BLOB] = True
    assert (test.voxel_p[blob] < 0.05).mean() > 0.8
    assert (test.voxel_p[~blob] < 0.05).mean() < 0.01
    # nilearn's clusters are those of our labels: one p in each.
    for one in found.clusters:
        assert np.ptp(test.cluster_p[test.clusters == one.number]) == 0
    assert (test.cluster_p[test.clusters == 0] == 1).all()
    best, *_ = significant(found.clusters)
    assert best.higher_in == "patient"
    assert best.cluster_p == pytest.approx(1 / 300)
    voxel = np.linalg.solve(AFFINE, [*best.peak, 1])[:3].round().astype(int)
    assert blob[tuple(voxel)]
    assert best.voxels == (test.clusters == best.number).sum()
    assert best.volume == pytest.approx(27 * best.voxels)
    assert best.nearest == nearest_region(np.array(best.peak))
    turned = [replace(one, values=-one.values) for one in people(effect=2.5)]
    other = compare_groups(
        write_folder(tmp_path / "turned", turned), tmp_path / "other", permutations=300
    )
    np.testing.assert_allclose(other.test.t, -test.t, atol=1e-6)
    assert significant(other.clusters)[0].higher_in == "control"


def test_nothing_is_found_among_equal_groups(tmp_path):
    alarms = 0
    for seed in range(10):
        folder = write_folder(tmp_path / f"maps-{seed}", people(10, seed=100 + seed))
        found = compare_groups(folder, tmp_path / f"out-{seed}", permutations=60, seed=seed)
        # Two tests of 5 % each.
        alarms += bool(significant(found.clusters))
    assert alarms <= 2


def test_a_covariate_explains_its_difference(tmp_path):
    persons = people(seed=3)
    ages = AGES + np.repeat([10.0, 0.0], 12)
    scaled = (ages - ages.mean()) / ages.std()
    for one, age in zip(persons, scaled, strict=True):
        one.values[BLOB] += 3 * age
    folder = write_folder(tmp_path / "maps", persons)
    table = write_covariates(tmp_path / "people.tsv", age=ages)
    without = compare_groups(folder, tmp_path / "without", permutations=200)
    given = compare_groups(
        folder, tmp_path / "given", covariates=("age",), table=table, permutations=200
    )
    assert significant(without.clusters)
    assert not [one for one in significant(given.clusters) if one.voxels > 8]


def test_who_is_left_out_and_why(tmp_path):
    persons = people(14, effect=1.0)
    persons[0].seen = True
    persons[1].label = None
    persons[2].label = "other"
    ages = [*AGES[:20], "n/a", *AGES[:7]]
    table = write_covariates(tmp_path / "people.tsv", age=ages)
    again = replace(persons[4], scan=f"{persons[4].name}_ses-2", values=persons[5].values)
    folder = write_folder(tmp_path / "maps", [*persons, again])
    found = compare_groups(
        folder,
        tmp_path / "out",
        groups=("patient", "control"),
        covariates=("age",),
        table=table,
        permutations=10,
    )
    with (tmp_path / "out/excluded.tsv").open(newline="") as file:
        left_out = {
            row["participant"]: row["reason"] for row in csv.DictReader(file, delimiter="\t")
        }
    assert left_out == {
        "sub-00": "the network has learnt from it, with its label",
        "sub-01": "it has no label",
        "sub-02": "it is in neither group",
        "sub-20": "it has no age",
    }
    assert (found.groups.count("patient"), found.groups.count("control")) == (11, 13)
    # Two scans of one participant are one map.
    assert len(found.groups.participants) == 24
    kept = [one for one in persons if one.name not in left_out]
    twice = (persons[4].values + persons[5].values) / 2
    values = [twice if one is persons[4] else one.values for one in kept]
    np.testing.assert_allclose(found.mean, np.mean(values, axis=0), atol=1e-5)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda one: replace(one, code=1), "nothing says that this is a template's space"),
        (lambda one: replace(one, code=2), "--space NAME"),
        (lambda one: replace(one, values=one.values[:, :, 4]), "pictures"),
        (
            lambda one: replace(one, affine=AFFINE + (one.name == "sub-03") * np.eye(4)),
            "1 of 24 differ from the first",
        ),
        (
            lambda one: replace(one, values=one.values[: 14 - (one.name == "sub-20")]),
            "not on one grid",
        ),
        (lambda one: replace(one, label="patient"), "have 1 labels"),
        (
            lambda one: replace(one, of_class=one.label or ""),
            r"several classes \(control, patient\)",
        ),
        (lambda one: replace(one, seen=one.label == "control"), "12 left out: the network has le"),
        (
            lambda one: replace(one, space="_space-" + ("A", "B")[one.name == "sub-05"]),
            "several spaces: A, B",
        ),
    ],
)
def test_what_cannot_be_compared_is_refused(tmp_path, change, said):
    folder = write_folder(tmp_path / "maps", [change(one) for one in people()])
    with pytest.raises(InputError, match=said):
        compare_groups(folder, tmp_path / "out", permutations=5)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ({"site": ["a"] * 12 + ["b"] * 12}, "cannot be told apart"),
        ({"site": ["a"] * 24}, "for all participants"),
        ({"site": [f"place {index}" for index in range(24)]}, "24 different texts"),
        ({"site": ["inf", *range(23)]}, "not finite"),
    ],
)
def test_covariates_that_cannot_be_used_are_refused(tmp_path, columns, said):
    folder = write_folder(tmp_path / "maps", people())
    table = write_covariates(tmp_path / "people.tsv", **columns)
    with pytest.raises(InputError, match=said):
        compare_groups(folder, tmp_path / "out", covariates=("site",), table=table, permutations=5)
    with pytest.raises(InputError, match="need a table"):
        compare_groups(folder, tmp_path / "out", covariates=("site",), permutations=5)
    with pytest.raises(InputError, match="no column weight"):
        compare_groups(
            folder, tmp_path / "out", covariates=("weight",), table=table, permutations=5
        )


@pytest.mark.parametrize(
    ("persons", "options", "space"),
    [
        (people(), {}, "MNI152"),
        ([replace(one, space="_space-MNI152NLin2009cAsym") for one in people()], {},
         "MNI152NLin2009cAsym"),
        ([replace(one, code=2) for one in people()], {"space": "NKI"}, "NKI"),
    ],
)  # fmt: skip
def test_the_space_is_told_by_names_headers_or_the_user(tmp_path, persons, options, space):
    folder = write_folder(tmp_path / "maps", persons)
    found = compare_groups(folder, tmp_path / "out", permutations=5, **options)
    assert found.space.name == space
    image = nibabel.load(tmp_path / "out/t.nii.gz")
    np.testing.assert_allclose(image.affine, AFFINE)
    assert image.header["sform_code"] == (4 if "MNI" in space else 2)
    assert all((one.nearest is None) == (space == "NKI") for one in found.clusters)


def test_the_command_writes_images_tables_and_a_page(tmp_path):
    folder = write_folder(tmp_path / "maps", people(effect=2.5))
    table = write_covariates(tmp_path / "participants.tsv", age=AGES)
    arguments = [
        "group", folder, "--out", tmp_path / "out", "--covariates", "age", "--table", table,
        "--permutations", 50, "--seed", 7,
    ]  # fmt: skip
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        done = CliRunner().invoke(app, list(map(str, arguments)))
    assert done.exit_code == 0, done.output
    assert "clusters are significant" in done.output
    first = {path.name: path.read_bytes() for path in sorted((tmp_path / "out").iterdir())}
    assert set(first) == {
        "t.nii.gz", "effect.nii.gz", "p_voxel.nii.gz", "p_cluster.nii.gz", "clusters.nii.gz",
        "mask.nii.gz", "clusters.tsv", "excluded.tsv", "group.html", "group.json",
    }  # fmt: skip
    summary = json.loads(first["group.json"])
    assert summary["groups"] == {"patient": 12, "control": 12}
    assert (summary["seed"], summary["permutations"]) == (7, 50)
    rows = list(csv.DictReader(first["clusters.tsv"].decode().splitlines(), delimiter="\t"))
    assert rows[0]["higher_in"] == "patient"
    assert float(rows[0]["p_cluster"]) == pytest.approx(1 / 50)
    page = first["group.html"].decode()
    assert "12 participants of patient, 12 of control, given age" in page
    assert CliRunner().invoke(app, list(map(str, arguments))).exit_code == 0
    again = {path.name: path.read_bytes() for path in sorted((tmp_path / "out").iterdir())}
    assert again == first
    (tmp_path / "other").mkdir()
    (tmp_path / "other/thesis.txt").write_text("mine")
    arguments[3] = tmp_path / "other"
    refused = CliRunner().invoke(app, list(map(str, arguments)))
    assert refused.exit_code == 1
    assert "holds something else" in refused.output


def test_slices_are_compared_and_shown_in_their_one_plane(tmp_path, monkeypatch):
    titles = []
    title = Axes.set_title
    monkeypatch.setattr(
        Axes, "set_title", lambda axes, text, **kw: titles.append(text) or title(axes, text, **kw)
    )
    slices = [replace(one, values=one.values[:, :, 3:4]) for one in people(effect=3.0)]
    folder = write_folder(tmp_path / "maps", slices)
    done = CliRunner().invoke(
        app, ["group", str(folder), "--out", str(tmp_path / "out"), "--permutations", "20"]
    )
    assert done.exit_code == 0, done.output
    rows = list(csv.DictReader((tmp_path / "out/clusters.tsv").open(), delimiter="\t"))
    assert rows[0]["higher_in"] == "patient"
    assert (tmp_path / "out/group.html").exists()
    assert [text.split(",")[0] for text in titles] == ["axial"]


def test_a_region_is_named_by_the_nearest_centre():
    assert nearest_region(np.array([6.0, 64.0, 3.0])) == ("vmPFC", 0.0)
    assert nearest_region(np.array([-12.0, -3.0, 17.0])) == ("thalamus", 4.0)
