"""Maps of methods whose values are known, on networks whose maps are known."""

import importlib.util

import numpy as np
import pytest
import torch
from torch import nn

from hrcam.benchmark import refined_maps as refined_module
from hrcam.benchmark.images.fold_images import FoldImages
from hrcam.benchmark.measures import attributions
from hrcam.benchmark.measures.attributions import (
    INTEGRATED_GRADIENTS,
    OCCLUSION,
    SMOOTHGRAD,
    attribution_maps,
    check_captum,
)
from hrcam.benchmark.measures.methods import (
    class_activation_maps,
    grid_maps,
    native_maps,
    voxel_attributions,
)
from hrcam.benchmark.refined_maps import refined_maps
from hrcam.benchmark.unit_runs import FoldExplainers
from hrcam.benchmark.variant import EVIDENCE, HRCAM_VARIANTS, PAPER, PATTERN, Stage, Variant
from hrcam.cohort.image import Image
from hrcam.cohort.scan import Scan
from hrcam.errors import InputError
from hrcam.evaluation.model_free_maps import MODEL_FREE_MAPS
from hrcam.explainer import HRCAM
from hrcam.maps.refine import refine
from hrcam.networks import SmallCNN
from hrcam.preparation import Preparation


class Linear(nn.Module):
    """Logits that are weighted sums of the voxels: every attribution is known."""

    def __init__(self, weights):
        super().__init__()
        self.weights = nn.Parameter(weights)  # (K, C, *spatial)

    def forward(self, images):
        return torch.einsum("bchw,kchw->bk", images, self.weights)


@pytest.fixture
def linear():
    generator = torch.Generator().manual_seed(0)
    weights = torch.randn(2, 3, 16, 16, generator=generator)
    return Linear(weights), torch.randn(4, 3, 16, 16, generator=generator)


def test_attributions_of_a_linear_network_are_its_weights(linear):
    model, images = linear
    classes = torch.tensor([0, 1, 1, 0])
    maps = attribution_maps(model, images, classes)
    weights = model.weights.detach()[classes]
    torch.testing.assert_close(maps[SMOOTHGRAD], weights.abs().sum(1), rtol=1e-4, atol=1e-5)
    expected = (weights * images).abs().sum(1)
    torch.testing.assert_close(maps[INTEGRATED_GRADIENTS], expected, rtol=1e-4, atol=1e-5)


def test_occlusion_falls_where_what_counts_is_covered():
    weights = torch.zeros(1, 1, 16, 16)
    weights[..., 8:12, 4:8] = 1
    maps = attribution_maps(Linear(weights), torch.ones(1, 1, 16, 16), torch.zeros(1).long())
    occlusion = maps[OCCLUSION][0]
    inside = torch.zeros(16, 16, dtype=torch.bool)
    inside[8:12, 4:8] = True
    assert occlusion[inside].min() > 0
    assert occlusion[:6].abs().max() == 0
    assert occlusion[inside].mean() > 3 * occlusion[~inside].mean()


def test_a_batch_gives_what_single_images_give_and_draws_leave_no_trace():
    images = torch.randn(3, 3, 16, 16)
    network = nn.Sequential(nn.Conv2d(3, 2, 3), nn.Tanh(), nn.Flatten(), nn.Linear(392, 2)).eval()
    classes = torch.tensor([0, 1, 0])
    state = torch.random.get_rng_state()
    together = attribution_maps(network, images, classes)
    assert torch.equal(torch.random.get_rng_state(), state)
    alone = attribution_maps(network, images[1:2], classes[1:2])
    for method, maps in alone.items():
        torch.testing.assert_close(maps[0], together[method][1])
    other = attribution_maps(network, images, classes, seed=1)
    assert not torch.equal(other[SMOOTHGRAD], together[SMOOTHGRAD])
    assert all(parameter.grad is None for parameter in network.parameters())


def test_volumes_are_attributed_too():
    network = SmallCNN(3, 1, 2, (2, 3)).eval()
    maps = attribution_maps(network, torch.randn(1, 1, 8, 10, 8), torch.tensor([1]))
    assert {values.shape for values in maps.values()} == {(1, 8, 10, 8)}


def test_a_missing_captum_is_named_before_anything_begins(monkeypatch):
    check_captum()
    found = importlib.util.find_spec
    monkeypatch.setattr(
        attributions, "find_spec", lambda name: None if name == "captum" else found(name)
    )
    with pytest.raises(InputError, match=r"hrcam\[benchmark\]"):
        check_captum()


