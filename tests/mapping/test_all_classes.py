"""Maps of all classes: one of each scan stands for it, the one that would be there without."""

import csv

import numpy as np
import pytest
from small_runs import SmallRun, files_of, preparation, write_pictures

from hrcam.artifacts.map_file import read_map
from hrcam.artifacts.maps_folder import read_maps
from hrcam.errors import InputError
from hrcam.mapping import map_scans
from hrcam.mapping.ensemble import explain_all_classes, explain_batch

pytestmark = pytest.mark.usefixtures("unchecked")

CLASSES = ("a", "b", "c")


@pytest.fixture(scope="module")
def run():
    return SmallRun(preparation((24, 32)), classes=CLASSES, folds=2, reference="a")


def rows(folder):
    with (folder / "maps.tsv").open(newline="") as stream:
        return list(csv.DictReader(stream, delimiter="\t"))


def test_the_map_of_each_scan_is_the_same_and_others_lie_beside_it(tmp_path, run):
    scans = write_pictures(tmp_path / "images", 4)
    map_scans(run, scans, tmp_path / "one")
    map_scans(run, scans, tmp_path / "all", all_classes=True)
    plain, every = files_of(tmp_path / "one"), files_of(tmp_path / "all")
    assert {name: every[name] for name in plain if name != "maps.tsv"} == {
        name: content for name, content in plain.items() if name != "maps.tsv"
    }
    found = read_maps(tmp_path / "all")
    chosen = {record.scan: record.map_class for record in found.records}
    assert chosen == {
        record.scan: record.map_class for record in read_maps(tmp_path / "one").records
    }
    assert set(chosen.values()) <= {"b", "c"}
    assert [(record.scan, record.map_class) for record in found.further] == [
        (scan.name, name) for scan in scans for name in CLASSES if name != chosen[scan.name]
    ]
    for record in found.further:
        assert record.logit == pytest.approx(
            sum(record.level_contributions.values()) + record.bias, abs=1e-5
        )
        findings = {"findings", "regions", "regions_sidecar"}
        assert set(record.files) == {"pattern", "evidence", "overlay", *findings}
    assert [(row["scan"], row["class"], row["primary"]) for row in rows(tmp_path / "all")] == [
        (scan.name, name, str(chosen[scan.name] == name)) for scan in scans for name in CLASSES
    ]


def test_each_is_what_the_class_alone_gives(run):
    explainers = [run.explainer(fold) for fold in (1, 2)]
    voxels = np.random.default_rng(0).normal(size=(5, 1, 24, 32)).astype(np.float32)
    every = explain_all_classes(explainers, voxels, reference=0)
    first = explain_batch(explainers, voxels, None, 0)
    for index in range(3):
        alone = explain_batch(explainers, voxels, index)
        for image, one in zip(every, alone, strict=True):
            (found,) = (maps for maps in image if maps.explained == index)
            np.testing.assert_allclose(found.maps["pattern"], one.maps["pattern"], atol=1e-5)
            assert found.predicted == one.predicted
            assert found.logit == pytest.approx(one.logit, abs=1e-5)
    for image, one in zip(every, first, strict=True):
        assert image[0].explained == one.explained
        assert np.array_equal(image[0].maps["pattern"], one.maps["pattern"])


def test_a_job_goes_on_where_one_was_killed_and_leaves_what_stands(tmp_path, run):
    scans = write_pictures(tmp_path / "images", 3)
    out = tmp_path / "maps"

    def mapped(scans, **options):
        return map_scans(run, scans, out, batch_size=1, **options)

    assert mapped(scans).done == 3
    assert mapped(scans, all_classes=True).done == 3
    expected = files_of(out)
    for repeat in (True, False):
        assert mapped(scans, all_classes=repeat).skipped == 3
    lost = next(one for one in read_maps(out).further if one.map_class != "a")
    (record,) = out.glob(f"{lost.scan}/**/*label-{lost.map_class}*.json")
    record.unlink()
    report = mapped(scans, all_classes=True)
    assert (report.done, report.skipped) == (1, 2)
    assert files_of(out) == expected
    # Asked for by name, the maps of a class stand for the scan too.
    assert mapped(scans, classes="a").done == 3
    record.unlink()
    assert mapped(scans, all_classes=True).done == 1
    found = read_maps(out)
    assert [one.scan for one in found.records if one.map_class == "a"] == [s.name for s in scans]
    assert len(found.records) == 6
    for one in found.records:
        assert read_map(one.files["pattern"], one.scaling["pattern"]).shape == one.shape


def test_all_classes_and_one_are_not_asked_for_together(tmp_path, run):
    scans = write_pictures(tmp_path / "images", 1)
    with pytest.raises(InputError, match="leave out one of them"):
        map_scans(run, scans, tmp_path / "maps", classes="b", all_classes=True)
    assert not (tmp_path / "maps").exists()
