"""What is saved comes back exactly, and only onto the model that it belongs to."""

import copy
import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from architectures import ARCHITECTURES, labels_for, simple, synthetic_images
from safetensors.numpy import load_file, save_file
from torch import nn

from hrcam import HRCAM
from hrcam.errors import LoadError
from hrcam.storage import FORMAT

IMAGES = synthetic_images(6, 1, (33, 41))


@pytest.fixture(scope="module")
def fitted() -> HRCAM:
    torch.manual_seed(0)
    model = simple(norm=nn.BatchNorm2d).eval()
    return HRCAM(model).fit([(IMAGES, labels_for(6))], bootstrap=3, seed=4)


@pytest.fixture
def model(fitted: HRCAM) -> nn.Module:
    return copy.deepcopy(fitted.model)


@pytest.fixture
def saved(fitted: HRCAM, tmp_path: Path) -> Path:
    fitted.save(tmp_path / "head")
    return tmp_path / "head"


def rewrite(saved: Path, **changes) -> None:
    file = saved / "hrcam.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | changes))


@pytest.mark.parametrize("target", ["labels", "logits"])
@pytest.mark.parametrize(
    "name", ["plain", "shared_module", "concatenated_branches", "returns_other_key", "single_logit"]
)
def test_round_trip_is_exact(name, target, tmp_path):
    architecture = ARCHITECTURES[name]
    model, images = architecture.model(), architecture.images(6)
    batch = (images, labels_for(6)) if target == "labels" else images
    hr = HRCAM(model, output=architecture.output)
    before = hr.fit([batch], target=target, bootstrap=3).explain(images)
    hr.save(str(tmp_path / "deep" / "head"))
    loaded = HRCAM.load(str(tmp_path / "deep" / "head"), model)
    after = loaded.explain(images)
    for field in ("logits", "classes", "bias", "evidence", "pattern", "std"):
        assert torch.equal(getattr(after, field), getattr(before, field)), field
    assert list(after.by_level) == list(before.by_level)
    assert loaded.levels == hr.levels
    assert loaded.head.target == target
    for field in ("penalty", "fidelity"):
        assert getattr(loaded.head, field) == getattr(hr.head, field)
    assert loaded.references == hr.references
    assert loaded.reference is None


def test_saving_what_was_loaded_writes_the_same(saved, model, tmp_path):
    HRCAM.load(saved, model).save(tmp_path / "again")
    for file in saved.iterdir():
        assert (tmp_path / "again" / file.name).read_bytes() == file.read_bytes()


def test_distances_are_those_of_before(saved, model):
    hr = HRCAM(model).fit([IMAGES], target="logits")
    hr.save(saved)
    distance = HRCAM.load(saved, model).logits(IMAGES).distance
    assert torch.equal(distance, hr.logits(IMAGES).distance)


def test_an_explainer_of_an_earlier_version_knows_no_distance(saved, model):
    arrays = load_file(saved / "head.safetensors")
    kept = {name: one for name, one in arrays.items() if not name.startswith("distribution_")}
    assert len(kept) == len(arrays) - 5
    save_file(kept, saved / "head.safetensors")
    rewrite(saved, sha256=hashlib.sha256((saved / "head.safetensors").read_bytes()).hexdigest())
    loaded = HRCAM.load(saved, model)
    assert loaded.explain(IMAGES).distance is None
    assert loaded.logits(IMAGES).distance is None
    loaded.save(saved)
    assert load_file(saved / "head.safetensors").keys() == kept.keys()


def test_a_loaded_explainer_can_be_fitted_again(saved, model):
    assert HRCAM.load(saved, model).fit([IMAGES], target="logits").head.target == "logits"


def test_saving_over_an_older_one_replaces_it(saved, model):
    HRCAM(model).fit([IMAGES], target="logits").save(saved)
    assert HRCAM.load(saved, model).head.target == "logits"
    assert sorted(file.name for file in saved.iterdir()) == ["head.safetensors", "hrcam.json"]


def test_undefined_fidelity_is_valid_json(tmp_path):
    model = simple().eval()
    nn.init.zeros_(model[-1].weight)
    HRCAM(model).fit([IMAGES], target="logits").save(tmp_path / "head")
    text = (tmp_path / "head" / "hrcam.json").read_text()
    json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))
    assert np.isnan(HRCAM.load(tmp_path / "head", model).fidelity)


