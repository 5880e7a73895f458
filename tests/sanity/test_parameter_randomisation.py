import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from hrcam.baselines import GradCAM
from hrcam.errors import InputError
from hrcam.evaluation.model_free_maps import edges
from hrcam.networks import SmallCNN
from hrcam.sanity.parameter_randomisation import permute_labels, randomisation_test
from hrcam.sanity.random_weights import modules_from_output, randomised_stages


def images_with_blobs(dimensions, number=48):
    """Noise; images of class 1 have a bright blob somewhere."""
    generator, size = torch.Generator().manual_seed(0), {2: 16, 3: 12}[dimensions]
    images = 0.3 * torch.randn(number, 1, *(size,) * dimensions, generator=generator)
    labels = torch.arange(number) % 2
    corners = torch.randint(1, size - 6, (number, dimensions), generator=generator)
    for image, label, corner in zip(images, labels, corners.tolist(), strict=True):
        image[(0, *(slice(c, c + 5) for c in corner))] += 2.0 * label
    return images, labels


@pytest.fixture(scope="module", params=[2, 3], ids=["2D", "3D"])
def trained(request):
    """A network that has learnt to tell the blobs, and images of class 1."""
    dimensions = request.param
    torch.manual_seed(0)
    images, labels = images_with_blobs(dimensions)
    model = SmallCNN(dimensions, 1, 2, widths=(8, 8))
    optimiser = torch.optim.Adam(model.parameters(), 0.02)
    for _ in range(40):
        optimiser.zero_grad()
        F.cross_entropy(model(images), labels).backward()
        optimiser.step()
    model.eval()
    assert (model(images).argmax(1) == labels).float().mean() > 0.95
    return model, images[labels == 1][:8]


def grad_cam(model):
    method = GradCAM(model, levels=["blocks"])
    return lambda images, classes: method.explain(images, classes)


def test_randomising_destroys_the_maps_of_a_method_that_reads_the_model(trained):
    model, images = trained
    classes = torch.ones(8, dtype=torch.long)
    ends = []
    for seed in range(6):
        stages = randomisation_test(model, grad_cam, images, classes, stages=4, seed=seed)
        assert len(stages) == 4
        assert stages[0].modules[0] == "classifier"
        assert "blocks.0.0" in stages[-1].modules
        ends.append(stages[-1])
    for score in ("spearman", "spearman_absolute"):
        assert abs(np.mean([getattr(end, score) for end in ends])) < 0.5
    assert np.mean([end.ssim for end in ends]) < 0.25


def test_a_method_that_ignores_the_model_is_caught(trained):
    model, images = trained
    classes = torch.ones(8, dtype=torch.long)
    stages = randomisation_test(model, lambda _: lambda batch, _: edges(batch), images, classes)
    for stage in stages:
        for score in (stage.ssim, stage.spearman, stage.spearman_absolute):
            np.testing.assert_allclose(score, 1)


def test_signed_and_absolute_correlation_differ_where_the_sign_turns():
    model = nn.Sequential(nn.Conv2d(1, 1, 1, bias=False), nn.Flatten(), nn.Linear(144, 2))
    images = torch.randn(2, 1, 12, 12)

    def method(network):
        sign = 1.0 if torch.equal(network[0].weight, model[0].weight) else -1.0
        return lambda batch, classes: sign * batch[:, 0]

    head, whole = randomisation_test(model, method, images, torch.tensor([0, 1]), stages=2)
    np.testing.assert_allclose(head.spearman, 1)
    np.testing.assert_allclose(whole.spearman, -1)
    np.testing.assert_allclose(whole.spearman_absolute, 1)


def test_maps_are_compared_in_the_region():
    model = nn.Sequential(nn.Conv2d(1, 1, 1), nn.Flatten(), nn.Linear(400, 2))
    images = torch.randn(1, 1, 20, 20)
    left = torch.zeros(20, 20, dtype=torch.bool)
    left[:, :10] = True

    def method(network):
        def explain(batch, classes):
            maps = batch[:, 0].clone()
            if not torch.equal(network[2].weight, model[2].weight):
                maps[..., 10:] *= -1
            return maps

        return explain

    (everywhere, *_) = randomisation_test(model, method, images, torch.tensor([0]))
    (inside, *_) = randomisation_test(model, method, images, torch.tensor([0]), region=left)
    assert inside.spearman == pytest.approx([1])
    assert everywhere.spearman[0] < 0.5
    assert inside.ssim[0] > everywhere.ssim[0]


def test_the_model_and_the_global_generator_are_left_alone(trained):
    model, images = trained
    model.blocks[0].train()
    modes = [module.training for module in model.modules()]
    before = {name: value.clone() for name, value in model.state_dict().items()}
    state = torch.random.get_rng_state()
    randomisation_test(model, grad_cam, images, torch.ones(8, dtype=torch.long), stages=2)
    assert torch.equal(state, torch.random.get_rng_state())
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
    assert [module.training for module in model.modules()] == modes
    assert not any(module._forward_hooks for module in model.modules())
    model.eval()


def test_each_stage_randomises_its_modules_and_no_other(trained):
    model, images = trained
    learnt = modules_from_output(model, images)
    assert learnt[:3] == ["classifier", "blocks.1.5", "blocks.1.4"]
    assert learnt[-1] == "blocks.0.0"
    done = []
    for names, copy in randomised_stages(model, images, stages=3):
        assert not copy.training
        done += names
        for name, parameter in copy.named_parameters():
            same = torch.equal(parameter, model.get_parameter(name))
            assert same == (name.rpartition(".")[0] not in done), name
    assert done == learnt


