"""Robustness: whose maps are compared with whose, and that the numbers are the right ones."""

import shutil
from collections import defaultdict

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tiny_runs import CPU, square_pictures, trained
from torch import nn

from hrcam.baselines import LayerCAM
from hrcam.benchmark.images.fold_images import seen_images, unseen_images
from hrcam.benchmark.images.measured import subset
from hrcam.benchmark.measurement import Measurement, as_table
from hrcam.benchmark.measures import other_networks, randomised_maps
from hrcam.benchmark.measures.explain_methods import (
    all_methods,
    at_levels,
    hrcam_methods,
    refitted,
)
from hrcam.benchmark.measures.other_networks import measure_other_networks
from hrcam.benchmark.measures.randomised_maps import HEAD_KEPT, measure_randomisation, region_of
from hrcam.benchmark.measures.repeatability import repeatability_over_seeds
from hrcam.benchmark.measures.robustness import measure_robustness
from hrcam.benchmark.variant import EVIDENCE, PATTERN, Stage, Variant
from hrcam.errors import InputError, LoadError
from hrcam.evaluation.similarity import spearman
from hrcam.sanity.parameter_randomisation import randomisation_test
from hrcam.sanity.stability import stability_to_noise, stability_to_shifts

LAST = "blocks"
AS_READ = {
    Variant(PATTERN),
    Variant(EVIDENCE),
    Variant("Grad-CAM", LAST),
    Variant("LayerCAM", LAST),
}
EVERY = AS_READ | {variant.at(Stage.REFINED) for variant in AS_READ}


@pytest.fixture(scope="module", autouse=True)
def _few_stages():
    """Two stages in place of five: each costs a fit."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(randomised_maps, "_STAGES", 2)
        yield


@pytest.fixture(scope="module")
def run_and_cohort(tmp_path_factory):
    folder = tmp_path_factory.mktemp("squares")
    cohort = square_pictures(folder / "cohort")
    return trained(cohort, folder / "run"), cohort


@pytest.fixture(scope="module")
def folds(run_and_cohort):
    run, cohort = run_and_cohort
    return unseen_images(run, cohort.scans)


@pytest.fixture(scope="module")
def learnt(run_and_cohort):
    run, cohort = run_and_cohort
    return seen_images(run, 1, cohort.scans, most=12)


@pytest.fixture(scope="module")
def measured(run_and_cohort, folds):
    run, cohort = run_and_cohort
    return measure_robustness(run, folds, cohort.scans, seed=0, images=6, epochs=3)


def by_variant(measurements, measure):
    found = defaultdict(dict)
    for one in measurements:
        if one.measure == measure:
            assert one.subject not in found[one.variant]
            found[one.variant][one.subject] = one.value
    return dict(found)


def test_every_method_is_measured_in_every_way(measured, folds):
    ours = {Variant(name + HEAD_KEPT) for name in (PATTERN, EVIDENCE)}
    expected = {
        "noise_stability": EVERY,
        "shift_stability": EVERY,
        "fold_repeatability": EVERY,
        "label_randomised_spearman": EVERY,
        "reproducibility": EVERY,
        # Refined maps follow the image whatever the network.
        "randomised_ssim": AS_READ | ours,
        "randomised_spearman": AS_READ | ours,
    }
    found = {name: by_variant(measured, name) for name in {one.measure for one in measured}}
    stages = {name for name in found if name.startswith("randomised_ssim@")}
    assert set(found) - stages == set(expected)
    assert stages == {"randomised_ssim@0.53", "randomised_ssim@1.00"}  # 9 of 17 modules
    for measure, variants in expected.items():
        assert set(found[measure]) == variants
        for values in found[measure].values():
            assert len(values) == 6
            assert all(-1 <= value <= 1 for value in values.values())
    # Those that need no other network are of both folds; those that do are of the first.
    first = {scan.name for scan in folds[0].scans}
    assert 0 < len(set(found["noise_stability"][Variant(PATTERN)]) & first) < 6
    assert set(found["reproducibility"][Variant(PATTERN)]) <= first


def test_the_run_is_left_as_it_was_and_the_same_seed_gives_the_same(
    measured, run_and_cohort, folds
):
    run, cohort = run_and_cohort
    before = {path: path.read_bytes() for path in run.folder.rglob("*") if path.is_file()}
    again = measure_robustness(run, folds, cohort.scans, seed=0, images=6, epochs=3)
    assert again == measured
    after = {path: path.read_bytes() for path in run.folder.rglob("*") if path.is_file()}
    assert after == before


def test_maps_follow_what_was_learnt_and_not_chance(measured):
    """The square is found by other folds' networks, and not by networks with random weights."""

    def mean(measure):
        return np.mean(list(by_variant(measured, measure)[Variant(PATTERN)].values()))

    assert mean("noise_stability") > mean("randomised_spearman") + 0.2
    assert mean("fold_repeatability") > mean("randomised_spearman")