def test_two_files_and_no_pickle(saved):
    assert sorted(file.name for file in saved.iterdir()) == ["head.safetensors", "hrcam.json"]
    assert "level_references" in load_file(saved / "head.safetensors")
    assert json.loads((saved / "hrcam.json").read_text())["format"] == FORMAT == 9
    for file in saved.iterdir():
        content = file.read_bytes()
        assert not content.startswith((b"\x80", b"PK"))  # pickle, and torch's zip of pickles


def test_loads_onto_a_half_precision_copy(saved, model):
    half = copy.deepcopy(model).to(torch.bfloat16)
    exp = HRCAM.load(saved, half).explain(IMAGES.to(torch.bfloat16))
    plain = HRCAM.load(saved, model).explain(IMAGES)
    torch.testing.assert_close(exp.logits, plain.logits, rtol=0, atol=0.1)


@pytest.mark.parametrize("kind", [torch.float64, torch.bfloat16, torch.float16], ids=str)
def test_another_precision_is_recognised_and_its_noise_is_not(kind, saved, model):
    copied = copy.deepcopy(model).to(kind)
    HRCAM.load(saved, copied)
    weight = copied[0].weight
    with torch.no_grad():
        weight.view(-1)[0] = torch.nextafter(
            weight.view(-1)[0].double(), torch.tensor(9e9).double()
        )
        if kind != torch.float64:
            weight.view(-1)[0] *= 1.01
    refused(saved, copied, r"0\.weight has other values")


def test_loads_onto_a_model_that_was_saved_in_half_precision(tmp_path):
    model = simple().eval()
    half = copy.deepcopy(model).to(torch.bfloat16)
    HRCAM(half).fit([IMAGES.to(torch.bfloat16)], "logits").save(tmp_path / "head")
    HRCAM.load(tmp_path / "head", copy.deepcopy(half).float())
    refused(tmp_path / "head", model, "has other values")  # its weights were not rounded


@pytest.mark.parametrize("noise", [3e-3, 3e-6])
def test_weights_with_noise_are_refused(noise, saved, model):
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(1 + noise * torch.randn_like(parameter))
    refused(saved, model, "differs from the one.*has other values")


def test_one_bit_of_one_buffer_is_refused(saved, model):
    mean = model[1].running_mean
    mean[0] = torch.nextafter(mean[0], torch.tensor(1e9))
    refused(saved, model, r"fitted on: 1\.running_mean has other values; load")


def test_integer_buffers_count_and_counters_of_batch_norms_do_not(tmp_path, saved, model):
    model[1].num_batches_tracked += 1
    HRCAM.load(saved, model)
    model.register_buffer("table", torch.arange(3))
    HRCAM(model).fit([IMAGES], "logits").save(tmp_path / "with table")
    HRCAM.load(tmp_path / "with table", model)
    model.table[1] = 5
    refused(tmp_path / "with table", model, "table has other values")


def test_another_type_of_an_integer_buffer_is_refused(tmp_path, model):
    model.register_buffer("table", torch.arange(3))
    HRCAM(model).fit([IMAGES], "logits").save(tmp_path / "head")
    model.table = model.table.int()
    refused(tmp_path / "head", model, "table has the type int32, not int64")


WRAPPERS = {
    "DataParallel": nn.DataParallel,
    "compiled": lambda model: torch.compile(model, backend="eager"),
    "both": lambda model: nn.DataParallel(torch.compile(model, backend="eager")),
}


@pytest.mark.parametrize("wrap", WRAPPERS.values(), ids=WRAPPERS)
def test_wrappers_make_no_difference(wrap, fitted, saved, model, tmp_path):
    wrapped = wrap(model)
    expected = fitted.explain(IMAGES)
    loaded = HRCAM.load(saved, wrapped)
    wrapped(IMAGES)  # a compiled module that has run before ignores new hooks
    assert torch.equal(loaded.explain(IMAGES).pattern, expected.pattern)
    hr = HRCAM(wrapped).fit([(IMAGES, labels_for(6))], bootstrap=3, seed=4)
    assert hr.levels == fitted.levels
    hr.save(tmp_path / "wrapped")
    for file in saved.iterdir():
        assert (tmp_path / "wrapped" / file.name).read_bytes() == file.read_bytes()
    with torch.no_grad():
        model[0].weight *= 1.003
    refused(saved, wrapped, "0.weight has other values")


def test_levels_named_as_in_a_wrapped_model(model):
    wrapped = nn.DataParallel(model)
    named = HRCAM(wrapped, levels=["module.2", "5"]).fit([IMAGES], "logits")
    assert sorted(level.module for level in named.levels) == ["2", "5"]