@pytest.fixture(scope="module")
def small_fold():
    """Two explainers of a small network, and five images of 20 × 24 on a grid of 24 × 24."""
    generator = np.random.default_rng(0)
    preparation = Preparation(
        dimensions=2, channels=("image",), in_channels=1, shape=(24, 24), spacing=None,
        orientation="stored", left_right=None, crop_to_foreground=False,
    )  # fmt: skip
    pictures = generator.normal(100, 20, (5, 1, 20, 24)).astype(np.float32)
    prepared = [
        preparation.apply(Image(voxels, np.eye(4), (20, 24), "picture")) for voxels in pictures
    ]
    torch.manual_seed(0)
    network = SmallCNN(2, 1, 2, (3, 4)).eval()
    batch = (torch.randn(16, 1, 24, 24), torch.arange(16) % 2)
    explainers = [HRCAM(network).fit([batch], target) for target in ("logits", "labels")]
    scans = tuple(Scan(f"sub-{index}", f"{index}", {}) for index in range(5))
    classes = torch.tensor([0, 1, 1, 0, 1])
    images = FoldImages(1, scans, tuple(prepared), classes, (None,) * 5)
    return FoldExplainers(*explainers), images


def test_every_method_maps_the_same_images_and_classes(small_fold):
    explainers, images = small_fold
    maps = class_activation_maps(explainers, images.voxels(), images.classes)
    assert {*HRCAM_VARIANTS, *map(Variant, MODEL_FREE_MAPS)} <= set(maps)
    ours = explainers.logits.explain(images.voxels(), images.classes)
    paper = explainers.labels.explain(images.voxels(), images.classes)
    for variant, expected in (
        (Variant(PATTERN), ours.pattern_as_read.abs()),
        (Variant(PATTERN, stage=Stage.REFINED), ours.pattern.abs()),
        (Variant(EVIDENCE), ours.evidence),
        (Variant(PAPER), paper.evidence),
    ):
        np.testing.assert_allclose(maps[variant], expected, rtol=1e-5, atol=1e-6)
    levels = {level.name for level in explainers.logits.levels}
    assert {one.level for one in maps if one.method == "Grad-CAM"} == {"", *levels}
    np.testing.assert_array_equal(maps[Variant("brightness")], images.voxels()[:, 0])


def test_maps_come_back_to_the_voxels_of_each_scan(small_fold):
    explainers, images = small_fold
    native = dict(native_maps(class_activation_maps, explainers, images))
    assert sorted(native) == list(range(5))
    grid = grid_maps(class_activation_maps, explainers, images, [Variant(PATTERN)])
    assert set(grid) == {Variant(PATTERN)}
    for place, maps in native.items():
        expected = images.prepared[place].to_native(grid[Variant(PATTERN)][place])
        assert maps[Variant(PATTERN)].shape == (20, 24)
        np.testing.assert_allclose(maps[Variant(PATTERN)], expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("method", [class_activation_maps, voxel_attributions])
def test_the_refined_map_of_a_rival_is_the_refinement_of_its_positive_part(small_fold, method):
    explainers, images = small_fold
    maps = method(explainers, images.voxels(), images.classes)
    as_read = [variant for variant in maps if variant.stage == Stage.AS_READ]
    assert len(maps) == 2 * len(as_read)
    for variant in as_read:
        if variant.method == PATTERN:
            continue
        whole = torch.from_numpy(maps[variant])
        # Brightness has no sign that speaks for a class.
        used = whole if variant.method in MODEL_FREE_MAPS else whole.clamp(min=0)
        expected = refine(used, images.voxels())
        limit = 1e-5 * float(whole.abs().max()) + 1e-7
        np.testing.assert_allclose(maps[variant.at(Stage.REFINED)], expected, atol=limit)


def test_maps_are_refined_in_parts_as_together(monkeypatch):
    images = torch.randn(2, 1, 16, 16)
    maps = {Variant("M", str(number)): torch.randn(2, 16, 16) for number in range(5)}
    together = refined_maps(maps, images)
    assert list(together) == [variant.at(Stage.REFINED) for variant in maps]
    monkeypatch.setattr(refined_module, "_AT_ONCE", 2 * 2 * 256)
    for variant, values in refined_maps(maps, images).items():
        torch.testing.assert_close(values, together[variant])


def test_attributions_are_of_the_cnn(small_fold):
    explainers, images = small_fold
    maps = voxel_attributions(explainers, images.voxels(), images.classes)
    expected = attribution_maps(explainers.logits.model, images.voxels(), images.classes)
    for variant, values in expected.items():
        np.testing.assert_allclose(maps[variant], values, rtol=1e-5, atol=1e-6)
