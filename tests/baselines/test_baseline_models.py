"""Every method on the models and in the contexts that users have."""

import pytest
import torch
from method_tools import tool_of
from torch import nn
from torch.testing import assert_close

from hrcam.baselines import (
    ALL_LEVELS,
    CAM,
    METHODS,
    FullGrad,
    GradCAM,
    GradientMethod,
    HiResCAM,
    LayerCAM,
    gradient_maps,
)
from hrcam.levels import find_levels

GRADIENT = [method for method in METHODS.values() if issubclass(method, GradientMethod)]
NEED_GRADIENTS = [*GRADIENT, FullGrad]
every_method = pytest.mark.parametrize("method", METHODS.values(), ids=METHODS)


def assert_same(found, expected, **tolerance):
    assert list(found) == list(expected)
    for name, level in expected.items():
        assert level.any()
        assert_close(found[name], level, **tolerance)


def test_the_registry_has_every_method_by_its_name():
    assert list(METHODS) == [
        "CAM",
        "Grad-CAM",
        "Grad-CAM++",
        "LayerCAM",
        "HiResCAM",
        "XGrad-CAM",
        "Score-CAM",
        "Eigen-CAM",
        "Grad-CAM++ (pytorch-grad-cam)",
        "Score-CAM (pytorch-grad-cam)",
        "Eigen-CAM (pytorch-grad-cam)",
        "Finer-CAM",
        "RefineCAM",
        "FullGrad",
    ]


@every_method
@pytest.mark.parametrize("spatial", [1, 2, 3])
def test_one_code_for_every_number_of_axes(method, spatial, small_net, small_images):
    tool = method(small_net(spatial))
    maps = tool.by_level(small_images(spatial))
    levels = {CAM: ["last"], FullGrad: ["second", "first", "norm"]}.get(method, ["last", "act"])
    assert [level.name for level in tool.levels] == levels
    every = [ALL_LEVELS] if method.fuses_levels else [level.name for level in tool.levels]
    assert list(maps) == every
    for level in maps.values():
        assert level.shape == (3, *(8,) * spatial)
        assert level.dtype == torch.float32
        assert not level.requires_grad


@every_method
def test_a_batch_is_its_single_images(method, small_net, small_images):
    tool, images = method(small_net()), small_images()
    classes = [2, 0, 1]
    batch = tool.by_level(images, classes)
    for index, chosen in enumerate(classes):
        single = tool.by_level(images[index : index + 1], chosen)
        for name, level in single.items():
            assert_close(batch[name][index], level[0], atol=1e-5, rtol=1e-4)


@every_method
def test_classes_in_every_form(method, small_net, small_images):
    model, images = small_net(), small_images()
    tool = method(model)
    predicted = model.eval()(images).argmax(1)
    assert_same(tool.by_level(images), tool.by_level(images, predicted))
    assert_same(tool.by_level(images, 1), tool.by_level(images, [1, 1, 1]))


@every_method
def test_a_single_logit(method, small_net, small_images):
    tool, images = method(small_net(classes=1)), small_images()
    found = tool.by_level(images)
    for name, level in tool.by_level(images, 0).items():
        assert torch.equal(found[name], level)


@every_method
@pytest.mark.parametrize("context", [torch.no_grad, torch.inference_mode, torch.enable_grad])
def test_contexts_do_not_matter(method, context, small_net, small_images):
    model, images = small_net(), small_images()
    expected = method(model).by_level(images, 1)
    with context():
        found = method(model).by_level(images.clone(), 1)
        chosen = torch.ones(3, dtype=torch.long)
        from_tensor = method(model).by_level(images.clone(), chosen)
        fused = method(model).explain(images.clone(), fuse="mean")
    assert_same(found, expected)
    assert_same(from_tensor, expected)
    assert fused.shape == (3, 8, 8)


@pytest.mark.parametrize("method", NEED_GRADIENTS, ids=lambda method: method.name)
def test_frozen_parameters_and_training_mode(method, small_net, small_images):
    model, images = small_net(), small_images()
    expected = method(model.eval()).by_level(images, 1)
    model.requires_grad_(False).train()
    assert_same(method(model).by_level(images, 1), expected)
    assert model.training


def test_no_gradient_is_left_behind(small_net, small_images):
    model, images = small_net(), small_images().requires_grad_()
    model.head.weight.grad = torch.ones_like(model.head.weight)
    for method in NEED_GRADIENTS:
        method(model).by_level(images)
    assert images.grad is None
    assert all(p.grad is None for p in model.parameters() if p is not model.head.weight)
    assert bool((model.head.weight.grad == 1).all())


@every_method
def test_in_place_activations_do_not_matter(method, small_net, small_images):
    images = small_images()
    # What precedes an in-place ReLU, the ReLU itself, and the map at the input of a module.
    levels = ["last"] if method is CAM else ["norm", "act", "second", "last", "last:input"]
    expected = tool_of(method, small_net(inplace=False), levels).by_level(images, 1)
    assert_same(tool_of(method, small_net(inplace=True), levels).by_level(images, 1), expected)


@pytest.mark.parametrize("methods", [GRADIENT, GRADIENT[:1]])
def test_several_methods_from_one_capture(methods, small_net, small_images):
    model, images = small_net(), small_images()
    runs = []
    handle = model.register_forward_hook(lambda *_: runs.append(1))
    levels = find_levels(model, images)
    runs.clear()
    found = gradient_maps(methods, model, images, levels, [0, 1, 2])
    assert len(runs) == len({method.score for method in methods})
    handle.remove()
    assert list(found) == [method.name for method in methods]
    for method in methods:
        assert_same(found[method.name], method(model).by_level(images, [0, 1, 2]))


