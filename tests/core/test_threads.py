"""Several threads on one model: each gets its own images' maps, and the model stays as it was."""

import sys
import threading
from collections.abc import Callable, Iterator

import pytest
import torch
from architectures import labels_for, simple, synthetic_images
from torch import nn

from hrcam import HRCAM, find_levels
from hrcam.baselines import METHODS
from hrcam.model.hooks import evaluation_mode, observed

IMAGES = synthetic_images(12, 1, (33, 41))
SINGLES = IMAGES.split(1)


@pytest.fixture(autouse=True)
def switching_often() -> Iterator[None]:
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    yield
    sys.setswitchinterval(before)


@pytest.fixture
def model() -> nn.Module:
    torch.manual_seed(0)
    network = simple(norm=nn.BatchNorm2d)
    network.insert(-2, nn.Dropout2d(0.5))
    network(IMAGES)
    return network.eval()


def together(*tasks: Callable[[], object]) -> None:
    """Run tasks in threads of their own, and raise the first error."""
    errors: list[BaseException] = []
    start = threading.Barrier(len(tasks))

    def run(task: Callable[[], object]) -> None:
        start.wait()
        try:
            task()
        except BaseException as error:  # raised below
            errors.append(error)

    threads = [threading.Thread(target=run, args=[task]) for task in tasks]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]


class Unchanged:
    """Modes, hooks and every parameter and buffer of a model, to compare with later."""

    def __init__(self, model: nn.Module) -> None:
        self.model = model
        self.tensors = {name: one.clone() for name, one in model.state_dict().items()}
        self.modes = [module.training for module in model.modules()]

    def check(self) -> None:
        assert [module.training for module in self.model.modules()] == self.modes
        for name, one in self.model.state_dict().items():
            assert torch.equal(one, self.tensors[name]), name
        for module in self.model.modules():
            assert not module._forward_hooks
            assert not module._forward_pre_hooks


@pytest.mark.parametrize("training", [False, True], ids=["eval", "train"])
def test_each_thread_gets_the_maps_of_its_images(training, model):
    hr = HRCAM(model).fit([(IMAGES, labels_for(12))])
    expected = [hr.explain(image) for image in SINGLES]
    model.train(training)
    before = Unchanged(model)

    def explain(first: int) -> None:
        for turn in range(40):
            index = (first + turn) % len(SINGLES)
            found = hr.explain(SINGLES[index])
            for field in ("logits", "evidence", "pattern", "pattern_as_read"):
                assert torch.equal(getattr(found, field), getattr(expected[index], field)), field

    together(*(lambda first=first: explain(first) for first in (0, 3, 5, 8)))
    before.check()


@pytest.mark.parametrize("training", [False, True], ids=["eval", "train"])
def test_fit_beside_explain_beside_other_methods(training, model):
    labels = labels_for(12)
    hr = HRCAM(model).fit([IMAGES], "logits")
    refitted = HRCAM(model, levels=["2", "5"]).fit([(IMAGES, labels)])
    rival = METHODS["LayerCAM"](model, levels=["5"])
    levels = find_levels(model, IMAGES)
    expected = [hr.explain(image).pattern for image in SINGLES]
    rivals = [rival.explain(image) for image in SINGLES]
    head = refitted.head.weights.copy()
    maps = refitted.explain(IMAGES).pattern
    model.train(training)
    before = Unchanged(model)

    def explain() -> None:
        for turn in range(30):
            index = turn % len(SINGLES)
            assert torch.equal(hr.explain(SINGLES[index]).pattern, expected[index])

    def other_method() -> None:
        for turn in range(30):
            index = turn % len(SINGLES)
            assert torch.equal(rival.explain(SINGLES[index]), rivals[index])

    def fit() -> None:
        for _ in range(2):
            again = HRCAM(model, levels=["2", "5"]).fit([(IMAGES, labels)])
            assert (again.head.weights == head).all()
            assert torch.equal(again.explain(IMAGES).pattern, maps)

    def find() -> None:
        for _ in range(10):
            assert find_levels(model, IMAGES) == levels

    together(explain, other_method, fit, find)
    before.check()


def test_plain_forward_passes_of_other_threads(model):
    """They are not read, and give what they give alone."""
    hr = HRCAM(model).fit([IMAGES], "logits")
    expected = [hr.explain(image).pattern for image in SINGLES]
    outputs = [model(image).detach() for image in SINGLES]
    seen: list[int] = []
    handle = model[0].register_forward_hook(lambda *_: seen.append(threading.get_ident()))

    def explain() -> None:
        for turn in range(60):
            index = turn % len(SINGLES)
            assert torch.equal(hr.explain(SINGLES[index]).pattern, expected[index])

    def forward() -> None:
        for turn in range(300):
            index = (7 * turn) % len(SINGLES)
            assert torch.equal(model(SINGLES[index]).detach(), outputs[index])

    together(explain, forward, forward)
    handle.remove()
    assert len(seen) == 60 + 2 * 300  # the user's own hooks see every pass
    assert len(set(seen)) == 3
    Unchanged(model).check()


def test_a_fit_and_its_explanations_belong_together(model):
    """An explainer that is fitted again gives maps of one fit, never of two."""
    two = [(IMAGES, labels_for(12) % 2)]
    three = [(IMAGES, labels_for(12))]
    hr = HRCAM(model, levels=["2"])
    wanted = []
    for data in (two, three):
        found = hr.fit(data).explain(IMAGES)
        wanted.append((found.logits, found.pattern))

    def fit() -> None:
        for data in (two, three, two):
            hr.fit(data)

    def explain() -> None:
        for _ in range(40):
            found = hr.explain(IMAGES)
            assert any(
                torch.equal(found.logits, logits) and torch.equal(found.pattern, pattern)
                for logits, pattern in wanted
            )

    together(fit, explain)


def test_a_module_trains_again_when_the_last_of_several_calls_has_ended(model):
    model.train()
    model[1].eval()
    other = nn.Sequential(model, nn.Identity())  # shares every module
    first, second = evaluation_mode(model), evaluation_mode(other)
    first.__enter__()
    second.__enter__()
    assert not any(module.training for module in other.modules())
    first.__exit__(None, None, None)
    assert not any(module.training for module in other.modules())
    second.__exit__(None, None, None)
    assert [module.training for module in model] == [index != 1 for index in range(len(model))]
    assert other.training


def test_a_mode_that_another_thread_sets_stays(model):
    """``model.train()`` at the start of an epoch is not undone by a call that ends later."""
    with evaluation_mode(model):
        together(model.train)
    assert all(module.training for module in model.modules())


def test_runs_in_other_threads_are_not_observed(model):
    names: list[tuple[str, int]] = []
    with observed(
        {"0": model[0]}, {"3": model[3]}, lambda name, run, _value: names.append((name, run))
    ):
        together(lambda: model(IMAGES))
        model(IMAGES)
        together(lambda: model(IMAGES))
        model(IMAGES)
    assert names == [("0", 0), ("3:input", 0), ("0", 1), ("3:input", 1)]


def test_an_error_in_one_thread_is_its_own(model):
    model.train()
    hr = HRCAM(model).fit([IMAGES], "logits")
    expected = hr.explain(IMAGES).pattern
    before = Unchanged(model)

    def fail() -> None:
        for _ in range(20):
            with pytest.raises(RuntimeError):
                hr.explain(torch.rand(1, 2, 33, 41))  # two channels

    def explain() -> None:
        for _ in range(20):
            assert torch.equal(hr.explain(IMAGES).pattern, expected)

    together(fail, explain)
    before.check()
