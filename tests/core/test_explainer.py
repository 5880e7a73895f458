"""HRCAM over every architecture: the identity, and the plain definition of the maps."""

import copy
from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch
from architectures import ARCHITECTURES, HAND_MADE, Architecture, labels_for, simple
from torch import nn

from hrcam import HRCAM, Explanation, refine
from hrcam.levels.capture import capture
from hrcam.levels.operators import upsample
from hrcam.model.call import Images, call_model, logits_of
from hrcam.model.tensors import map_tensors

IMAGES = 6


@dataclass(frozen=True)
class Fitted:
    architecture: Architecture
    hr: HRCAM
    images: Images
    explanation: Explanation


def fitted(architecture: Architecture, target: str, **options) -> Fitted:
    model, images = architecture.model(), architecture.images(IMAGES)
    batch = (images, labels_for(IMAGES)) if target == "labels" else images
    # In a list, a batch that is itself a tuple would read as (images, labels).
    hr = HRCAM(model, output=architecture.output).fit([batch], target=target, **options)
    return Fitted(architecture, hr, images, hr.explain(images))


@pytest.fixture(
    scope="module",
    params=[
        pytest.param(
            (name, target),
            id=f"{name}-{target}",
            marks=pytest.mark.xdist_group(f"{name}-{target}"),  # fitted by one worker alone
        )
        for name in ARCHITECTURES
        for target in ("labels", "logits")
    ],
)
def case(request: pytest.FixtureRequest) -> Fitted:
    name, target = request.param
    return fitted(ARCHITECTURES[name], target)


def some_of(images: Images, index: slice) -> Images:
    return map_tensors(images, lambda tensor: tensor[index])


def close(actual: torch.Tensor, expected: torch.Tensor, relative: float = 1e-4) -> None:
    """Agree to a share of the largest value: maps have zeros everywhere."""
    scale = expected.abs().max().item()
    torch.testing.assert_close(
        actual.double(), expected.double(), rtol=0, atol=relative * scale + 1e-12
    )


def naive_evidence(hr: HRCAM, images: Images, grid, classes) -> torch.Tensor:
    """Upsample every channel, standardise, weigh, sum: the method as it is written down."""
    _, maps = capture(hr.model, images, hr.levels, lambda _, feature_map: feature_map.clone())
    total, start = torch.zeros(len(classes), *grid, dtype=torch.float64), 0
    axes = (None, slice(None), *(None for _ in grid))
    for level, feature_map in zip(hr.levels, maps, strict=True):
        for first in range(0, level.channels, 64):
            part = feature_map[:, first : first + 64].float()
            here = slice(start + first, start + first + part.shape[1])
            z = (upsample(part, grid) - torch.tensor(hr.head.mean[here])[axes]) / torch.tensor(
                hr.head.scale[here]
            )[axes]
            weights = torch.tensor(hr.head.weights[:, here])[classes]
            total += torch.einsum("bk...,bk->b...", z, weights)
        start += level.channels
    return total


def test_evidence_sums_to_the_logit(case: Fitted):
    exp = case.explanation
    logit = exp.logits.gather(1, exp.classes[:, None])[:, 0]
    close(exp.evidence.flatten(1).double().mean(1) + exp.bias, logit)


def test_levels_sum_to_the_evidence(case: Fitted):
    exp = case.explanation
    assert list(exp.by_level) == [level.name for level in case.hr.levels]
    close(sum(exp.by_level.values()), exp.evidence, 1e-5)


def test_maps_have_the_image_grid_and_are_finite(case: Fitted):
    exp = case.explanation
    for one in (exp.evidence, exp.pattern, *exp.by_level.values()):
        assert one.shape == (IMAGES, *case.architecture.size)
        assert torch.isfinite(one).all()
        assert torch.finfo(one.dtype).bits >= 32
        assert not one.requires_grad