def test_loads_onto_a_model_in_training_mode(saved, model):
    HRCAM.load(saved, model.train())


def refused(saved: Path, model: nn.Module, message: str) -> None:
    with pytest.raises(LoadError, match=message):
        HRCAM.load(saved, model)


def test_other_architecture_is_refused(saved, model):
    refused(saved, nn.Sequential(nn.Conv2d(1, 2, 3)), r"no module '8'.*3 of 3 levels")
    wider = nn.Sequential(*model[:-1], nn.Linear(10, 4))
    refused(saved, wider, r"10.weight has the shape \[4, 10\], not \[3, 10\]")
    refused(saved, nn.Sequential(*model, nn.Linear(3, 3)), "11.bias is new")


def test_other_weights_are_refused(saved, model):
    torch.manual_seed(99)
    refused(saved, simple(norm=nn.BatchNorm2d), "differs from the one.*load the model's own")
    fresh = copy.deepcopy(model)
    fresh[1].running_mean += 0.5
    refused(saved, fresh, "1.running_mean has other values")


@pytest.mark.parametrize("change", ["permuted", "sign"])
def test_other_weights_of_the_same_norms_are_refused(change, saved, model):
    """Two initialisations of a wide layer have nearly one norm; norms alone do not tell them."""
    other = copy.deepcopy(model)
    with torch.no_grad():
        for parameter in other.parameters():
            if change == "sign":
                parameter.neg_()
            else:
                parameter.copy_(parameter.flatten().flip(0).view_as(parameter))
    refused(saved, other, "differs from the one")


@pytest.mark.parametrize("name", ["head.safetensors", "hrcam.json"])
@pytest.mark.parametrize("damage", ["missing", "truncated", "empty", "garbage"])
def test_damaged_files_are_refused(name, damage, saved, model):
    file = saved / name
    content = file.read_bytes()
    file.unlink()
    if damage != "missing":
        file.write_bytes(
            {"truncated": content[: len(content) // 2], "empty": b"", "garbage": b"\xff\x00{["}[
                damage
            ]
        )
    refused(saved, model, "no saved explainer, or it is damaged")


def test_missing_folder_is_refused(tmp_path, model):
    refused(tmp_path / "nothing", model, "must be a folder with hrcam.json and head.safetensors")


@pytest.mark.parametrize("content", ["[]", "null", '"hrcam"', "3"])
def test_json_that_is_something_else_is_refused(content, saved, model):
    (saved / "hrcam.json").write_text(content)
    refused(saved, model, "damaged|format")


@pytest.mark.parametrize("other", [FORMAT - 1, FORMAT + 1])
def test_another_format_is_refused(other, saved, model):
    rewrite(saved, format=other)
    refused(saved, model, f"format {other}.*reads format {FORMAT}.*fit again")


@pytest.mark.parametrize(
    "changes",
    [
        {"levels": []},
        {"levels": None},
        {"levels": [{"name": "1"}]},
        {"model": None},
        {"settings": None},
        {"target": "nonsense"},
    ],
    ids=str,
)
def test_descriptions_that_do_not_fit_are_refused(changes, saved, model):
    rewrite(saved, **changes)
    refused(saved, model, "damaged")


@pytest.mark.parametrize(
    "name",
    [
        "mean",
        "bias",
        "weights",
        "sensitivity",
        "sensitivity_offsets",
        "level_mean",
        "level_references",
        "level_std",
        "distribution_mean",
        "distribution_scale",
        "distribution_variances",
    ],
)
def test_arrays_that_do_not_fit_are_refused(name, saved, model):
    arrays = load_file(saved / "head.safetensors")
    save_file({**arrays, name: arrays[name][:1]}, saved / "head.safetensors")
    refused(saved, model, "head.safetensors is not the file")
    written = (saved / "head.safetensors").read_bytes()
    rewrite(saved, sha256=hashlib.sha256(written).hexdigest())
    refused(saved, model, "shapes of its arrays do not match")


def test_a_failed_save_leaves_the_old_one(saved, model, monkeypatch):
    before = (saved / "hrcam.json").read_bytes()

    def full(*_: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(Path, "replace", full)
    monkeypatch.setattr("os.replace", full)
    with pytest.raises(OSError, match="disk full"):
        HRCAM(model).fit([IMAGES], target="logits").save(saved)
    assert (saved / "hrcam.json").read_bytes() == before
    assert sorted(file.name for file in saved.iterdir()) == ["head.safetensors", "hrcam.json"]