def test_same_seed_same_parameters(trained):
    model, images = trained

    def last(seed):
        *_, (_, copy) = randomised_stages(model, images, seed=seed)
        return copy.classifier.weight

    assert torch.equal(last(1), last(1))
    assert not torch.equal(last(1), last(2))


def test_running_statistics_are_measured_anew_or_reset(trained):
    model, images = trained
    *_, (_, copy) = randomised_stages(model, images)
    first = copy.blocks[0][0](images)
    axes = (0, *range(2, first.ndim))
    torch.testing.assert_close(copy.blocks[0][1].running_mean, first.mean(axes))
    torch.testing.assert_close(copy.blocks[0][1].running_var, first.var(axes))
    last = copy.blocks[1][:-1](copy.blocks[0](images))
    # Not 0 to the last digit: running variances are of n − 1, those of a batch of n.
    torch.testing.assert_close(last.mean(axes), torch.zeros(8), atol=5e-3, rtol=0)
    assert copy.blocks[0][1].momentum == model.blocks[0][1].momentum
    *_, (_, copy) = randomised_stages(model, images, reestimate=False)
    for norm in (copy.blocks[0][1], copy.blocks[1][5]):
        assert not norm.running_mean.any()
        assert (norm.running_var == 1).all()


class Scale(nn.Module):
    """Has parameters, and no way to initialise them."""

    def __init__(self):
        super().__init__()
        self.factor = nn.Parameter(torch.full((4, 1, 1), 5.0))

    def forward(self, x):
        return x * self.factor


class Awkward(nn.Module):
    """Defined in another order than run; one layer runs twice, one is used without a call."""

    def __init__(self):
        super().__init__()
        self.head = nn.Linear(4, 2)
        self.scale = Scale()
        self.uncalled = nn.Conv2d(4, 4, 1)
        self.twice = nn.Conv2d(4, 4, 3, padding=1)
        self.stem = nn.Conv2d(1, 4, 3, padding=1)
        self.bias = nn.Parameter(torch.ones(4))

    def reset_parameters(self):
        for module in self.children():
            if hasattr(module, "reset_parameters"):
                module.reset_parameters()

    def forward(self, x):
        x = self.twice(self.scale(self.twice(self.stem(x))))
        x = F.conv2d(x, self.uncalled.weight, self.uncalled.bias)
        return self.head(x.mean((2, 3)) + self.bias)


def test_order_is_that_of_the_run():
    model, images = Awkward(), torch.randn(2, 1, 8, 8)
    names = modules_from_output(model, images)
    assert names == ["", "uncalled", "head", "twice", "scale", "stem"]
    cascade = [
        (stage, {name: value.clone() for name, value in copy.state_dict().items()})
        for stage, copy in randomised_stages(model, images, stages=6)
    ]
    # The container's own way to initialise would have reached all its layers at once.
    first = cascade[1][1]
    assert torch.equal(first["stem.weight"], model.stem.weight)
    assert not torch.equal(first["bias"], model.bias)
    last = cascade[-1][1]
    assert all(not torch.equal(last[name], value) for name, value in model.named_parameters())
    assert 1 < last["scale.factor"].square().mean().sqrt() < 12


def test_parametrised_weights_are_randomised():
    model = nn.Sequential(nn.utils.parametrizations.weight_norm(nn.Conv2d(1, 4, 3)), nn.Flatten())
    *_, (_, copy) = randomised_stages(model, torch.randn(2, 1, 8, 8))
    assert not torch.allclose(copy[0].weight, model[0].weight)


def test_label_permutation():
    labels = np.repeat(["healthy", "ill", "other"], [30, 20, 10])
    permuted = permute_labels(labels, seed=1)
    assert sorted(permuted) == sorted(labels)
    assert (permuted == labels).mean() < 0.6  # by chance 0.39
    np.testing.assert_array_equal(permuted, permute_labels(labels, seed=1))
    assert (permuted != permute_labels(labels, seed=2)).any()


def test_refuses(trained):
    model, images = trained
    classes = torch.ones(8, dtype=torch.long)
    with pytest.raises(InputError, match="no parameters"):
        list(randomised_stages(nn.Flatten(), images))
    with pytest.raises(InputError, match="stages is 0"):
        randomisation_test(model, grad_cam, images, classes, stages=0)
    with pytest.raises(InputError, match="seed is -1"):
        randomisation_test(model, grad_cam, images, classes, seed=-1)
    with pytest.raises(InputError, match="NaN"):
        randomisation_test(model, grad_cam, images * torch.nan, classes)
    with pytest.raises(InputError, match="without a channel axis"):
        randomisation_test(model, lambda _: lambda batch, _: batch, images, classes)
    with pytest.raises(InputError, match="region"):
        randomisation_test(model, grad_cam, images, classes, region=torch.zeros(2))


def test_refuses_statistics_of_one_value_and_labels_of_one_class():
    model = nn.Sequential(nn.Conv2d(1, 4, 8), nn.BatchNorm2d(4))
    with pytest.raises(InputError, match="pass more images, or reestimate=False"):
        list(randomised_stages(model, torch.randn(1, 1, 8, 8)))
    assert len(list(randomised_stages(model, torch.randn(1, 1, 8, 8), reestimate=False))) == 3
    with pytest.raises(InputError, match="all labels are the same"):
        permute_labels([1, 1, 1])
    with pytest.raises(InputError, match="shape"):
        permute_labels([[0], [1]])
    with pytest.raises(InputError, match="seed"):
        permute_labels([0, 1], seed=-1)
