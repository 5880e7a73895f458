"""Which feature maps count as levels."""

from functools import cache
from itertools import pairwise

import pytest
import torch
from architectures import (
    ARCHITECTURES,
    Branches,
    PreActivationBlock,
    SharedModule,
    UNetClassifier,
    simple,
    synthetic_images,
)
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F

from hrcam import HRCAM, find_levels
from hrcam.levels import Level, Levels
from hrcam.model.call import call_model
from hrcam.model.tensors import map_tensors

EXPECTED = {
    "plain": ["5", "3", "1"],
    "valid_convolutions": ["9", "6", "3"],
    "anisotropic_strides": ["5", "3", "1"],
    "inplace_relu": ["8", "5", "2"],
    "pre_activation_inplace": ["3", "2.relu", "1.relu"],
    "shared_module": ["act#3", "act#2", "act#1", "stem"],
    "concatenated_branches": ["pool:input", "down1:input"],
    "functional": ["conv3", "conv2", "conv1"],
    "side_branch": ["features", "features.3", "features.1"],
    "unet_classifier": ["bottom", "up1", "up2"],
    "channels_last_blocks": ["3", "1"],
    "squeeze_excitation": ["5", "2"],
    "dropout": ["4", "1"],
    "resnet10_2d": ["layer4", "layer3", "layer2", "layer1", "act"],
    "resnet10_3d": ["layer4", "layer3", "layer2", "layer1", "act"],
    "SEResNet50_2d": ["layer4", "layer3", "layer2", "layer1", "layer0.relu1"],
}


@cache
def levels_of(name: str) -> Levels:
    architecture = ARCHITECTURES[name]
    return find_levels(architecture.model(), architecture.images(2))


@pytest.mark.parametrize("name", EXPECTED)
def test_last_map_of_each_resolution(name):
    if name == "valid_convolutions":
        architecture = ARCHITECTURES[name]
        # At this size each resolution's maps are within the margins that convolutions nibble.
        levels = find_levels(architecture.model(), synthetic_images(1, 1, (70, 82)))
    else:
        levels = levels_of(name)
    assert [level.name for level in levels] == EXPECTED[name]


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_every_architecture_has_ordered_distinct_levels(name):
    levels = levels_of(name)
    assert len(levels) >= 2
    positions = [torch.Size(level.size).numel() for level in levels]
    assert positions == sorted(positions)
    assert len({level.name for level in levels}) == len(levels)
    for level in levels:
        assert level.stride == tuple(
            whole / part for whole, part in zip(ARCHITECTURES[name].size, level.size, strict=True)
        )


@pytest.mark.parametrize(
    "name", [name for name in ARCHITECTURES if name.startswith(("Eff", "Dense", "resnet", "SE"))]
)
def test_sizes_at_least_halve_on_some_axis(name):
    for coarse, fine in pairwise(levels_of(name)):
        ratios = [b / a for a, b in zip(coarse.size, fine.size, strict=True)]
        assert max(ratios) >= 1.5, f"{coarse.name} and {fine.name} are of one resolution"


def test_bottleneck_levels_are_named_by_who_made_them():
    names = [level.name for level in levels_of("resnet50_2d")]
    assert names == ["layer4", "layer3", "layer2", "layer1", "act"]


def test_values_that_are_read_are_those_of_the_level():
    """The concatenation that no module returns, read at the module that takes it."""
    from hrcam.levels.capture import capture

    model, images = Branches().eval(), synthetic_images(2, 1, (33, 41))
    _, maps = capture(model, images, find_levels(model, images), lambda _, one: one.clone())
    with torch.no_grad():
        first = torch.cat([model.narrow1(images), model.wide1(images)], 1)
        second = model.down1(first)
        second = torch.cat([model.narrow2(second), model.wide2(second)], 1)
    torch.testing.assert_close(maps[1], first)
    torch.testing.assert_close(maps[0], second)


@pytest.mark.parametrize(
    "name", ["concatenated_branches", "pre_activation_inplace", "unet_classifier", "resnet10_2d"]
)
def test_output_depends_on_every_level(name):
    """Overwriting what is read changes the output: nothing read is beside the path."""
    from hrcam.model.hooks import observed

    architecture = ARCHITECTURES[name]
    model, images = architecture.model(), architecture.images(1)
    with torch.no_grad():
        before = call_model(model, images)
        for level in find_levels(model, images):
            module = {level.module: model.get_submodule(level.module)}
            outputs, inputs = ({}, module) if level.at_input else (module, {})
            change = lambda _name, _run, value: map_tensors(value, lambda one: one + 1.0)  # noqa: E731
            with observed(outputs, inputs, change):
                assert not torch.allclose(call_model(model, images), before), level.name


