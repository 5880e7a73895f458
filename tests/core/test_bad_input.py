"""Each misuse raises hrcam's own error, with a message that says what to do."""

import re
import warnings

import numpy as np
import pytest
import torch
from architectures import UNetClassifier, labels_for, simple, synthetic_images
from torch import nn
from torch.utils.data import (
    BatchSampler,
    DataLoader,
    IterableDataset,
    RandomSampler,
    SubsetRandomSampler,
    TensorDataset,
)

from hrcam import HRCAM, find_levels
from hrcam.errors import (
    FitError,
    HRCAMError,
    HRCAMWarning,
    InputError,
    LevelError,
    LoadError,
    NotFittedError,
    TrainingError,
)
from hrcam.head.fit import fit_head

IMAGES = synthetic_images(6, 1, (33, 41))
LABELS = labels_for(6)
GOOD = [(IMAGES, LABELS)]


@pytest.fixture
def model() -> nn.Module:
    return simple().eval()


@pytest.fixture
def hr(model: nn.Module) -> HRCAM:
    return HRCAM(model).fit([IMAGES], target="logits")


def spoilt(value: float) -> torch.Tensor:
    images = IMAGES.clone()
    images[2, 0, 5, 5] = images[4, 0, 1, 1] = images[4, 0, 1, 2] = value
    return images


BAD_IMAGES = [
    pytest.param(IMAGES[0, 0], r"shape \(33, 41\).*images\[None\]", id="no batch, no channel"),
    pytest.param(torch.rand(1, 1, 2, 2, 2, 2), r"expected \(B, C, \*spatial\)", id="too many axes"),
    pytest.param(spoilt(float("nan")), r"3 NaN or infinite.*first in image 2", id="NaN"),
    pytest.param(spoilt(float("-inf")), r"3 NaN or infinite.*first in image 2", id="infinite"),
    pytest.param((IMAGES * 255).to(torch.uint8), r"uint8.*float\(\)", id="uint8"),
    pytest.param(IMAGES.long(), r"int64.*convert", id="int64"),
    pytest.param(IMAGES.double(), r"float64.*to\(torch.float32\)", id="float64"),
    pytest.param(IMAGES.half(), r"float16.*to\(torch.float32\)", id="float16"),
    pytest.param(IMAGES[:0], r"batch is empty.*\(0, 1, 33, 41\)", id="empty batch"),
    pytest.param("scan.nii.gz", r"no tensor in the images, a str", id="a path"),
    pytest.param({}, r"no tensor in the images, a dict", id="empty mapping"),
    pytest.param([], r"no tensor in the images, a list", id="empty list"),
    pytest.param(IMAGES.numpy(), r"no tensor in the images, a ndarray", id="numpy"),
    pytest.param(
        [IMAGES[0], IMAGES[1, :, :20]], r"different sizes.*resample or pad", id="list of sizes"
    ),
]


@pytest.mark.parametrize(("images", "message"), BAD_IMAGES)
def test_images(images, message, model, hr):
    for act in (
        lambda: hr.explain(images),
        lambda: find_levels(model, images),
        lambda: HRCAM(model).fit([images], target="logits"),
    ):
        with pytest.raises(InputError, match=message):
            act()


def test_images_on_another_device(model, hr):
    """What explain refuses; fit moves each batch to the model."""
    for act in (hr.explain, lambda images: find_levels(model, images)):
        with pytest.raises(InputError, match=r"on meta and the model is on cpu.*to\('cpu'\)"):
            act(IMAGES.to("meta"))


@pytest.mark.parametrize(("images", "message"), BAD_IMAGES)
def test_images_next_to_labels(images, message, model):
    if isinstance(images, torch.Tensor) and images.ndim > 2:
        with pytest.raises(InputError, match=message):
            HRCAM(model).fit([(images, LABELS[: len(images)])])


def test_a_bad_batch_after_good_ones(model):
    with pytest.raises(InputError, match="NaN"):
        HRCAM(model).fit([*GOOD, (spoilt(float("nan")), LABELS)])