def test_evidence_is_the_naive_one(case: Fitted):
    exp, first = case.explanation, slice(0, 2)
    expected = naive_evidence(
        case.hr, some_of(case.images, first), case.architecture.size, exp.classes[first]
    )
    close(exp.evidence[first], expected)


def test_logits_are_those_of_the_head(case: Fitted):
    """Pooled the naive way, through the head's own formula."""
    exp, hr, grid = case.explanation, case.hr, case.architecture.size

    def naive_pool(_: int, feature_map: torch.Tensor) -> torch.Tensor:
        # One image at a time keeps the upsampled maps small.
        return torch.cat(
            [upsample(one.float(), grid).flatten(2).mean(-1) for one in feature_map.split(1)]
        )

    first = slice(0, 2)
    _, pooled = capture(hr.model, some_of(case.images, first), hr.levels, naive_pool)
    expected = torch.from_numpy(hr.head.logits(torch.cat(pooled, 1).double().numpy()))
    close(exp.logits[first], expected, 1e-3)


def test_explained_class_is_the_predicted_one(case: Fitted):
    exp = case.explanation
    with torch.no_grad():
        output = call_model(case.hr.model, case.images)
    model_logits = logits_of(output, case.architecture.output)
    if case.hr.head.target == "logits":
        torch.testing.assert_close(exp.model_logits, model_logits.float())
        assert torch.equal(exp.classes, model_logits.argmax(1))
    else:
        assert exp.model_logits is None
        assert torch.equal(exp.classes, exp.logits.argmax(1))


@pytest.mark.parametrize("architecture", HAND_MADE, ids=lambda one: one.name)
def test_a_batch_is_what_single_images_are(architecture: Architecture):
    case = fitted(architecture, "logits")
    # Half-precision convolutions themselves round differently in a batch.
    tolerance = 1e-5 if torch.finfo(architecture.dtype).bits >= 32 else 2e-2
    for index in (0, 3):
        one = case.hr.explain(some_of(case.images, slice(index, index + 1)))
        for name in ("evidence", "pattern", "logits"):
            whole = getattr(case.explanation, name)
            close(getattr(one, name), whole[index : index + 1], tolerance)


def test_explaining_twice_gives_the_same():
    case = fitted(ARCHITECTURES["dropout"], "labels")
    again = case.hr.explain(case.images)
    assert torch.equal(again.evidence, case.explanation.evidence)
    assert torch.equal(again.pattern, case.explanation.pattern)


def test_fitting_twice_gives_the_same():
    one, two = (fitted(ARCHITECTURES["plain"], "labels", seed=3, bootstrap=2) for _ in range(2))
    assert torch.equal(one.explanation.evidence, two.explanation.evidence)
    assert torch.equal(one.explanation.std, two.explanation.std)


@pytest.mark.parametrize("classes", [1, [1] * IMAGES, torch.tensor([1] * IMAGES)])
def test_classes_can_be_chosen(classes):
    case = fitted(ARCHITECTURES["plain"], "labels")
    exp = case.hr.explain(case.images, classes)
    assert exp.classes.tolist() == [1] * IMAGES
    close(exp.evidence, naive_evidence(case.hr, case.images, case.architecture.size, exp.classes))


@pytest.mark.parametrize("target", ["labels", "logits"])
def test_logits_without_maps_are_those_of_the_explanation(target):
    case = fitted(ARCHITECTURES["plain"], target)
    found = case.hr.logits(case.images)
    close(found.head, case.explanation.logits, 1e-6)
    if target == "labels":
        assert found.model is None
    else:
        close(found.model, case.explanation.model_logits, 1e-6)


def test_choosing_the_predicted_class_is_choosing_none():
    case = fitted(ARCHITECTURES["plain"], "logits")
    chosen = case.hr.explain(case.images, case.explanation.classes)
    close(chosen.evidence, case.explanation.evidence, 1e-6)
    # The root enlarges rounding errors near 0.
    close(chosen.pattern, case.explanation.pattern, 1e-5)


