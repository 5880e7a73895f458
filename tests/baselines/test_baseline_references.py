"""The same numbers as captum and MONAI, on MONAI's networks, at several levels."""

import copy

import pytest
import torch
from torch.testing import assert_close

from hrcam.baselines import CAM, GradCAM, GradCAMPlusPlus, HiResCAM, LayerCAM, gradient_maps
from hrcam.levels import find_levels
from hrcam.levels.operators import upsample

attr = pytest.importorskip("captum.attr")
nets = pytest.importorskip("monai.networks.nets")
visualize = pytest.importorskip("monai.visualize")

NETWORKS = {
    "resnet18": (
        lambda d: nets.ResNet(
            "basic",
            [2, 2, 2, 2],
            [16, 32, 64, 128],
            spatial_dims=d,
            n_input_channels=1,
            num_classes=3,
            conv1_t_stride=2,
        ),
        ["layer4", "layer3", "layer1", "act"],
        "fc",
    ),
    "densenet": (
        lambda d: nets.DenseNet(
            d, 1, 3, init_features=16, growth_rate=8, block_config=(2, 2, 4, 2)
        ),
        ["class_layers.relu", "features.transition2.conv", "features.relu0"],
        "class_layers.out",
    ),
}
CASES = [(name, spatial) for name in NETWORKS for spatial in (2, 3)]


@pytest.fixture(scope="module", params=CASES, ids=lambda case: f"{case[0]}-{case[1]}d")
def case(request):
    """A network, images, classes, levels and the name of its head."""
    name, spatial = request.param
    make, levels, head = NETWORKS[name]
    torch.manual_seed(0)
    model = make(spatial).eval()
    # MONAI adds 1e-7 to the denominator of Grad-CAM++: gradients must be large beside it.
    weights = model.get_submodule(head).weight.data.mul_(30)
    # More positive than negative weights, so that the ReLU does not cut whole maps to zero.
    weights[:, ::2].abs_()
    images = torch.randn(2, 1, 64, 64) if spatial == 2 else torch.randn(1, 1, 32, 64, 32)
    classes = model(images).argmax(1)
    # Nor may exp(logit), a factor of MONAI's Grad-CAM++, overflow.
    model.get_submodule(head).bias.data -= model(images).mean(0)
    return model, images, classes, levels, head


def check(found, expected, level, grid, tolerance=1e-5):
    feature_grid = level.feature_grid_on(expected.shape[2:], grid)
    expected = upsample(expected.detach(), grid, feature_grid)[:, 0]
    scale = expected.abs().amax()
    assert scale > 0
    assert_close(found / scale, expected / scale, atol=tolerance, rtol=0)


def test_gradient_methods_equal_captum(case):
    model, images, classes, names, _ = case
    grid = tuple(images.shape[2:])
    levels = find_levels(model, images, names)
    found = gradient_maps([GradCAM, HiResCAM], model, images, levels, classes)
    for level in levels:
        name = level.name
        layer = model.get_submodule(name)
        expected = attr.LayerGradCam(model, layer).attribute(
            images, target=classes, relu_attributions=True
        )
        check(found["Grad-CAM"][name], expected, level, grid)
        product = attr.LayerGradientXActivation(model, layer).attribute(images, target=classes)
        check(found["HiResCAM"][name], product.sum(1, keepdim=True), level, grid)


def monai(method, model, name, images, classes, **options):
    # MONAI leaves hooks and switches in-place activations off, and takes one class at a time.
    tool = method(copy.deepcopy(model), name, postprocessing=lambda x: x, **options)
    return torch.cat(
        [
            tool.compute_map(image[None], class_idx=torch.tensor([index]))
            if method is visualize.CAM
            else tool.compute_map(image[None], class_idx=int(index))
            for image, index in zip(images, classes, strict=True)
        ]
    )


def test_gradient_methods_equal_monai(case):
    model, images, classes, names, _ = case
    grid = tuple(images.shape[2:])
    levels = find_levels(model, images, names[:1])
    found = gradient_maps([GradCAM, GradCAMPlusPlus], model, images, levels, classes)
    name, level = names[0], levels[0]
    theirs = monai(visualize.GradCAM, model, name, images, classes)
    check(found["Grad-CAM"][name], theirs, level, grid)
    theirs = monai(visualize.GradCAMpp, model, name, images, classes)
    # MONAI's map holds the factor exp(logit).
    factor = model(images).detach().gather(1, classes[:, None]).exp()
    theirs = theirs / factor.view(-1, *(1,) * (images.ndim - 1))
    check(found["Grad-CAM++"][name], theirs, level, grid, tolerance=1e-3)


def test_cam_equals_monai(case):
    model, images, classes, names, head = case
    grid = tuple(images.shape[2:])
    method = CAM(model)
    found = method.explain(images, classes)
    assert [level.name for level in method.levels] == names[:1]
    theirs = monai(visualize.CAM, model, names[0], images, classes, fc_layers=head)
    # MONAI adds the bias at every position.
    bias = model.get_submodule(head).bias.detach()[classes]
    bias = bias.view(-1, *(1,) * (images.ndim - 1))
    check(found, theirs - bias, method.levels[0], grid)


def test_layer_cam_and_grad_cam_plus_plus_equal_their_equations(case):
    model, images, classes, names, _ = case
    grid = tuple(images.shape[2:])
    levels = find_levels(model, images, names)
    found = gradient_maps([LayerCAM, GradCAMPlusPlus], model, images, levels, classes)
    for level in levels:
        name = level.name
        kept = []

        def keep(_module, _args, output, kept=kept):
            kept.append(output)
            return output.clone()

        handle = model.get_submodule(name).register_forward_hook(keep)
        score = model(images).gather(1, classes[:, None]).sum()
        handle.remove()
        a = kept[0]
        (g,) = torch.autograd.grad(score, a)
        a = a.detach()
        check(found["LayerCAM"][name], (g.relu() * a).sum(1, keepdim=True).relu(), level, grid)
        axes = tuple(range(2, a.ndim))
        alpha = g**2 / (2 * g**2 + a.sum(axes, keepdim=True) * g**3)
        weights = (alpha.nan_to_num(0, 0, 0) * g.relu()).sum(axes, keepdim=True)
        check(found["Grad-CAM++"][name], (weights * a).sum(1, keepdim=True).relu(), level, grid)
