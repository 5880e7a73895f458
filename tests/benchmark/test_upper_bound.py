"""U-Nets trained on masks: of which images, and how well they find what is easy."""

import numpy as np
import pytest
import torch
from tiny_runs import SIZE, TINY, square_pictures, trained

from hrcam.benchmark.images.fold_images import FoldImages, seen_images, unseen_images
from hrcam.benchmark.measures import upper_bound
from hrcam.benchmark.measures.segmentation import train_unet
from hrcam.benchmark.measures.upper_bound import unet_maps
from hrcam.benchmark.variant import Stage
from hrcam.cohort.image import Image
from hrcam.cohort.scan import Scan
from hrcam.errors import InputError
from hrcam.evaluation.localisation import auprc
from hrcam.maps.refine import refine
from hrcam.preparation import Preparation

BRIEF = TINY.model_copy(update={"epochs": 1})


@pytest.fixture(scope="module")
def crossed(tmp_path_factory):
    """A cross-validated run: masks of all lesions."""
    folder = tmp_path_factory.mktemp("crossed")
    cohort = square_pictures(folder / "cohort")
    return cohort, trained(cohort, folder / "run", BRIEF)


@pytest.fixture(scope="module")
def tested(tmp_path_factory):
    """A run with a split, where only the images of the test have masks; pairs are a group."""
    folder = tmp_path_factory.mktemp("tested")
    cohort = square_pictures(folder / "cohort", masks="test", split=True, group=2)
    return cohort, trained(cohort, folder / "run", BRIEF)


@pytest.fixture
def learnt(monkeypatch):
    """What each U-Net is trained on, instead of training it."""
    calls = []

    def train(images, masks, *, epochs, seed, device):
        calls.append((images.numpy(), masks.numpy()))
        return Constant()

    monkeypatch.setattr(upper_bound, "train_unet", train)
    return calls