def test_side_branch_is_no_level():
    names = [level.module for level in levels_of("side_branch")]
    assert "side" not in names


def test_branch_of_another_output_is_no_level():
    """(logits, segmentation): the decoder of the second does not bear on the first."""

    class TwoTasks(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.encoder = simple()[:-2]
            self.decoder = nn.ConvTranspose2d(10, 4, 8, stride=8)
            self.mask = nn.Conv2d(4, 1, 1)
            self.fc = nn.Linear(10, 3)

        def forward(self, x):
            x = self.encoder(x)
            return self.fc(x.flatten(2).mean(-1)), self.mask(torch.relu(self.decoder(x)))

    images = synthetic_images(6, 1, (32, 40))
    levels = HRCAM(TwoTasks().eval()).fit([images], target="logits").levels
    assert not {"decoder", "mask"} & {level.module for level in levels}


def test_returned_features_are_still_a_level():
    class WithFeatures(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.encoder = simple()[:-2]
            self.fc = nn.Linear(10, 3)

        def forward(self, x):
            x = self.encoder(x)
            return self.fc(x.flatten(2).mean(-1)), x

    levels = find_levels(WithFeatures().eval(), synthetic_images(1, 1, (33, 41)))
    assert levels[0].module in ("encoder", "encoder.5")


def test_segmentation_model_ends_before_its_output():
    model = nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.ReLU(), nn.Conv2d(4, 2, 1))
    assert [level.name for level in find_levels(model, torch.rand(1, 1, 8, 8))] == ["1"]


def test_frozen_models_and_inference_mode_find_the_same():
    model, images = UNetClassifier().eval(), synthetic_images(1, 1, (33, 41))
    expected = find_levels(model, images)
    with torch.no_grad():
        assert find_levels(model, images) == expected
    with torch.inference_mode():
        assert find_levels(model, images) == expected
        assert find_levels(model, synthetic_images(1, 1, (33, 41))) == expected
    model.requires_grad_(False)
    assert find_levels(model, images) == expected


def test_models_made_in_inference_mode():
    with torch.inference_mode():
        model, images = simple().eval(), synthetic_images(1, 1, (33, 41))
        assert [level.name for level in find_levels(model, images)] == ["5", "3", "1"]


def test_the_first_image_is_enough_and_the_batch_size_does_not_matter():
    model = simple().eval()
    images = synthetic_images(5, 1, (33, 41))
    assert find_levels(model, images) == find_levels(model, images[:1])


@given(
    dims=st.integers(1, 3),
    depth=st.integers(1, 3),
    sizes=st.tuples(*(st.integers(17, 23),) * 3),
    width=st.integers(1, 5),
)
def test_one_level_for_each_stride(dims, depth, sizes, width):
    model = simple(dims, (width,) * depth).eval()
    levels = find_levels(model, torch.rand(1, 1, *sizes[:dims]))
    assert [level.name for level in levels] == [str(2 * index + 1) for index in range(depth)][::-1]
    assert all(level.channels == width for level in levels)


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["3"], ["3"]),
        (["1", "5"], ["5", "1"]),
        (["3", "3"], ["3"]),
        (["4:input"], ["4:input"]),
    ],
)
def test_levels_by_name(names, expected):
    levels = find_levels(simple().eval(), synthetic_images(1, 1, (33, 41)), names)
    assert [level.name for level in levels] == expected


def test_names_as_printed_can_be_asked_for():
    model, images = SharedModule().eval(), synthetic_images(1, 1, (33, 41))
    printed = [level.name for level in find_levels(model, images)]
    assert [level.name for level in find_levels(model, images, printed)] == printed
    assert find_levels(model, images, ["act"])[0].name == "act#3"  # the last run


def test_table():
    levels = Levels([Level("layer4", "layer4", 512, (7, 9), (13.857142857, 14.5555555))])
    assert str(levels).splitlines() == [
        "level   channels  size   stride",
        "──────  ────────  ─────  ───────────",
        "layer4  512       7 × 9  13.9 × 14.6",
    ]


def test_no_tensor_of_the_dry_run_is_kept():
    import gc

    model, images = PreActivationBlock(1, 3).eval(), synthetic_images(1, 1, (33, 41))
    model = nn.Sequential(model, nn.Flatten(), nn.Linear(3 * 17 * 21, 2)).eval()
    F.relu(images)
    gc.collect()
    before = sum(issubclass(type(one), torch.Tensor) for one in gc.get_objects())
    find_levels(model, images)
    gc.collect()
    assert sum(issubclass(type(one), torch.Tensor) for one in gc.get_objects()) <= before