@pytest.mark.parametrize("target", ["labels", "logits"])
def test_maps_of_two_classes_are_opposite(target):
    model = simple(outputs=2).eval()
    images = ARCHITECTURES["plain"].images(IMAGES)
    batch = (images, torch.arange(IMAGES) % 2) if target == "labels" else images
    hr = HRCAM(model).fit([batch], target=target)
    zero, one = hr.explain(images, 0), hr.explain(images, 1)
    close(zero.evidence, -one.evidence, 1e-6)
    close(zero.logits[:, 0], -zero.logits[:, 1], 1e-6)
    # The patterns are compared with images of other classes; what is compared is opposite.
    assert hr.references == (1, 0)
    patterns = hr.head.covariance.pattern(np.array([1, 0]))
    np.testing.assert_allclose(patterns[0], -patterns[1], atol=1e-12)


def test_more_classes_than_are_mapped_together():
    number = 20
    model, images = simple(outputs=number).eval(), ARCHITECTURES["plain"].images(12)
    hr = HRCAM(model).fit([images], target="logits")
    exp = hr.explain(images)
    with torch.no_grad():
        assert torch.equal(exp.classes, model(images).argmax(1))
    logit = exp.logits.gather(1, exp.classes[:, None])[:, 0]
    close(exp.evidence.flatten(1).mean(1) + exp.bias, logit)
    close(exp.evidence, naive_evidence(hr, images, (33, 41), exp.classes))


def test_a_linear_net_at_integer_strides_is_explained_exactly():
    """Global mean and a linear layer: the head over the last level is the model."""
    model = simple().eval()
    images = torch.cat([ARCHITECTURES["plain"].images(40)[..., :32, :40]])
    hr = HRCAM(model).fit([images[:20], images[20:]], target="logits")
    assert hr.fidelity > 0.999
    with torch.no_grad():
        logits = model(images)
    exp = hr.explain(images)
    close(exp.logits, logits - logits.mean(1, keepdim=True), 1e-2)
    close(exp.model_logits, logits, 1e-6)


def test_levels_by_name_restrict_the_maps():
    images = ARCHITECTURES["plain"].images(IMAGES)
    hr = HRCAM(simple().eval(), levels=["3"]).fit([images], target="logits")
    exp = hr.explain(images)
    assert list(exp.by_level) == ["3"]
    assert len(hr.head.mean) == 8


def test_images_of_another_size_than_fitted():
    """Pooling and upsampling follow the image at hand."""
    case = fitted(ARCHITECTURES["plain"], "labels")
    other = torch.randn(2, 1, 50, 27)
    exp = case.hr.explain(other)
    assert exp.evidence.shape == (2, 50, 27)
    close(exp.evidence, naive_evidence(case.hr, other, (50, 27), exp.classes))


def test_the_predictor_is_the_model_unless_the_head_learnt_labels():
    of_labels = fitted(ARCHITECTURES["plain"], "labels").explanation
    assert of_labels.predictor_logits is of_labels.logits
    of_logits = fitted(ARCHITECTURES["plain"], "logits").explanation
    assert of_logits.predictor_logits is of_logits.model_logits


def test_std_is_the_naive_one_over_the_refits():
    """The standard deviation of the refits' maps as read, refined along the image."""
    case = fitted(ARCHITECTURES["plain"], "labels", bootstrap=11)  # more than one chunk
    maps = []
    for covariance in case.hr.head.resampled:
        refit = copy.copy(case.hr)
        head = replace(case.hr.head, covariance=covariance, resampled=())
        refit._adopt(replace(case.hr._known, head=head), {})
        maps.append(refit.explain(case.images).pattern_as_read)
    close(case.explanation.std, refine(torch.stack(maps).std(0), case.images))