class Constant(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.value = torch.nn.Parameter(torch.tensor(-4.0))

    def forward(self, images):
        return images[:, 0] * 0 + self.value


def images_of(folds):
    return {
        scan.name: (prepared.voxels, mask)
        for one in folds
        for scan, prepared, mask in zip(one.scans, one.prepared, one.masks, strict=True)
    }


def names_among(images, voxels):
    """Whose images these are, by their voxels."""
    return [
        next(name for name, (known, _) in images.items() if np.array_equal(known, one))
        for one in voxels
    ]


def test_seen_and_unseen_images_of_a_fold_are_the_cohort(crossed):
    cohort, run = crossed
    everybody = {scan.name for scan in cohort.scans}
    for unseen in unseen_images(run, cohort.scans):
        seen = seen_images(run, unseen.fold, cohort.scans, most=100)
        assert {scan.name for scan in seen.scans} == everybody - {s.name for s in unseen.scans}
        for scan, label in zip(seen.scans, seen.classes, strict=True):
            assert run.classes[label] == scan.label


def test_images_that_a_split_tests_are_not_seen(tested):
    cohort, run = tested
    seen = seen_images(run, 1, cohort.scans, most=100)
    assert {s.name for s in seen.scans} == {s.name for s in cohort.scans if s.split != "test"}


def test_so_many_are_drawn_and_by_the_seed(crossed):
    cohort, run = crossed

    def names(seed):
        return [s.name for s in seen_images(run, 1, cohort.scans, most=6, seed=seed).scans]

    assert len(set(names(0))) == 6
    assert names(0) == names(0)
    assert names(0) != names(1)


def test_scans_that_the_run_does_not_know_are_not_seen(crossed, tmp_path):
    _, run = crossed
    others = square_pictures(tmp_path / "others", 4)
    strangers = [
        Scan(f"new-{scan.name}", f"new-{scan.name}", dict(scan.images), "odd")
        for scan in others.scans
    ]
    assert seen_images(run, 1, strangers, most=10).scans == ()


def test_each_fold_learns_from_what_its_network_has_seen(crossed, learnt):
    cohort, run = crossed
    folds = unseen_images(run, cohort.scans)
    maps = unet_maps(run, folds, cohort.scans, epochs=1)
    assert set(maps) == {scan.name for scan in cohort.scans}
    assert {one.shape for stages in maps.values() for one in stages.values()} == {SIZE}
    assert {tuple(stages) for stages in maps.values()} == {tuple(Stage)}
    every = images_of(folds)
    assert len(learnt) == run.folds
    for fold, (images, masks) in zip(folds, learnt, strict=True):
        names = names_among(every, images)
        assert sorted(names) == sorted(set(every) - {scan.name for scan in fold.scans})
        for name, mask in zip(names, masks, strict=True):
            drawn = every[name][1]
            assert mask.any() == (drawn is not None)
            if drawn is not None:
                # The picture's 48 columns become 32.
                assert mask.sum() == pytest.approx(drawn.sum() * (32 / 48) ** 2, rel=0.35)


def test_parts_of_a_fold_share_one_network(crossed, learnt):
    cohort, run = crossed
    folds = unseen_images(run, cohort.scans)
    parts = [
        FoldImages(
            one.fold,
            one.scans[half],
            one.prepared[half],
            one.classes[half],
            one.masks[half],
        )
        for one in folds
        for half in (slice(None, 5), slice(5, None))
    ]
    assert set(unet_maps(run, parts, cohort.scans)) == {scan.name for scan in cohort.scans}
    assert len(learnt) == run.folds


def test_where_only_tested_images_have_masks_they_are_divided_by_group(tested, learnt):
    cohort, run = tested
    folds = unseen_images(run, cohort.scans)
    maps = unet_maps(run, folds, cohort.scans, epochs=1, seed=1)
    every = images_of(folds)
    assert set(maps) == set(every)
    groups = {scan.name: scan.group for scan in folds[0].scans}
    left_out = []
    for images, masks in learnt:
        names = names_among(every, images)
        assert masks.any()
        assert not {groups[n] for n in set(every) - set(names)} & {groups[n] for n in names}
        left_out += sorted(set(every) - set(names))
    assert sorted(left_out) == sorted(every)
    assert len(learnt) == 3


def test_too_few_masks_are_said_to_be_too_few(tested):
    cohort, run = tested
    (one,) = unseen_images(run, cohort.scans)
    two_groups = FoldImages(1, one.scans[:4], one.prepared[:4], one.classes[:4], one.masks[:4])
    with pytest.raises(InputError, match="belong to 2 groups"):
        unet_maps(run, [two_groups], cohort.scans)


def test_an_easy_lesion_is_found_in_images_that_were_not_learnt_from(tested):
    cohort, run = tested
    folds = unseen_images(run, cohort.scans)
    stages = unet_maps(run, folds, cohort.scans, epochs=25)
    maps = {name: both[Stage.AS_READ] for name, both in stages.items()}
    found = [auprc(maps[name], mask) for name, (_, mask) in images_of(folds).items() if mask.any()]
    assert np.mean(found) > 0.8
    highest = {name: maps[name].max() for name in maps}
    empty = [highest[name] for name, (_, mask) in images_of(folds).items() if not mask.any()]
    assert np.mean(empty) < np.mean([highest[n] for n in maps if images_of(folds)[n][1].any()])


def test_voxels_outside_the_grid_are_the_least_likely():
    image = Image(
        np.random.default_rng(0).normal(size=(1, 40, 40)).astype(np.float32),
        np.eye(4),
        (40, 40, 1),
        "nifti",
    )
    preparation = Preparation(
        dimensions=2,
        channels=("image",),
        in_channels=1,
        shape=(24, 24),
        spacing=(1.0, 1.0),
        orientation="stored",
        left_right=None,
        crop_to_foreground=False,
    )
    prepared = preparation.apply(image)
    lesion = np.zeros((40, 40), bool)
    lesion[0:4, 0:4] = lesion[20:26, 18:22] = True

    class Copy(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.scale = torch.nn.Parameter(torch.tensor(8.0))

        def forward(self, images):
            return images[:, 0] * 0 + self.scale * (on_grid - 0.5)

    on_grid = torch.from_numpy(upper_bound.mask_on_grid(prepared, lesion)).float()
    scan = Scan("sub-1", "1", {})
    (mapped,) = upper_bound.segment(Copy(), [(scan, prepared, None)]).values()
    expected = np.where(lesion, 4.0, -4.0)
    expected[:4, :4] = -4  # beyond the grid's 24 × 24 voxels in the middle
    np.testing.assert_allclose(mapped[Stage.AS_READ], expected, atol=1e-5)
    refined = refine(8 * (on_grid[None] - 0.5), torch.from_numpy(prepared.voxels)[None])[0].numpy()
    np.testing.assert_allclose(mapped[Stage.REFINED][8:32, 8:32], refined, atol=1e-5)
    outside = np.ones((40, 40), bool)
    outside[8:32, 8:32] = False
    np.testing.assert_allclose(mapped[Stage.REFINED][outside], refined.min(), atol=1e-5)


def test_without_any_mask_there_is_nothing_to_learn():
    with pytest.raises(InputError, match="no voxel with pathology"):
        train_unet(torch.zeros(2, 1, 16, 16), torch.zeros(2, 16, 16, dtype=torch.bool))


def test_it_starts_from_how_rare_lesions_are():
    """A few steps must not go into learning that most voxels are healthy."""
    images = torch.randn(4, 1, 32, 32, generator=torch.Generator().manual_seed(0))
    masks = torch.zeros(4, 32, 32, dtype=torch.bool)
    masks[:2, :2, :4] = True  # one voxel in 256
    probabilities = train_unet(images, masks, epochs=1)(images).detach().sigmoid()
    assert 0.1 / 256 < float(probabilities.mean()) < 10 / 256


@pytest.mark.parametrize("grid", [(20, 12), (33, 16), (8, 18, 20)])
def test_images_of_any_size_repeatably_and_without_touching_the_generators(grid):
    images = torch.randn(4, 2, *grid, generator=torch.Generator().manual_seed(0))
    masks = images[:, 0] > 1
    state = torch.get_rng_state()

    def logits(seed):
        return train_unet(images, masks, epochs=2, seed=seed)(images).detach()

    first = logits(0)
    assert first.shape == masks.shape
    torch.testing.assert_close(first, logits(0), rtol=0, atol=0)
    assert not torch.equal(first, logits(1))
    assert torch.equal(state, torch.get_rng_state())