def test_two_dimensional_images_for_a_fitted_three_dimensional_model():
    hr = HRCAM(simple(dims=3).eval()).fit([torch.rand(6, 1, 9, 9, 9)], target="logits")
    with pytest.raises(InputError, match=r"shape \(6, 1, 33, 41\).*3 spatial axes"):
        hr.explain(IMAGES)
    with pytest.raises(InputError, match=r"shape \(6, 1, 33, 41\).*3 spatial axes"):
        hr.logits(IMAGES)


def test_model_without_weights(model):
    with pytest.raises(InputError, match=r"meta device.*load them first"):
        HRCAM(model.to("meta")).fit(GOOD)


@pytest.mark.parametrize(
    ("labels", "error", "message"),
    [
        pytest.param([0] * 6, FitError, r"all 6 images are of class 0.*two classes", id="one"),
        pytest.param([3] * 6, FitError, r"all 6 images are of class 3", id="one, not zero"),
        pytest.param([0, 1, 0, 1, -1, -1], FitError, r"smallest is -1.*start at 0", id="negative"),
        pytest.param([0, 2, 0, 2, 0, 2], FitError, r"classes \[1\] have no images", id="gap"),
        pytest.param([1, 2, 1, 2, 1, 2], FitError, r"\[0\] have no images", id="from one"),
        pytest.param([0.5, 1.0] * 3, FitError, r"not whole numbers", id="fractions"),
        pytest.param([0.0, float("nan")] * 3, FitError, r"NaN", id="NaN"),
        pytest.param([0, 0, 0, 0, 0, 1], FitError, r"class 1 has a single image", id="single"),
        pytest.param([0, 1, 0], InputError, r"shape \(3,\) for a batch of 6", id="length"),
        pytest.param([[1, 0]] * 6, InputError, r"one class index per image", id="one-hot"),
        pytest.param(["a", "b"] * 3, InputError, r"class ind", id="names"),
    ],
)
def test_labels(labels, error, message, model):
    with pytest.raises(error, match=message):
        HRCAM(model).fit([(IMAGES, labels)])


def test_labels_of_good_shapes_and_types(model):
    """What loaders yield that is not wrong: floats, booleans, a column."""
    two = torch.tensor([0, 1] * 3)
    expected = HRCAM(model).fit([(IMAGES, two)]).head.covariance.features
    for labels in (two.float(), two.bool(), two[:, None], two.tolist(), two.numpy(), two.int()):
        found = HRCAM(model).fit([(IMAGES, labels)]).head.covariance.features
        assert (found == expected).all()


@pytest.mark.parametrize("loader", [[], DataLoader([])], ids=["list", "DataLoader"])
def test_empty_loader(loader, model):
    with pytest.raises(FitError, match="yields no batch"):
        HRCAM(model).fit(loader)


def test_generator(model):
    with pytest.raises(InputError, match=r"iterator.*DataLoader or a list"):
        HRCAM(model).fit(batch for batch in GOOD)
    used = iter(GOOD)
    list(used)
    with pytest.raises(InputError, match="iterator"):
        HRCAM(model).fit(used)


def test_a_loader_is_not_started_to_be_checked(model):
    """Starting one starts its workers and draws from the generator."""

    class Loader(list):
        started = 0

        def __iter__(self):
            self.started += 1
            return super().__iter__()

    loader = Loader(GOOD)
    HRCAM(model).fit(loader)
    # One to pool, one for moments, one for gradients, one for what their readout comes to.
    assert loader.started == 4


def test_no_labels_in_the_loader(model):
    for batch in (IMAGES, {"image": IMAGES}, (IMAGES, LABELS, LABELS)):
        with pytest.raises(InputError, match=r"pairs \(images, labels\).*target='logits'"):
            HRCAM(model).fit([batch])


def test_images_of_different_sizes_in_a_data_set(model):
    pairs = [(IMAGES[0], 0), (IMAGES[1, :, :20], 1)]
    with pytest.raises(InputError, match=r"batch 0 have different sizes.*batch_size=1"):
        HRCAM(model).fit(DataLoader(pairs, batch_size=2))


def test_images_of_different_sizes_one_by_one_are_fine(model):
    pairs = [(IMAGES[i, :, : 33 - i], int(LABELS[i])) for i in range(6)]
    assert HRCAM(model).fit(DataLoader(pairs, batch_size=1)).levels