class Recurrent(nn.Module):
    """One convolution that runs twice, named arguments, and several outputs."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(2, 2, 3, padding=1)
        self.side = nn.Conv2d(2, 3, 1)
        self.head = nn.Linear(3, 3)

    def forward(self, image, age):
        x = torch.relu_(self.conv(image))
        x = torch.relu_(self.conv(x))
        pooled = torch.cat([x.mean((2, 3)), age], 1)
        return {"side": self.side(x), "scores": self.head(pooled)}


@pytest.fixture
def recurrent():
    torch.manual_seed(2)
    return Recurrent()


def test_modules_that_run_twice_and_several_inputs_and_outputs(recurrent):
    images = {"age": torch.rand(2, 1), "image": torch.randn(2, 2, 6, 6)}
    tool = HiResCAM(recurrent, levels=["conv#1", "conv#2"], output="scores")
    found = tool.by_level(images, [0, 2])
    first = recurrent.conv(images["image"])
    second = recurrent.conv(first.relu())
    logits = recurrent.head(torch.cat([second.relu().mean((2, 3)), images["age"]], 1))
    gradients = torch.autograd.grad(logits[0, 0] + logits[1, 2], [first, second])
    for name, a, g in zip(["conv#1", "conv#2"], [first, second], gradients, strict=True):
        assert_close(found[name], (a * g).sum(1))
    as_tuple = tool.by_level((images["image"], images["age"]), [0, 2])
    assert_same(as_tuple, found)


@every_method
def test_every_method_takes_several_inputs(method, recurrent):
    if method is CAM:
        pytest.skip("its head takes more than the pooled map")
    images = (torch.randn(2, 2, 6, 6), torch.rand(2, 1))
    tool = tool_of(method, recurrent, ["conv"], output="scores")
    batch = tool.explain(images, [0, 2])
    single = tool.explain((images[0][1:], images[1][1:]), 2)
    assert_close(batch[1], single[0], atol=1e-6, rtol=1e-4)


def test_cam_where_the_classifier_is_a_convolution(small_images):
    torch.manual_seed(4)
    body = [nn.Conv2d(1, 5, 3), nn.ReLU()]
    classifier = nn.Conv2d(5, 3, 1)
    images = small_images()
    pooled_first = nn.Sequential(*body, nn.AdaptiveAvgPool2d(1), classifier, nn.Flatten())
    pooled_last = nn.Sequential(*body, classifier, nn.AdaptiveAvgPool2d(1), nn.Flatten())
    activations = nn.Sequential(*body)(images)
    expected = torch.einsum("c,bc...->b...", classifier.weight[2, :, 0, 0], activations)
    for model in (pooled_first, pooled_last):
        maps = on_own_grid(CAM(model, levels=["1"]), images, 2)
        assert_close(maps, expected)


def on_own_grid(tool, images, classes):
    tool._find(images)
    with torch.no_grad():
        return tool._level_maps(images, classes)[0]


@every_method
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_is_accumulated_in_single(method, dtype, small_net, small_images):
    images = small_images().to(dtype)
    half = method(small_net().to(dtype)).by_level(images, 1)
    single = method(small_net().to(dtype).float()).by_level(images.float(), 1)
    for name, level in single.items():
        assert half[name].dtype == torch.float32
        largest = level.abs().max()
        assert (half[name] - level).abs().mean() < 0.02 * largest


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_sums_lose_nothing(dtype, small_net, small_images):
    model, images = small_net(inplace=False).to(dtype).eval(), small_images().to(dtype)
    found = GradCAM(model, levels=["act"]).explain(images, 1)
    kept = []
    handle = model.act.register_forward_hook(lambda _module, _args, output: kept.append(output))
    score = model(images)[:, 1].sum()
    handle.remove()
    (gradient,) = torch.autograd.grad(score, kept[0])
    a, g = kept[0].detach().double(), gradient.double()
    expected = (g.mean((2, 3), keepdim=True) * a).sum(1).relu()
    assert_close(found.double(), expected, atol=1e-6, rtol=1e-5)


@every_method
def test_autocast_of_the_caller(method, small_net, small_images):
    model, images = small_net(), small_images()
    expected = method(model).by_level(images, 1)
    with torch.autocast("cpu", torch.bfloat16):
        found = method(model).by_level(images, 1)
    for name, level in expected.items():
        largest = level.abs().max()
        assert found[name].dtype == torch.float32
        assert (found[name] - level).abs().mean() < 0.02 * largest


@pytest.mark.parametrize("method", [GradCAM, LayerCAM])
def test_double_precision_is_kept(method, small_net, small_images):
    found = method(small_net().double()).by_level(small_images().double())
    assert {level.dtype for level in found.values()} == {torch.float64}


def test_nested_levels_have_their_own_gradients(small_images):
    torch.manual_seed(5)
    inner = nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.ReLU(inplace=True))
    model = nn.Sequential(inner, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2))
    maps = HiResCAM(model, levels=["0", "0.1", "0.0"]).by_level(small_images(), 0)
    assert list(maps) == ["0", "0.1", "0.0"]
    assert_close(maps["0"], maps["0.1"])
    assert_close(maps["0"], maps["0.0"])
