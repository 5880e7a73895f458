"""Maps that are kept: readable for other seeds, and shown the right way up."""

import io
from dataclasses import replace
from pathlib import Path

import nibabel
import numpy as np
import pytest
import torch

from hrcam.benchmark import saved_maps
from hrcam.benchmark.images.fold_images import FoldImages
from hrcam.benchmark.images.measured import MeasuredImages
from hrcam.benchmark.saved_maps import save_maps
from hrcam.benchmark.variant import Variant
from hrcam.cohort.scan import Scan

ONE, TWO = Variant("one"), Variant("two", "coarse")
SHAPE = (4, 5, 6)


@pytest.fixture
def volumes(tmp_path):
    """Three volumes stored to the left, to the back and down, of 1 × 2 × 3 mm."""
    affine = np.diag([-1.0, -2.0, -3.0, 1.0])
    scans = []
    for index in range(3):
        path = tmp_path / f"{index}.nii.gz"
        voxels = np.random.default_rng(index).random(SHAPE).astype(np.float32)
        nibabel.save(nibabel.Nifti1Image(voxels, affine), path)
        scans.append(Scan(f"sub-{index}", f"p{index}", {"image": path}, "ill", group=f"p{index}"))
    return FoldImages(1, tuple(scans), (None,) * 3, torch.zeros(3).long(), (None,) * 3)


def mapper(images):
    for place, scan in enumerate(images.scans):
        generator = np.random.default_rng(int(scan.name[-1]))
        small = generator.normal(0, 1e-9, SHAPE).astype(np.float32)
        yield place, {ONE: small, TWO: np.zeros(SHAPE, np.float32), Variant("other"): small}


def test_small_values_keep_their_order_in_half_precision(volumes, tmp_path):
    save_maps(mapper, MeasuredImages((volumes,), (), {}), [ONE, TWO], tmp_path)
    with np.load(io.BytesIO((tmp_path / "maps.npz").read_bytes()), allow_pickle=False) as maps:
        assert sorted(maps.files) == [
            f"sub-{index}/{one.name}" for index in range(3) for one in (ONE, TWO)
        ]
        for place, by_variant in mapper(volumes):
            kept = maps[f"sub-{place}/one"]
            exact = by_variant[ONE]
            assert np.abs(kept).max() == 1
            np.testing.assert_allclose(kept, exact / np.abs(exact).max(), rtol=1e-3, atol=1e-4)
            assert not maps[f"sub-{place}/two, coarse"].any()


def test_volumes_are_shown_the_right_way_up(volumes, tmp_path, monkeypatch):
    shown = []
    drawn = saved_maps.comparison_figure
    monkeypatch.setattr(
        saved_maps, "comparison_figure", lambda rows: shown.extend(rows) or drawn(rows)
    )
    save_maps(mapper, MeasuredImages((volumes,), (), {}), [ONE], tmp_path)
    stored = nibabel.load(Path(volumes.scans[0].images["image"]))
    expected = nibabel.as_closest_canonical(stored)
    np.testing.assert_allclose(shown[0].image, np.asarray(expected.dataobj), rtol=1e-5)
    assert shown[0].spacing == (1, 2, 3)
    exact = dict(mapper(volumes))[0][ONE]
    np.testing.assert_array_equal(shown[0].maps["one"], exact[::-1, ::-1, ::-1])
    assert len(shown) == 3
    assert (tmp_path / "examples.png").read_bytes().startswith(b"\x89PNG")


def test_so_many_subjects_are_kept_and_no_more(volumes, tmp_path, monkeypatch):
    monkeypatch.setattr(saved_maps, "_SUBJECTS", 2)
    backwards = replace(volumes, fold=2, scans=volumes.scans[::-1])
    kept = []
    for images in (volumes, backwards):
        save_maps(mapper, MeasuredImages((images,), (), {}), [ONE], tmp_path)
        with np.load(tmp_path / "maps.npz") as maps:
            kept.append(maps.files)
    assert len(kept[0]) == 2
    assert kept[0] == kept[1]