def test_other_errors_of_a_loader_pass_through(model):
    class Broken(TensorDataset):
        def __getitem__(self, index):
            raise RuntimeError("the disk is gone")

    with pytest.raises(RuntimeError, match="the disk is gone"):
        HRCAM(model).fit(DataLoader(Broken(IMAGES, LABELS)))


def test_groups(model):
    with pytest.raises(InputError, match=r"shape \(5,\) for 6 images"):
        HRCAM(model).fit(GOOD, groups=list("abcde"))
    shuffled = DataLoader(TensorDataset(IMAGES, LABELS), shuffle=True)
    with pytest.raises(InputError, match="shuffle=False"):
        HRCAM(model).fit(shuffled, groups=list("abcdef"))
    with pytest.raises(FitError, match="class 0 has a single group"):
        HRCAM(model).fit(GOOD, groups=list("abcabc"))


@pytest.mark.parametrize(
    ("classes", "message"),
    [
        (3, "there is no class 3: the classes are 0 to 2"),
        (-1, "there is no class -1"),
        ([0, 1, 2, 0, 1, 7], "there is no class 7"),
        ([0, 1], "2 classes for 6 images"),
        (torch.zeros(6, 1, dtype=torch.long), "6 classes for 6 images"),
        (0.5, "expected class indices"),
        (True, "expected class indices"),
        (torch.zeros(6), "expected class indices"),
        ("lesion", "class ind"),
        ([], "0 classes for 6 images|expected class indices"),
    ],
)
def test_classes(classes, message, hr):
    with pytest.raises(InputError, match=message):
        hr.explain(IMAGES, classes)


def test_before_fit(model, tmp_path):
    hr = HRCAM(model)
    for act in (
        lambda: hr.explain(IMAGES),
        lambda: hr.levels,
        lambda: hr.head,
        lambda: hr.fidelity,
        lambda: hr.references,
        lambda: hr.reference,
        lambda: hr.save(tmp_path / "none"),
    ):
        with pytest.raises(NotFittedError, match="call fit"):
            act()
    assert not (tmp_path / "none").exists()


def test_a_failed_refit_keeps_the_fit(hr):
    before = hr.explain(IMAGES)
    with pytest.raises(FitError):
        hr.fit([])
    assert torch.equal(hr.explain(IMAGES).evidence, before.evidence)


def test_options(model):
    with pytest.raises(InputError, match=r"'label'.*'labels' or 'logits'"):
        HRCAM(model).fit(GOOD, target="label")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="bootstrap is -1"):
        HRCAM(model).fit(GOOD, bootstrap=-1)


def test_network_without_feature_maps():
    flat = nn.Sequential(nn.Flatten(), nn.Linear(33 * 41, 8), nn.ReLU(), nn.Linear(8, 3))
    with pytest.raises(LevelError, match="needs a convolutional network"):
        HRCAM(flat).fit(GOOD)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("encoder.block1", r"no module 'encoder.block1'.*named_modules"),
        ("buttom", r"did you mean 'bottom'"),
        ("enter.2", r"did you mean .*'enter\.[01]'"),
        ("fc", r"'fc' returns no feature map.*find_levels\(model, images\)"),
    ],
)
def test_unknown_level(name, message):
    with pytest.raises(LevelError, match=message):
        find_levels(UNetClassifier().eval(), IMAGES, [name])


@pytest.mark.parametrize("levels", [[], "layer4", ()])
def test_no_levels(levels, model):
    with pytest.raises(LevelError, match="list of at least one"):
        HRCAM(model, levels=levels).fit(GOOD)


def test_model_that_returns_an_image():
    segmenter = nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.ReLU(), nn.Conv2d(4, 3, 1)).eval()
    with pytest.raises(InputError, match=r"\(6, 3, 33, 41\).*one decision per image"):
        HRCAM(segmenter).fit([IMAGES], target="logits")