def test_a_run_must_have_images_and_have_learnt(run_and_cohort, folds, tmp_path):
    run, cohort = run_and_cohort
    with pytest.raises(InputError, match="no unseen images"):
        measure_robustness(run, [], cohort.scans, seed=0)
    tested = list(folds[0].scans)
    with pytest.raises(InputError, match="learnt from none of the 20 scans"):
        measure_robustness(run, folds[:1], tested, seed=0, images=2)


def test_stability_is_that_of_the_evaluation(measured, run_and_cohort, folds):
    run, _ = run_and_cohort
    names = by_variant(measured, "noise_stability")[Variant(EVIDENCE)]
    for one in folds:
        some = subset(one, [i for i, scan in enumerate(one.scans) if scan.name in names])
        explain = hrcam_methods(run.explainer(one.fold))[Variant(EVIDENCE)]
        arguments = (explain, some.voxels(), some.classes)
        noise = stability_to_noise(*arguments, 10.0, region_of(some), seed=0).spearman
        shift = stability_to_shifts(*arguments, 2, region_of(some)).spearman
        for scan, steady, still in zip(some.scans, noise, shift, strict=True):
            assert names[scan.name] == pytest.approx(steady)
            shifted = by_variant(measured, "shift_stability")[Variant(EVIDENCE)][scan.name]
            assert shifted == pytest.approx(still)


def test_another_fold_maps_the_same_images(measured, run_and_cohort, folds):
    run, _ = run_and_cohort
    found, smooth = (
        by_variant(measured, "fold_repeatability")[Variant(PATTERN, stage=stage)] for stage in Stage
    )
    for one, other in ((folds[0], 2), (folds[1], 1)):
        some = subset(one, [i for i, scan in enumerate(one.scans) if scan.name in found])
        ours, theirs = (
            run.explainer(fold).explain(some.voxels(), some.classes) for fold in (one.fold, other)
        )
        as_read = spearman(ours.pattern_as_read, theirs.pattern_as_read, region_of(some))
        refined = spearman(ours.pattern, theirs.pattern, region_of(some))
        for values, expected in ((found, as_read), (smooth, refined)):
            assert [values[scan.name] for scan in some.scans] == pytest.approx(expected, abs=1e-4)


def test_randomisation_is_the_mean_of_the_test_over_draws(run_and_cohort, folds, learnt):
    run, _ = run_and_cohort
    explainer, images = run.explainer(1), subset(folds[0], range(4))
    weights = {name: one.clone() for name, one in explainer.model.state_dict().items()}
    measured = measure_randomisation(explainer, images, learnt, seed=3)
    for name, one in explainer.model.state_dict().items():
        assert torch.equal(one, weights[name])

    def fitted(network):
        return hrcam_methods(refitted(explainer, network, learnt, 3))[Variant(PATTERN)]

    def kept(network):
        other = run.explainer(1)
        other.model.load_state_dict(network.state_dict())
        return hrcam_methods(other)[Variant(PATTERN)]

    for variant, tested in (
        (Variant(PATTERN), fitted),
        (Variant("LayerCAM", LAST), lambda network: LayerCAM(network, [LAST]).explain),
        (Variant(PATTERN + HEAD_KEPT), kept),
    ):
        draws = [
            randomisation_test(
                explainer.model,
                tested,
                images.voxels(),
                images.classes,
                region=region_of(images),
                stages=2,
                seed=3 + 1000 * draw,
            )
            for draw in range(3)
        ]
        end = np.mean([draw[-1].ssim for draw in draws], axis=0)
        for measure in ("randomised_ssim", "randomised_ssim@1.00"):
            found = list(by_variant(measured, measure)[variant].values())
            assert found == pytest.approx(end, abs=1e-4)
        first = [name for one in measured if (name := one.measure).startswith("randomised_ssim@")]
        start = list(by_variant(measured, min(first))[variant].values())
        assert start == pytest.approx(np.mean([draw[0].ssim for draw in draws], axis=0), abs=1e-4)
        ranks = list(by_variant(measured, "randomised_spearman")[variant].values())
        expected = np.mean([draw[-1].spearman for draw in draws], axis=0)
        assert ranks == pytest.approx(expected, abs=1e-4)


