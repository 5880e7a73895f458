"""Every explainer leaves the model, the images and torch's own state exactly as they were."""

import contextlib
import gc
import importlib
import inspect
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from architectures import GlobalMean, labels_for, synthetic_images
from torch import nn

from hrcam import HRCAM, find_levels

Run = Callable[[torch.Tensor], Any]
LAST = "act3"
WIDTHS = (7, 11, 13)  # of the three levels: no other tensor has such a second axis


class BoomError(RuntimeError):
    """What the user's model raises."""


CALLS_LEFT: list[int] = []
"""How many calls a fuse has left; outside of the model, whose attributes are restored."""


class Fuse(nn.Module):
    """Hands on what it takes, and raises at the call that it was told to."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if CALLS_LEFT:
            CALLS_LEFT[0] -= 1
            if CALLS_LEFT[0] == 0:
                raise BoomError("in the middle of forward")
        return x


class Net(nn.Module):
    """Batch norm, dropout, in-place activations, and a fuse between two levels."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.norm1 = nn.Conv2d(1, 7, 3, stride=2, padding=1), nn.BatchNorm2d(7)
        self.act1 = nn.ReLU(inplace=True)
        self.conv2, self.norm2 = nn.Conv2d(7, 11, 3, stride=2, padding=1), nn.BatchNorm2d(11)
        self.act2, self.drop = nn.ReLU(inplace=True), nn.Dropout2d(0.5)
        self.fuse = Fuse()
        self.conv3 = nn.Conv2d(11, 13, 3, padding=1, stride=2)
        self.act3 = nn.ReLU(inplace=True)
        self.pool, self.fc = GlobalMean(), nn.Linear(13, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.act1(self.norm1(self.conv1(x)))
        x = self.drop(self.act2(self.norm2(self.conv2(x))))
        x = self.act3(self.conv3(self.fuse(x)))
        return self.fc(self.pool(x))


def _fit(target: str) -> Callable[[nn.Module, torch.Tensor], Run]:
    def prepare(model: nn.Module, _: torch.Tensor) -> Run:
        def run(images: torch.Tensor) -> Any:
            labels = labels_for(len(images))
            batches = [(images, labels)] if target == "labels" else [images]
            hr = HRCAM(model).fit(batches, target=target, bootstrap=2)
            return hr.head.covariance.features

        return run

    return prepare


def _explain(model: nn.Module, images: torch.Tensor) -> Run:
    hr = HRCAM(model).fit([images], target="logits")
    return lambda images: hr.explain(images).pattern


def _rival(method: type) -> Callable[[nn.Module, torch.Tensor], Run]:
    # FullGrad reads all layers.
    options = {"levels": [LAST]} if "levels" in inspect.signature(method).parameters else {}
    return lambda model, _: method(model, **options).explain


EXPLAINERS: dict[str, Callable[[nn.Module, torch.Tensor], Run]] = {
    "find_levels": lambda model, _: lambda images: [x.name for x in find_levels(model, images)],
    "fit to labels": _fit("labels"),
    "fit to logits": _fit("logits"),
    "explain": _explain,
}
with contextlib.suppress(ModuleNotFoundError):  # every rival that there is
    METHODS = importlib.import_module("hrcam.baselines").METHODS
    EXPLAINERS |= {name: _rival(method) for name, method in METHODS.items()}

MAPPERS = [name for name in EXPLAINERS if name != "find_levels"]


def same(one: Any, other: Any) -> bool:
    if issubclass(type(one), torch.Tensor):
        return torch.equal(one, other)
    return bool((one == other).all()) if hasattr(one, "all") else one == other


def hooks_of(model: nn.Module) -> dict[str, list[Any]]:
    return {
        f"{name}.{attribute}": list(hooks.items())
        for name, module in model.named_modules()
        for attribute, hooks in vars(module).items()
        if "hook" in attribute and isinstance(hooks, dict)
    }


class State:
    """All that a call could leave changed."""

    def __init__(self, model: nn.Module, images: torch.Tensor) -> None:
        self.hooks = hooks_of(model)
        self.modes = {name: module.training for name, module in model.named_modules()}
        self.inplace = {n: getattr(m, "inplace", None) for n, m in model.named_modules()}
        self.attributes = {name: sorted(vars(m)) for name, m in model.named_modules()}
        self.requires_grad = {n: p.requires_grad for n, p in model.named_parameters()}
        self.grad_objects = {n: id(p.grad) for n, p in model.named_parameters()}
        self.contexts = (
            torch.is_grad_enabled(),
            torch.is_inference_mode_enabled(),
            torch.is_autocast_enabled("cpu"),
            torch.backends.cudnn.enabled,
        )
        self.image_flags = (images.requires_grad, images.grad is None, images._backward_hooks)
        self.values = {
            "images": images.detach().clone(),
            "generator": torch.get_rng_state(),
            **{f"state {n}": t.clone() for n, t in model.state_dict().items()},
            **{
                f"grad {n}": p.grad.clone()
                for n, p in model.named_parameters()
                if p.grad is not None
            },
        }

    def assert_same(self, other: "State") -> None:
        for name, value in vars(self).items():
            if name != "values":
                assert getattr(other, name) == value, name
        assert other.values.keys() == self.values.keys()
        for name, tensor in self.values.items():
            assert torch.equal(other.values[name], tensor), name


@pytest.fixture
def images() -> torch.Tensor:
    return synthetic_images(6, 1, (33, 41))


@pytest.fixture
def model() -> Net:
    return Net().eval()


@pytest.fixture
def seen_by_user() -> list[str]:
    return []


@pytest.fixture
def used_model(images: torch.Tensor, seen_by_user: list[str]) -> Net:
    """A model in the middle of its life: gradients, hooks, mixed modes, frozen parts."""
    model = Net()
    model(images).sum().backward()
    model.conv1.weight.grad = None
    model.conv2.requires_grad_(False)
    model.norm1.eval()
    model.conv1.register_forward_pre_hook(lambda *_: seen_by_user.append("before"))
    model.conv2.register_forward_hook(lambda *_: seen_by_user.append("after"))
    model.fc.register_full_backward_hook(lambda *_: None)
    model.register_forward_hook(lambda *_: seen_by_user.append("model"))
    return model


@pytest.mark.parametrize("name", EXPLAINERS)
def test_no_trace_on_success(name, used_model, images, seen_by_user):
    run = EXPLAINERS[name](used_model, images)
    before = State(used_model, images)
    seen_by_user.clear()
    run(images)
    before.assert_same(State(used_model, images))
    assert {"before", "after", "model"} <= set(seen_by_user)


@pytest.mark.parametrize("call", [1, 2, 3])
@pytest.mark.parametrize("name", EXPLAINERS)
def test_no_trace_when_the_model_raises(name, call, used_model, images):
    run = EXPLAINERS[name](used_model, images)
    before = State(used_model, images)
    CALLS_LEFT[:] = [call]
    raised: BoomError | None = None
    try:
        run(images)
    except BoomError as error:
        raised = error  # kept: its traceback must not hold a context open
    exploded = CALLS_LEFT.pop() <= 0
    assert (raised is not None) == exploded
    assert exploded or call > 1
    before.assert_same(State(used_model, images))


@pytest.mark.parametrize("name", EXPLAINERS)
def test_images_that_carry_gradients(name, model, images):
    run = EXPLAINERS[name](model, images)
    expected = run(images)
    leaf = images.clone().requires_grad_()
    assert same(run(leaf), expected)
    assert leaf.grad is None
    assert leaf.requires_grad


@contextlib.contextmanager
def frozen(model: nn.Module) -> Iterator[None]:
    model.requires_grad_(False)
    yield


CONTEXTS: dict[str, Callable[[nn.Module], Any]] = {
    "frozen": frozen,
    "no_grad": lambda _: torch.no_grad(),
    "inference_mode": lambda _: torch.inference_mode(),
}


@pytest.mark.parametrize("context", CONTEXTS)
@pytest.mark.parametrize("name", EXPLAINERS)
def test_contexts_change_nothing(name, context, model, images):
    expected = EXPLAINERS[name](model, images)(images)
    with CONTEXTS[context](model):
        result = EXPLAINERS[name](model, images)(images)
        assert same(result, expected)
        # Images made inside, as by a loader that runs there.
        assert same(EXPLAINERS[name](model, images.clone())(images.clone()), expected)


@pytest.mark.parametrize("name", MAPPERS)
def test_bfloat16_autocast(name, model, images):
    with torch.autocast("cpu", dtype=torch.bfloat16):
        result = EXPLAINERS[name](model, images)(images)
        assert torch.is_autocast_enabled("cpu")
    if isinstance(result, torch.Tensor):
        assert result.dtype == torch.float32
        assert torch.isfinite(result).all()


def test_identity_holds_under_autocast(model, images):
    with torch.autocast("cpu", dtype=torch.bfloat16):
        exp = HRCAM(model).fit([images], target="logits").explain(images)
    logit = exp.logits.gather(1, exp.classes[:, None])[:, 0]
    torch.testing.assert_close(
        exp.evidence.flatten(1).mean(1) + exp.bias, logit, rtol=0, atol=1e-4 * logit.abs().max()
    )


@pytest.mark.parametrize("name", MAPPERS)
def test_twice_gives_the_same(name, model, images):
    run = EXPLAINERS[name](model, images)
    assert same(run(images), run(images))


def test_two_explainers_on_one_model(model, images):
    alone = HRCAM(model).fit([images], target="logits").explain(images)
    one = HRCAM(model).fit([images], target="logits")
    two = HRCAM(model, levels=["act1"]).fit([(images, labels_for(6))])
    two.explain(images)
    assert torch.equal(one.explain(images).evidence, alone.evidence)
    assert list(two.explain(images).by_level) == ["act1"]


def test_a_model_in_training_is_read_in_evaluation_mode(model, images):
    expected = HRCAM(model).fit([images], target="logits").explain(images)
    model.train()
    exp = HRCAM(model).fit([images], target="logits").explain(images)
    assert torch.equal(exp.evidence, expected.evidence)
    assert model.drop.training


def test_train_methods_of_the_user_are_not_called(images):
    class Stubborn(Net):
        def train(self, mode: bool = True):
            raise AssertionError("the user's train was called")

    HRCAM(Stubborn()).fit([images], target="logits").explain(images)


@pytest.fixture(scope="module", autouse=True)
def small_heap():
    """The collector walks what tests make, and not all that is imported."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


def feature_maps_alive() -> list[torch.Size]:
    gc.collect()
    return [
        one.shape
        for one in gc.get_objects()
        if issubclass(type(one), torch.Tensor) and one.ndim == 4
        and one.shape[1] in WIDTHS and one.shape[2] > 3
    ]  # fmt: skip


@pytest.mark.parametrize("name", EXPLAINERS)
def test_no_feature_map_is_kept(name, model, images):
    assert not feature_maps_alive()
    run = EXPLAINERS[name](model, images)
    result = run(images)
    assert not feature_maps_alive()
    del result


def test_no_feature_map_outlives_its_layer(model, images):
    """Memory stays that of a plain forward pass: the first map is gone when the last is made."""
    hr = HRCAM(model).fit([images], target="logits")
    made: list[weakref.ref[torch.Tensor]] = []
    alive: list[bool] = []
    model.act1.register_forward_hook(lambda _m, _i, output: made.append(weakref.ref(output)))
    model.fc.register_forward_hook(lambda *_: alive.append(made[-1]() is not None))
    hr.explain(images)
    assert alive == [False]


def test_explaining_many_times_does_not_grow(model, images):
    hr = HRCAM(model).fit([images], target="logits")

    def tensors() -> int:
        gc.collect()
        return sum(issubclass(type(one), torch.Tensor) for one in gc.get_objects())

    hr.explain(images)
    before = tensors()
    for _ in range(5):
        hr.explain(images)
    assert tensors() <= before


@pytest.mark.parametrize("name", EXPLAINERS)
def test_the_model_can_be_freed(name, images):
    model = Net().eval()
    reference = weakref.ref(model)
    run = EXPLAINERS[name](model, images)
    run(images)
    del model, run
    gc.collect()
    assert reference() is None


def test_a_map_without_gradient_is_handed_out(model, images):
    model.train()  # parameters require gradients
    exp = HRCAM(model).fit([images], target="logits").explain(images)
    for tensor in (exp.evidence, exp.pattern, exp.logits, exp.bias, *exp.level_evidence.values()):
        assert not tensor.requires_grad
