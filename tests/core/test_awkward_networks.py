"""Networks that are hard to read: levels, places, identity, and the model left as it was."""

import copy
import warnings

import numpy as np
import pytest
import torch
from awkward import AWKWARD, CachedBias, Turned, small_cnn
from torch import nn

from hrcam import HRCAM, find_levels
from hrcam.errors import HRCAMWarning, InputError, LevelError
from hrcam.levels import Level
from hrcam.levels.capture import capture, capture_for_gradients, reading


def keep(_: int, feature_map: torch.Tensor) -> torch.Tensor:
    return feature_map.clone()


@pytest.mark.parametrize("name", AWKWARD)
def test_levels_by_name_and_stride(name):
    one = AWKWARD[name]
    found = find_levels(one.model(), one.images())
    assert [(level.name, level.stride[0]) for level in found] == list(one.levels)
    for level in found:
        assert max(level.stride) == pytest.approx(min(level.stride), rel=0.1)


def gradient_centre(
    model: nn.Module, image: torch.Tensor, level: Level, place: tuple[int, ...]
) -> np.ndarray:
    """Return where in the image the values at one position come from."""
    image = image.clone().requires_grad_()
    maps: list[torch.Tensor] = []
    with reading(model, [level], lambda _, feature_map: maps.append(feature_map)):
        model(image)
    (gradient,) = torch.autograd.grad(maps[0][(0, slice(None), *place)].square().sum(), image)
    weight = gradient[0].square().sum(0).double().numpy()
    return np.indices(weight.shape).reshape(weight.ndim, -1) @ (weight / weight.sum()).ravel()


