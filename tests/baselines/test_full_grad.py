"""FullGrad: by hand, and complete: what it is made of sums to the logit."""

import pytest
import torch
from method_tools import CONVOLUTIONS, Copy
from torch import nn
from torch.testing import assert_close

from hrcam.baselines import ALL_LEVELS, FullGrad, normalise
from hrcam.baselines.full_grad import bias_of, full_gradient
from hrcam.errors import LevelError
from hrcam.levels.operators import upsample


def total(product):
    return product.flatten(1).sum(1)


def parts_of(model, images, classes, **options):
    tool = FullGrad(model, **options)
    tool.by_level(images, classes)
    of_image, of_biases = full_gradient(
        model, images, tool.levels, classes, options.get("output"), total
    )
    return of_image, dict(zip([level.name for level in tool.levels], of_biases, strict=True))


def test_full_grad_by_hand(known_gradients, image):
    known_gradients[0].bias = nn.Parameter(torch.tensor([2.0, -0.5]))
    # Input × gradient: A1·G1 and A2·G2 in size, the largest 1.6; bias × gradient: the largest 0.8.
    of_image = torch.tensor([[0.4, 0.4 + 0.4], [0.6 + 1.6, 0.0]]) / 1.6
    of_bias = torch.tensor([[0.8 + 0.2, 0.4 + 0.2], [0.4 + 0.4, 0.0]]) / 0.8
    found = FullGrad(known_gradients).by_level(image, 0)
    assert list(found) == [ALL_LEVELS]
    assert_close(found[ALL_LEVELS], (of_image + of_bias)[None])
    assert_close(FullGrad(known_gradients).explain(image, 0), found[ALL_LEVELS])
    # Signs do not count.
    assert_close(FullGrad(known_gradients).explain(image, 1), found[ALL_LEVELS])


def test_without_biases_the_map_is_that_of_the_image(known_gradients, image):
    tool = FullGrad(known_gradients)
    expected = torch.tensor([[0.4, 0.8], [2.2, 0.0]]) / 1.6
    assert_close(tool.explain(image, 0), expected[None])
    assert tool.levels == []


@pytest.mark.parametrize("spatial", [1, 2, 3])
def test_its_parts_sum_to_the_logit(spatial, small_net, small_images):
    model, images = small_net(spatial).double().eval(), small_images(spatial).double()
    model.norm.running_var.uniform_(0.5, 2)
    nn.init.normal_(model.norm.weight)
    nn.init.normal_(model.norm.bias)
    of_image, of_biases = parts_of(model, images, [2, 0, 1])
    assert list(of_biases) == ["second", "first", "norm"]
    logits = model(images)[[0, 1, 2], [2, 0, 1]].detach()
    # The bias of the last layer has no place.
    found = of_image + sum(of_biases.values()) + model.head.bias.detach()[[2, 0, 1]]
    assert_close(found, logits)
    for part in (of_image, *of_biases.values()):
        assert part.abs().min() > 1e-6