def test_other_networks_learn_from_exchanged_labels_and_from_true_ones(
    run_and_cohort, folds, learnt, monkeypatch, caplog
):
    run, _ = run_and_cohort
    explainer, images = run.explainer(1), subset(folds[0], range(3))
    calls = []

    def same_as_before(network, data, **options):
        """Give the network the weights of the run's, where they fit, instead of training it."""
        calls.append((network, data, options))
        if len(calls) == 1:
            network.load_state_dict(explainer.model.state_dict())
        network.eval()

    monkeypatch.setattr(other_networks, "train_classifier", same_as_before)
    measured = measure_other_networks(
        run, explainer, images, learnt, epochs=7, hardware=CPU, seed=1
    )
    # It tells the true labels, not those that were exchanged, and that is said.
    assert "trained on permuted labels, the network memorised only" in caplog.text
    # The same network has the same maps.
    for variant, values in by_variant(measured, "label_randomised_spearman").items():
        assert list(values.values()) == pytest.approx([1] * 3), variant
    # One of other widths, with random weights, has not.
    for values in by_variant(measured, "reproducibility").values():
        assert np.mean(list(values.values())) < 0.99
    (_, exchanged, options), (other, true, _) = calls
    assert (options["epochs"], options["seed"], options["hardware"]) == (7, 1, CPU)
    assert true.targets.tolist() == learnt.classes.tolist()
    assert exchanged.targets.tolist() != true.targets.tolist()
    assert sorted(exchanged.targets.tolist()) == sorted(true.targets.tolist())
    torch.testing.assert_close(exchanged[(0, 5)][0], learnt.voxels(0, 1)[0])  # no augmentation
    assert not torch.equal(true[(0, 5)][0], learnt.voxels(0, 1)[0])
    sizes = [
        [module.out_channels for module in one.modules() if isinstance(module, nn.Conv2d)]
        for one in (explainer.model, other)
    ]
    assert sizes[0] != sizes[1]


def test_methods_are_read_at_the_coarsest_level(run_and_cohort):
    explainer = run_and_cohort[0].explainer(1)
    strides = {level.name: level.stride for level in explainer.levels}
    assert {at_levels(explainer, variant) for variant in all_methods(explainer)} == EVERY
    assert max(strides, key=strides.get) == LAST


def unit(folder, maps, variants=()):
    """A unit that has kept these maps."""
    folder.mkdir(parents=True)
    np.savez_compressed(
        folder / "maps.npz", **{key: np.asarray(one, np.float16) for key, one in maps.items()}
    )
    rows = [Measurement("sub-1", variant, "auprc", 0.5) for variant in variants]
    as_table(rows).to_csv(folder / "measurements.csv", index=False)
    return folder


RISING = np.arange(1, 13).reshape(3, 4)


def test_repeatability_is_the_mean_over_pairs_of_seeds(tmp_path):
    level = Variant("LayerCAM", "blocks.1")
    folders = [
        unit(
            tmp_path / f"seed-{seed}",
            {f"sub-1/{PATTERN}": one, f"sub-1/{level.name}": RISING, f"sub-2/{PATTERN}": RISING},
            [Variant(PATTERN), level],
        )
        for seed, one in enumerate((RISING, RISING * 5 - 3, -RISING))
    ]
    assert repeatability_over_seeds(folders) == [
        Measurement("sub-1", Variant(PATTERN), "repeatability", pytest.approx((1 - 1 - 1) / 3)),
        Measurement("sub-1", level, "repeatability", pytest.approx(1)),
        Measurement("sub-2", Variant(PATTERN), "repeatability", pytest.approx(1)),
    ]
    assert repeatability_over_seeds(folders[:1]) == []


@given(st.permutations(range(1, 7)), st.permutations(range(1, 7)))
def test_voxels_that_no_network_saw_do_not_count(tmp_path_factory, first, second):
    folder = tmp_path_factory.mktemp("units")

    def framed(values):
        frame = np.zeros((6, 7))
        frame[2:4, 2:5] = np.reshape(values, (2, 3))
        return frame

    def repeatability(frame, name):
        maps = [frame(np.array(one)) for one in (first, second)]
        folders = [unit(folder / f"{name}-{seed}", {"a/M": one}) for seed, one in enumerate(maps)]
        return [(one.variant, one.value) for one in repeatability_over_seeds(folders)]

    ((variant, value),) = repeatability(framed, "framed")
    assert variant == Variant("M")
    distance = np.sum((np.array(first) - np.array(second)) ** 2)
    assert value == pytest.approx(1 - 6 * distance / (6 * 35))


def test_only_seeds_that_kept_a_map_are_compared(tmp_path):
    folders = [
        unit(tmp_path / "0", {"a/M": RISING, "a/N": RISING}),
        unit(tmp_path / "1", {"a/M": -RISING, "b/M": RISING}),
    ]
    assert repeatability_over_seeds(folders) == [
        Measurement("a", Variant("M"), "repeatability", pytest.approx(-1))
    ]


def test_damaged_units_are_refused(tmp_path):
    good = unit(tmp_path / "good", {"a/M": RISING})
    for name, damage in (
        ("missing", lambda path: path.unlink()),
        ("cut", lambda path: path.write_bytes(path.read_bytes()[:-30])),
        ("text", lambda path: path.write_text("no archive")),
        ("empty", lambda path: path.write_bytes(b"")),
    ):
        bad = shutil.copytree(good, tmp_path / name)
        damage(bad / "maps.npz")
        with pytest.raises(LoadError, match=r"maps\.npz"):
            repeatability_over_seeds([good, bad])
    bad = shutil.copytree(good, tmp_path / "table")
    (bad / "measurements.csv").write_text("something,else\n1,2\n")
    with pytest.raises(LoadError, match=r"measurements\.csv"):
        repeatability_over_seeds([good, bad])
    other = unit(tmp_path / "other", {"a/M": RISING.T})
    with pytest.raises(LoadError, match="shapes"):
        repeatability_over_seeds([good, other])