class Keys(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.net = simple()

    def forward(self, x):
        y = self.net(x)
        return {"risk": y, "twice": 2 * y}


@pytest.mark.parametrize(
    ("output", "message"),
    [
        ("score", r"\['risk', 'twice'\].*no item 'score'.*pass output="),
        (0, r"no item 0"),
        (None, r"no item 'logits'.*pass output="),
    ],
)
def test_output_that_is_not_there(output, message):
    with pytest.raises(InputError, match=message):
        HRCAM(Keys().eval(), output=output).fit([IMAGES], target="logits")


class Diverged(nn.Module):
    def __init__(self, value: float) -> None:
        super().__init__()
        self.net, self.value = simple(), value

    def forward(self, x):
        x = self.net[1](self.net[0](x)) + self.value
        return self.net[2:](x)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_feature_maps_that_are_not_finite(value):
    model = Diverged(0.0).eval()
    hr = HRCAM(model).fit([IMAGES], target="logits")
    model.value = value
    with pytest.raises(LevelError, match=r"NaN or infinite.*bfloat16"):
        hr.explain(IMAGES)
    with pytest.raises(FitError, match=r"level '.*' hold NaN or infinite.*bfloat16"):
        HRCAM(model).fit(GOOD)


def test_model_that_changed_after_the_fit(hr, model):
    model[4] = nn.Conv2d(8, 12, 3, stride=2, padding=1)
    model[7] = nn.Linear(12, 3)
    with pytest.raises(LevelError, match=r"had 10 channels.*pass the model that was fitted"):
        hr.explain(IMAGES)


def test_level_that_is_not_always_reached():
    class Early(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net, self.depth = simple(), 2

        def forward(self, x):
            x = self.net[:2](x)
            if self.depth == 2:
                x = self.net[2:4](x)
            return x.flatten(2).mean(-1)[:, :3]

    model = Early().eval()
    hr = HRCAM(model).fit([IMAGES], target="logits")
    model.depth = 1
    with pytest.raises(LevelError, match=r"'net.3' was not reached"):
        hr.explain(IMAGES)


def test_errors_are_of_one_family():
    for error in (InputError, LevelError, FitError, NotFittedError, LoadError, TrainingError):
        assert issubclass(error, HRCAMError)
    for error in (InputError, LevelError, FitError, LoadError):
        assert issubclass(error, ValueError)
    assert issubclass(HRCAMWarning, UserWarning)


class WithOptionalMask(nn.Module):
    """A model whose second argument may be left out, and must not be a label."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, images: torch.Tensor, mask: torch.Tensor | None = None) -> torch.Tensor:
        if mask is not None:
            images = images * mask.reshape(-1, 1, 1, 1)
        return self.model(images)


def test_labels_are_not_taken_for_an_optional_argument(model):
    masked = WithOptionalMask(model).eval()
    with_labels = HRCAM(masked).fit([(IMAGES, LABELS)], target="logits")
    without = HRCAM(masked).fit([IMAGES], target="logits")
    assert (with_labels.head.weights == without.head.weights).all()
    with_floats = HRCAM(masked).fit([(IMAGES, LABELS.float()[:, None])], target="logits")
    assert (with_floats.head.weights == without.head.weights).all()
    with_masks = HRCAM(masked).fit([((IMAGES, torch.full((6,), 0.5)),)], target="logits")
    assert not (with_masks.head.mean == without.head.mean).all()


class TwoImages(nn.Module):
    """A model that cannot do without its second argument."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, images: torch.Tensor, scale: torch.Tensor) -> torch.Tensor:
        return self.model(images * scale.reshape(-1, 1, 1, 1))


def test_forms_of_a_batch_that_say_the_same(model):
    names = [f"image {index}" for index in range(6)]
    expected = HRCAM(model).fit([IMAGES], target="logits").head.weights
    for batch in (
        (IMAGES, LABELS), (IMAGES, names), (IMAGES, LABELS.numpy()), (IMAGES, LABELS, names),
        {"image": IMAGES, "label": LABELS},
    ):  # fmt: skip
        found = HRCAM(model).fit([batch], target="logits").head.weights
        assert (found == expected).all()
    labelled = HRCAM(model).fit([(IMAGES, LABELS)]).head.weights
    mapped = HRCAM(model).fit([{"image": IMAGES, "label": LABELS}]).head.weights
    assert (mapped == labelled).all()


def test_masks_and_further_keys_are_ignored(model):
    masks, names = (IMAGES > 0).float(), ["a"] * 6
    labelled = HRCAM(model).fit([(IMAGES, LABELS)]).head.weights
    plain = HRCAM(model).fit([IMAGES], target="logits").head.weights
    for batch in (
        (IMAGES, LABELS, masks), [IMAGES, LABELS, masks, names], (IMAGES, LABELS, names),
        {"image": IMAGES, "label": LABELS, "mask": masks, "name": names},
    ):  # fmt: skip
        assert (HRCAM(model).fit([batch]).head.weights == labelled).all()
        assert (HRCAM(model).fit([batch], "logits").head.weights == plain).all()
    unlabelled = {"image": IMAGES, "mask": masks, "name": names}
    assert (HRCAM(model).fit([unlabelled], "logits").head.weights == plain).all()


def test_a_mapping_for_two_arguments(model):
    class ImageAndAge(nn.Module):
        def __init__(self):
            super().__init__()
            self.model = model

        def forward(self, image, age):
            return self.model(image) * age[:, None]

    two, age = ImageAndAge().eval(), torch.linspace(1, 2, 6)
    expected = HRCAM(two).fit([(IMAGES, age, LABELS)]).head.weights
    batch = {"age": age, "label": LABELS, "image": IMAGES, "mask": IMAGES > 0}
    assert (HRCAM(two).fit([batch]).head.weights == expected).all()


def test_a_mapping_of_tensors_is_passed_whole_to_a_model_that_takes_it(model):
    class TakesMapping(nn.Module):
        def __init__(self):
            super().__init__()
            self.model = model

        def forward(self, batch):
            return self.model(batch["image"] * batch["scale"].reshape(-1, 1, 1, 1))

    scale = torch.linspace(1, 2, 6)
    whole = HRCAM(TakesMapping().eval()).fit([{"image": IMAGES, "scale": scale}], "logits")
    scaled = HRCAM(model).fit([IMAGES * scale.reshape(-1, 1, 1, 1)], "logits")
    assert (whole.head.weights == scaled.head.weights).all()


class Passes:
    """Yields the same batches on each pass but one."""

    def __init__(self, batches, other=(), odd_one=None):
        self.batches, self.other, self.odd_one = batches, other, odd_one
        self.started = 0

    def __iter__(self):
        self.started += 1
        return iter(self.other if self.started == self.odd_one else self.batches)


HALVES = [(IMAGES[:3], LABELS[:3]), (IMAGES[3:], LABELS[3:])]


@pytest.mark.parametrize(
    ("other", "message", "refused"),
    [
        pytest.param(HALVES[:1], "3 images, and the first 6", 3, id="shorter"),
        pytest.param([], "0 images, and the first 6", 3, id="empty"),
        # Passes end before they meet the images that are too many.
        pytest.param(HALVES * 2, "more than the 6 images", 0, id="longer"),
        pytest.param(HALVES[::-1], "another image in place 0", 3, id="another order"),
        pytest.param([HALVES[0], (IMAGES[3:] + 0.1, LABELS[3:])], "place 3", 3, id="augmented"),
    ],
)
def test_a_pass_with_other_images_is_refused_or_gives_the_same(other, message, refused, model):
    loader = Passes(HALVES)
    expected = HRCAM(model).fit(loader).explain(IMAGES).pattern
    assert loader.started == 4
    refusals = {}
    for odd_one in range(2, 5):
        try:
            found = HRCAM(model).fit(Passes(HALVES, other, odd_one)).explain(IMAGES).pattern
        except InputError as error:
            refusals[odd_one] = str(error)
        else:
            assert torch.equal(found, expected)
    assert len(refusals) == refused, list(refusals)
    for odd_one, error in refusals.items():
        assert re.search(f"pass {odd_one} yields .*{message}.*shuffle=False", error)


def test_a_shorter_pass_is_refused_for_logits(model):
    with pytest.raises(InputError, match="pass 2 yields 3 images, and the first 6"):
        HRCAM(model).fit(Passes([IMAGES[:3], IMAGES[3:]], [IMAGES[:3]], 2), "logits")


@pytest.mark.parametrize("sides", [(64, 64), (16, 16, 16)])
def test_images_in_another_order_are_noticed_at_sides_of_powers_of_two(sides):
    """A background of zeros around what differs."""
    model = simple(len(sides)).eval()
    images = synthetic_images(6, 1, sides)
    images[(slice(None), slice(None), *(slice(0, side // 4) for side in sides))] = 0
    with pytest.raises(InputError, match="another image in place 0"):
        HRCAM(model).fit(Passes([images], [images.flip(0)], 2), "logits")


def test_the_same_images_in_other_batches_are_the_same(model):
    loader = Passes([IMAGES], HALVES, 2)
    assert HRCAM(model).fit(loader, "logits").levels


def test_a_loader_that_shuffles_is_refused_at_once(model):
    data = TensorDataset(IMAGES, LABELS)
    for loader in (
        DataLoader(data, 2, shuffle=True),
        DataLoader(data, 2, sampler=SubsetRandomSampler(range(6))),
        DataLoader(data, 2, shuffle=True, generator=torch.Generator().manual_seed(3)),
    ):
        with pytest.raises(InputError, match=r"several times.*RandomSampler.*shuffle=False"):
            HRCAM(model).fit(loader)
    # A sampler of one's own may have one order.
    own = HRCAM(model).fit(DataLoader(data, 2, sampler=[5, 4, 3, 2, 1, 0]))
    batches = [(IMAGES.flip(0)[i : i + 2], LABELS.flip(0)[i : i + 2]) for i in (0, 2, 4)]
    assert (own.head.weights == HRCAM(model).fit(batches).head.weights).all()


def test_a_loader_without_a_length(model):
    class Stream(IterableDataset):
        def __iter__(self):
            return iter(zip(IMAGES, LABELS, strict=True))

    streamed = HRCAM(model).fit(DataLoader(Stream(), 3)).head.weights
    assert (streamed == HRCAM(model).fit(HALVES).head.weights).all()


def test_a_class_that_fit_never_saw_is_named_at_explain():
    model = simple(outputs=20).eval()
    with torch.no_grad():
        model[-1].bias[5:] -= 100
    hr = HRCAM(model).fit([IMAGES], target="logits")
    with pytest.warns(HRCAMWarning, match="class 12, 17 is 0 everywhere") as warned:
        pattern = hr.explain(IMAGES, [12, 17, 12, 17, 12, 17]).pattern
    assert not pattern.any()
    assert warned[0].filename == __file__
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert hr.explain(IMAGES).pattern.flatten(1).any(1).all()


def test_integers_of_numpy_are_integers(model, tmp_path):
    plain = HRCAM(model).fit(GOOD, bootstrap=2, reference=1, seed=3)
    numpy = HRCAM(model).fit(GOOD, bootstrap=np.int64(2), reference=np.uint8(1), seed=np.uint16(3))
    assert type(numpy.reference) is int
    plain.save(tmp_path / "plain")
    numpy.save(tmp_path / "numpy")
    for file in (tmp_path / "plain").iterdir():
        assert (tmp_path / "numpy" / file.name).read_bytes() == file.read_bytes()
    expected = plain.explain(IMAGES, 2).pattern
    kinds = (np.int8, np.uint8, np.int16, np.uint16, np.int32, np.uint32, np.int64, np.uint64)
    for kind in kinds:
        for classes in (kind(2), np.full(6, 2, kind), [kind(2)] * 6):
            assert torch.equal(numpy.explain(IMAGES, classes).pattern, expected), kind


@pytest.mark.parametrize("target", ["labels", "logits"])
def test_double_precision_is_on_the_cpu_alone(target, model, monkeypatch):
    """Some devices have none: a tensor goes to the CPU before it becomes double."""
    to_cpu, to_double = torch.Tensor.cpu, torch.Tensor.double

    def cpu(tensor):
        moved = to_cpu(tensor).view_as(tensor)
        moved.on_cpu = True
        return moved

    def double(tensor):
        assert getattr(tensor, "on_cpu", False)
        return to_double(tensor)

    monkeypatch.setattr(torch.Tensor, "cpu", cpu)
    monkeypatch.setattr(torch.Tensor, "double", double)
    HRCAM(model).fit(GOOD, target, bootstrap=2).explain(IMAGES)


def test_forms_of_a_batch_for_two_arguments(model):
    two, scale = TwoImages(model).eval(), torch.full((6,), 0.5)
    expected = HRCAM(two).fit([((IMAGES, scale), LABELS)]).head.weights
    assert (HRCAM(two).fit([(IMAGES, scale, LABELS)]).head.weights == expected).all()
    plain = HRCAM(two).fit([(IMAGES, scale)], target="logits").head.weights
    assert (HRCAM(two).fit([(IMAGES, scale, LABELS)], "logits").head.weights == plain).all()


@pytest.mark.parametrize(
    "loader",
    [
        DataLoader(TensorDataset(IMAGES, LABELS), 2, sampler=SubsetRandomSampler(range(6))),
        DataLoader(
            TensorDataset(IMAGES, LABELS),
            batch_sampler=BatchSampler(RandomSampler(IMAGES), 2, drop_last=False),
        ),
    ],
)
def test_any_sampler_that_shuffles_is_refused_with_groups(loader, model):
    with pytest.raises(InputError, match=r"RandomSampler.*shuffle=False"):
        HRCAM(model).fit(loader, groups=[0, 0, 1, 1, 2, 2])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"bootstrap": 1}, "bootstrap is 1"),
        ({"bootstrap": 1.5}, "bootstrap is 1.5"),
        ({"seed": -1}, "seed is -1"),
        ({"seed": np.float64(1)}, "seed is"),
        ({"reference": 0.5}, "reference is 0.5"),
        ({"reference": np.int64(3)}, "reference is 3"),
        ({"groups": "subject"}, "groups have the shape"),
        ({"groups": [[0]] * 6}, "groups have the shape"),
        ({"groups": ["a", None, "b", "c", float("nan"), "d"]}, "2 groups are missing"),
    ],
)
def test_options_of_fit(options, message, model):
    with pytest.raises(InputError, match=message):
        HRCAM(model).fit(GOOD, **options)


def test_what_is_no_model_is_refused_at_once():
    with pytest.raises(InputError, match=r"str, not a torch\.nn\.Module"):
        HRCAM("model.pt")


def test_one_image_or_one_group_cannot_be_cross_validated(model):
    with pytest.raises(FitError, match="single image"):
        HRCAM(model).fit([IMAGES[:1]], target="logits")
    with pytest.raises(FitError, match="single group"):
        HRCAM(model).fit([IMAGES], target="logits", groups=["a"] * 6)


def test_groups_that_take_a_class_out_of_a_fold(model):
    labels = torch.tensor([0, 0, 1, 1, 1, 1])
    hr = HRCAM(model).fit([(IMAGES, labels)], groups=[0, 1, 1, 2, 2, 2])
    assert 0 <= hr.fidelity <= 1


def test_bootstrap_without_enough_of_each_class():
    pooled, labels = np.random.default_rng(0).normal(size=(200, 3)), np.arange(200.0) % 100
    with pytest.raises(FitError, match="bootstrap at 0"):
        fit_head(pooled, labels, "labels", bootstrap=2)


def test_an_error_of_the_model_bears_a_note_on_what_it_was_given(hr):
    with pytest.raises(RuntimeError) as caught:
        hr.explain(torch.rand(2, 3, 33, 41))
    assert "(2, 3, 33, 41)" in caught.value.__notes__[0]


def test_a_poor_fit_is_said(model):
    twins = torch.rand(10, 1, 16, 16).repeat_interleave(2, 0)  # each image once of each class
    with pytest.warns(HRCAMWarning, match="no better than the most frequent class"):
        HRCAM(model).fit([(twins, torch.arange(20) % 2)])
    with torch.no_grad():
        next(m for m in reversed(list(model.modules())) if isinstance(m, nn.Linear)).bias[0] += 1e3
    with pytest.warns(HRCAMWarning, match="predicts class .* for none of the images"):
        HRCAM(model).fit([IMAGES], target="logits")