class Twice(nn.Module):
    """A convolution that runs twice, a pooled gate with a bias of its own, and a maximum."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(2, 2, 3, padding=1)
        self.up = nn.ConvTranspose2d(2, 3, 2, stride=2)
        self.head = nn.Linear(3, 2)

    def forward(self, x):
        x = torch.relu_(self.conv(x))
        x = nn.functional.max_pool2d(torch.relu_(self.conv(x)), 2)
        return self.head(self.up(x).amax((2, 3)))


def test_every_run_of_a_layer_counts():
    torch.manual_seed(3)
    model, images = Twice().double(), torch.randn(2, 2, 8, 8).double()
    of_image, of_biases = parts_of(model, images, 1)
    assert sorted(of_biases) == ["conv#1", "conv#2", "up"]
    logits = model(images)[:, 1].detach()
    assert_close(of_image + sum(of_biases.values()) + model.head.bias.detach()[1], logits)


@pytest.mark.parametrize("name", ["resnet18", "densenet"])
def test_its_parts_sum_to_the_logit_of_ordinary_networks(name):
    nets = pytest.importorskip("monai.networks.nets")
    torch.manual_seed(4)
    if name == "resnet18":
        model = nets.ResNet(
            "basic", [1, 1, 1, 1], [4, 6, 8, 10], spatial_dims=3, n_input_channels=1, num_classes=2
        )
        last = model.fc
    else:
        model = nets.DenseNet(2, 1, 2, init_features=8, growth_rate=4, block_config=(2, 2))
        last = model.class_layers.out
    model = model.double().eval()
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d | nn.BatchNorm3d):
            module.running_mean.normal_(std=0.1)
            module.running_var.uniform_(0.5, 1)
            nn.init.normal_(module.bias, std=0.1)
    images = torch.randn(2, 1, *(32,) * (3 if name == "resnet18" else 2)).double()
    of_image, of_biases = parts_of(model, images, 1)
    assert len(of_biases) > 5
    found = of_image + sum(of_biases.values()) + last.bias.detach()[1]
    assert_close(found, model(images)[:, 1].detach())


def test_a_bias_without_a_place_has_no_part():
    torch.manual_seed(5)
    model = nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1), nn.ReLU(), nn.AdaptiveAvgPool2d(1),
        nn.Conv2d(4, 6, 1), nn.ReLU(), nn.Flatten(), nn.Linear(6, 2),
    )  # fmt: skip
    tool = FullGrad(model)
    tool.explain(torch.randn(1, 1, 8, 8))
    assert [level.name for level in tool.levels] == ["0"]


@pytest.mark.parametrize("spatial", [2, 3])
def test_shares_lie_where_the_positions_of_their_layers_do(spatial):
    torch.manual_seed(6)
    model = nn.Sequential(
        CONVOLUTIONS[spatial](1, 3, 1, stride=2), nn.Flatten(), nn.Linear(3 * 4**spatial, 2)
    )
    images = torch.randn(2, 1, *(8,) * spatial)
    tool = FullGrad(model)
    found = tool.explain(images, 0)
    gradient = (
        model[2].weight.detach()[0].view(1, 3, *(4,) * spatial).expand(2, -1, *(4,) * spatial)
    )
    bias = model[0].bias.detach().view(1, 3, *(1,) * spatial)
    share = normalise((gradient * bias).abs()).sum(1, keepdim=True)
    of_bias = upsample(share, (8,) * spatial, tool.levels[0].feature_grid)[:, 0]
    to_image = nn.functional.conv_transpose2d if spatial == 2 else nn.functional.conv_transpose3d
    back = to_image(gradient, model[0].weight.detach(), stride=2, output_padding=1)
    of_image = normalise((back * images).abs()).sum(1)
    assert_close(found, of_image + of_bias)
    assert_close(tool.levels[0].feature_grid.first, (0.0,) * spatial)


def test_it_takes_one_pass_after_the_first_batch(small_net, small_images):
    model, images = small_net(), small_images()
    tool = FullGrad(model)
    tool.explain(images)
    runs = []
    handle = model.register_forward_hook(lambda *_: runs.append(1))
    tool.explain(images, 1)
    handle.remove()
    assert len(runs) == 1


def test_a_layer_that_later_gives_no_gradient(small_net, small_images):
    model, images = small_net(), small_images()
    tool = FullGrad(model)
    tool.explain(images)
    model.first.register_forward_hook(lambda _module, _args, output: output.detach())
    with pytest.raises(LevelError, match="logits do not depend on the level"):
        tool.explain(images)


def test_the_bias_of_each_kind_of_layer():
    norm = nn.BatchNorm2d(2, eps=0.0)
    norm.running_mean.copy_(torch.tensor([1.0, -2.0]))
    norm.running_var.copy_(torch.tensor([4.0, 0.25]))
    norm.weight.data, norm.bias.data = torch.tensor([3.0, 0.5]), torch.tensor([0.1, 0.2])
    assert_close(bias_of(norm), torch.tensor([0.1 - 1.5, 0.2 + 2.0]))
    assert_close(bias_of(norm.half()), torch.tensor([-1.4, 2.2]), atol=1e-3, rtol=0)
    plain = nn.BatchNorm3d(2, eps=0.0, affine=False)
    plain.running_mean.copy_(torch.tensor([1.0, -2.0]))
    assert_close(bias_of(plain), torch.tensor([-1.0, 2.0]))
    by_batch = nn.BatchNorm2d(2, track_running_stats=False)
    by_batch.bias.data.fill_(0.3)
    assert_close(bias_of(by_batch), torch.tensor([0.3, 0.3]))
    assert bias_of(nn.InstanceNorm2d(2)) is None
    assert bias_of(Copy()) is None
    assert bias_of(nn.ReLU()) is None
    assert bias_of(nn.LayerNorm((2, 3))) is None
    for layer in (nn.Conv3d(1, 2, 1), nn.ConvTranspose1d(1, 2, 1), nn.Linear(3, 2)):
        assert torch.equal(bias_of(layer), layer.bias)
        assert not bias_of(layer).requires_grad