@pytest.mark.parametrize("name", AWKWARD)
def test_places_are_where_gradients_come_from(name):
    """Within half a stride, at positions in the middle of the map."""
    one = AWKWARD[name]
    model, image = one.model(), one.images(1)
    for level in find_levels(model, image):
        middle = [size // 2 for size in level.size]
        for place in (middle, [index - 1 for index in middle]):
            measured = gradient_centre(model, image, level, tuple(place))
            expected = [
                (stride - 1) / 2 + index * stride
                if level.feature_grid is None
                else level.feature_grid.first[axis] + index * level.feature_grid.step[axis]
                for axis, (index, stride) in enumerate(zip(place, level.stride, strict=True))
            ]
            assert np.all(np.abs(measured - expected) <= np.array(level.stride) / 2), level.name


@pytest.mark.parametrize("name", AWKWARD)
def test_evidence_sums_to_the_logit(name):
    one = AWKWARD[name]
    images = one.images(8)
    hr = HRCAM(one.model()).fit([images], target="logits")
    exp = hr.explain(images[:3], 1)
    assert exp.pattern.shape == (3, *one.shape[1:])
    logit = exp.logits[:, 1]
    found = exp.evidence.flatten(1).mean(1) + exp.bias
    torch.testing.assert_close(found, logit, rtol=0, atol=1e-3 * float(logit.abs().max()))


@pytest.mark.parametrize("name", AWKWARD)
def test_a_later_training_step_is_that_of_an_untouched_model(name):
    one = AWKWARD[name]
    touched, untouched = one.model(), one.model()
    state = {key: value.clone() for key, value in touched.state_dict().items()}
    hr = HRCAM(touched).fit([one.images(8)], target="logits")
    hr.explain(one.images())
    for key, value in touched.state_dict().items():
        assert torch.equal(value, state[key]), key
    for model in (touched, untouched):
        model(one.images()).square().sum().backward()
    for (key, a), (_, b) in zip(
        touched.named_parameters(), untouched.named_parameters(), strict=True
    ):
        assert (a.grad is None) == (b.grad is None), key
        assert a.grad is None or torch.equal(a.grad, b.grad), key


def test_turned_networks_draw_the_map_of_the_plain_one():
    """A transpose at the start of ``forward`` turns the maps back."""
    plain = small_cnn().eval()
    turned = Turned(lambda x: x.transpose(2, 3)).eval()
    turned.net.load_state_dict(plain.state_dict())
    for module in plain.modules():
        if isinstance(module, nn.Conv2d):
            module.weight.data = module.weight.data.transpose(2, 3).contiguous()
    images = torch.randn(6, 1, 48, 64, generator=torch.Generator().manual_seed(0))
    expected = HRCAM(plain).fit([images], target="logits").explain(images, 0)
    found = HRCAM(turned).fit([images], target="logits").explain(images, 0)
    torch.testing.assert_close(found.evidence, expected.evidence, rtol=1e-3, atol=1e-3)


def test_replaced_maps_go_on_in_their_own_layout():
    """Gradients at tokens: a copy of the grid goes back beside the class token."""
    one = AWKWARD["class_and_registers"]
    model, images = one.model(), one.images()
    levels = find_levels(model, images)
    output, maps = capture_for_gradients(model, images, levels)
    torch.testing.assert_close(output, model(images))
    (gradient,) = torch.autograd.grad(output[:, 0].sum(), maps)
    assert gradient.shape == (2, 24, 6, 9)
    assert gradient.abs().sum() > 0


def test_a_saved_explainer_reads_tokens(tmp_path):
    one = AWKWARD["class_and_registers"]
    images = one.images(8)
    hr = HRCAM(one.model()).fit([images], target="logits")
    hr.save(tmp_path / "saved")
    again = HRCAM.load(tmp_path / "saved", one.model())
    assert again.levels == hr.levels
    assert torch.equal(again.explain(images, 0).evidence, hr.explain(images, 0).evidence)


def test_attention_matrices_are_left_out_and_listed():
    """64 tokens on an image of 64 × 64: a matrix has the shape of a map at stride 1."""
    one = AWKWARD["mean_of_tokens"]
    printed = str(find_levels(one.model(), one.images()))
    assert "weights (1, 2, 64, 64): its axis of 64 follows no single axis of the image" in printed
    with pytest.raises(LevelError, match=r"no feature map of the image: .*its axis of 64"):
        find_levels(one.model(), one.images(), ["blocks.0.attention.weights"])


class MixedPlaces(nn.Module):
    """After the stem each position sees the whole image, so nothing tells where it lies."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.stem = nn.Conv2d(1, 8, 4, 4)
        self.mixture = nn.Parameter(torch.randn(256, 16))
        self.last = nn.Conv2d(8, 8, 1)
        self.fc = nn.Linear(8, 2)

    def forward(self, x):
        mixed = (self.stem(x).flatten(2) @ self.mixture).view(-1, 8, 4, 4)
        return self.fc(self.last(mixed).mean((2, 3)))


def test_a_resolution_that_cannot_be_read_is_warned_of():
    with pytest.warns(HRCAMWarning, match=r"no level of these sizes.*: 4 × 4 \(last\)\. Larger"):
        levels = find_levels(MixedPlaces(), torch.randn(2, 1, 64, 64))
    assert [level.name for level in levels] == ["stem"]


@pytest.mark.parametrize("name", ["mean_of_tokens", "windows", "class_and_registers"])
def test_what_is_no_map_at_all_is_not_warned_of(name):
    one = AWKWARD[name]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        find_levels(one.model(), one.images())


def test_a_new_network_whose_last_layer_is_zero_has_its_levels():
    one = AWKWARD["windows"]
    model = one.model()
    nn.init.zeros_(model.fc.weight)
    names = [level.name for level in find_levels(model, one.images())]
    assert names == [name for name, _ in one.levels]


def test_images_of_another_size_do_not_fit_a_grid_of_tokens():
    one = AWKWARD["channels_then_tokens"]
    model = one.model()
    levels = find_levels(model, one.images())
    with pytest.raises(LevelError, match=r"as 0 \+ 96 tokens, and now gives \(2, 24, 64\)"):
        capture(model, torch.randn(2, 1, 64, 64), levels, keep)


def test_videos_with_the_channels_third_are_refused():
    class Video(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = small_cnn(3, 3)

        def forward(self, x):
            return self.net(x.permute(0, 2, 1, 3, 4))

    with pytest.raises(LevelError, match=r"let the model take \(B, C, T, H, W\)"):
        find_levels(Video().eval(), torch.randn(1, 16, 3, 32, 32))
    assert len(find_levels(small_cnn(3, 3).eval(), torch.randn(1, 3, 16, 32, 32))) == 3


def test_nothing_stays_in_a_cache():
    """In attributes, dictionaries, closures and buffers, also of a model in training."""
    one = AWKWARD["cached_bias"]
    model = one.model()
    model.train()
    hr = HRCAM(model).fit([one.images(8)], target="logits")
    hr.explain(one.images())
    assert model.cache == {}
    assert model.calls == 0
    assert int(model.runs) == 0
    assert model.lookup.__closure__[0].cell_contents == []
    assert model.biases.requires_grad


def test_what_the_model_had_cached_stays():
    one = AWKWARD["cached_bias"]
    model: CachedBias = one.model()
    model(one.images())
    before = model.cache["bias"], model.lookup.__closure__[0].cell_contents[0]
    find_levels(model, one.images())
    assert model.cache["bias"] is before[0]
    assert model.lookup.__closure__[0].cell_contents[0] is before[1]
    model(one.images()).sum().backward()
    assert model.biases.grad is not None


def test_scripted_and_traced_models_are_refused():
    model, images = small_cnn().eval(), torch.randn(2, 1, 32, 32)
    for kind, wrapped in (
        ("script", torch.jit.script(model)),
        ("trace", torch.jit.trace(model, images)),
    ):
        with pytest.raises(LevelError, match=rf"it is compiled by torch.jit.{kind}.*pass the nn.M"):
            find_levels(wrapped, images)
    inside = nn.Sequential(torch.jit.script(model), nn.Linear(3, 2))
    with pytest.raises(LevelError, match=r"its module '0' is compiled by torch\.jit"):
        find_levels(inside, images)


def test_exported_models_are_refused():
    model, images = small_cnn().eval(), torch.randn(2, 1, 32, 32)
    exported = torch.export.export(model, (images,))
    with pytest.raises(LevelError, match=r"torch.export.*pass the nn.Module that was exported"):
        find_levels(exported.module(), images)
    with pytest.raises(InputError, match=r"an ExportedProgram, .*pass the nn.Module"):
        HRCAM(exported)


def test_quantised_models_are_refused():
    model = nn.Sequential(torch.ao.nn.quantized.Conv2d(1, 4, 3), nn.Flatten(), nn.Linear(4, 2))
    with pytest.raises(LevelError, match="its module '0' is statically quantised"):
        find_levels(model, torch.randn(2, 1, 3, 3))


@pytest.mark.parametrize("used", [False, True])
def test_compiled_models_are_read_uncompiled(used):
    model, images = small_cnn().eval(), torch.randn(4, 1, 32, 32)
    expected = HRCAM(model).fit([images], target="logits").explain(images, 0)
    compiled = torch.compile(copy.deepcopy(model), backend="eager")
    if used:
        with torch.no_grad():
            compiled(images)
    found = HRCAM(compiled).fit([images], target="logits").explain(images, 0)
    torch.testing.assert_close(found.evidence, expected.evidence)


class TwoImages(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.one, self.other = small_cnn()[:-2], small_cnn()[:-2]
        self.fc = nn.Linear(32, 3)

    def forward(self, one: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
        return self.fc(torch.cat([self.one(one), self.other(other)], 1).flatten(1))


def test_of_two_images_the_user_says_which():
    model = TwoImages().eval()
    generator = torch.Generator().manual_seed(0)
    one = torch.randn(8, 1, 32, 32, generator=generator)
    other = torch.randn(8, 1, 48, 64, generator=generator)
    with pytest.warns(HRCAMWarning, match="takes 2 images.*the first.*pass image="):
        first = find_levels(model, (one, other))
    assert {level.name.split(".")[0] for level in first} == {"one"}
    hr = HRCAM(model, image=1).fit([(one, other)], target="logits")
    assert {level.name.split(".")[0] for level in hr.levels} == {"other"}
    exp = hr.explain((one, other), 0)
    assert exp.pattern.shape == (8, 48, 64)
    found = exp.evidence.flatten(1).mean(1) + exp.bias
    torch.testing.assert_close(found, exp.logits[:, 0], rtol=0, atol=1e-3)