def test_the_pattern_is_the_size_of_the_map_as_read_refined_along_the_image():
    """What speaks for a class and what speaks against it do not cancel."""
    case = fitted(ARCHITECTURES["plain"], "labels")
    as_read, pattern = case.explanation.pattern_as_read, case.explanation.pattern
    close(pattern.abs(), refine(as_read.abs(), case.images))
    assert torch.equal(pattern.sign(), as_read.sign())


def test_no_bootstrap_no_std():
    assert fitted(ARCHITECTURES["plain"], "labels").explanation.std is None


def test_half_precision_model_gives_nearly_the_maps_of_its_single_precision_twin():
    plain, half = (fitted(ARCHITECTURES[name], "logits") for name in ("plain", "bfloat16"))
    close(half.explanation.logits, plain.explanation.logits, 0.1)
    evidence = half.explanation.evidence.flatten(), plain.explanation.evidence.flatten()
    assert torch.corrcoef(torch.stack(evidence))[0, 1] > 0.9


def test_monai_tensors_with_metadata():
    """MONAI's loaders yield MetaTensors; maps and numbers are the same."""
    data = pytest.importorskip("monai.data")
    model, images = simple().eval(), ARCHITECTURES["plain"].images(IMAGES)
    expected = HRCAM(model).fit([(images, labels_for(IMAGES))])
    tensor = data.MetaTensor(images)
    hr = HRCAM(model).fit([(tensor, labels_for(IMAGES))])
    exp = hr.explain(tensor)
    close(exp.evidence.as_subclass(torch.Tensor), expected.explain(images).evidence, 1e-5)
    assert [level.name for level in hr.levels] == [level.name for level in expected.levels]


def test_batches_of_any_size_give_the_same_head():
    model, images = simple().eval(), ARCHITECTURES["plain"].images(IMAGES)
    whole = HRCAM(model).fit([images], target="logits").head
    parts = HRCAM(model).fit([images[:1], images[1:5], images[5:]], target="logits").head
    np.testing.assert_allclose(parts.mean, whole.mean, rtol=1e-5)
    for name in ("features", "logits"):
        one, other = (getattr(head.covariance, name) for head in (parts, whole))
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)


def test_logits_target_with_the_training_loader():
    """Its labels are not needed, and a loader that has them serves as well."""
    model, images = simple().eval(), ARCHITECTURES["plain"].images(IMAGES)
    loader = torch.utils.data.DataLoader(
        torch.utils.data.TensorDataset(images, labels_for(IMAGES)), batch_size=3
    )
    plain = HRCAM(model).fit([images], target="logits").explain(images)
    close(HRCAM(model).fit(loader, target="logits").explain(images).evidence, plain.evidence)


def test_a_loader_of_two_images_of_different_sizes():
    """DataLoader turns the tuple of a model's two arguments into a list."""
    architecture = ARCHITECTURES["takes_two_arguments"]
    first, second = architecture.images(IMAGES)
    pairs = [((first[i], second[i]), int(labels_for(IMAGES)[i])) for i in range(IMAGES)]
    loader = torch.utils.data.DataLoader(pairs, batch_size=IMAGES)
    exp = HRCAM(architecture.model()).fit(loader).explain([first, second])
    assert exp.evidence.shape == first[:, 0].shape


def test_many_outputs_that_do_not_compete():
    """centre=False: two regressions keep their own means and signs."""
    model, images = simple(outputs=2).eval(), ARCHITECTURES["plain"].images(30)
    with torch.no_grad():
        model[-1].bias.copy_(torch.tensor([5.0, 50.0]))
        logits = model(images)
    exp = HRCAM(model).fit([images], target="logits", centre=False).explain(images, 1)
    close(exp.logits, logits, 0.02)


def test_a_wrapped_model_is_read_too():
    class Wrapper(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = simple()

        def forward(self, *args, **kwargs):
            return self.inner(*args, **kwargs)

    images = ARCHITECTURES["plain"].images(IMAGES)
    hr = HRCAM(Wrapper().eval()).fit([images], target="logits")
    assert [level.name for level in hr.levels] == ["inner.5", "inner.3", "inner.1"]
