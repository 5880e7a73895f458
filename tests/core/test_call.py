"""Tensors in nested structures, and how a model is called."""

from collections import OrderedDict, defaultdict, namedtuple

import pytest
import torch
from torch import nn

from hrcam.errors import InputError
from hrcam.model.call import call_model, logits_of
from hrcam.model.tensors import map_tensors, tensors_in

Pair = namedtuple("Pair", "first second")
ONE, TWO = torch.tensor([1.0]), torch.tensor([2.0])


@pytest.mark.parametrize(
    "value",
    [
        ONE,
        (ONE, TWO),
        [ONE, {"deep": (TWO, "text", None)}],
        Pair(ONE, TWO),
        OrderedDict(b=ONE, a=TWO),
        defaultdict(list, x=ONE),
        {},
        "text",
    ],
    ids=str,
)
def test_structure_is_kept_and_order_is_one(value):
    doubled = map_tensors(value, lambda tensor: 2 * tensor)
    before, after = list(tensors_in(value)), list(tensors_in(doubled))
    assert [2 * one.item() for one in before] == [one.item() for one in after]
    if not isinstance(value, defaultdict | torch.Tensor):
        assert type(doubled) is type(value)


class Echo(nn.Module):
    def __init__(self, forward) -> None:
        super().__init__()
        self.forward = forward


@pytest.mark.parametrize(
    ("forward", "images", "expected"),
    [
        (lambda x: x, ONE, ONE),
        (lambda a, b: (a, b), (ONE, TWO), (ONE, TWO)),
        (lambda a, b=None: (a, b), [ONE], (ONE, None)),
        (lambda pair: pair, (ONE, TWO), (ONE, TWO)),
        (lambda image, age: (image, age), {"age": TWO, "image": ONE}, (ONE, TWO)),
        (lambda batch: batch, {"image": ONE}, {"image": ONE}),
        (lambda batch, extra=None: (batch, extra), {"image": ONE}, ({"image": ONE}, None)),
    ],
)
def test_how_images_are_passed(forward, images, expected):
    assert call_model(Echo(forward), images) == expected


def test_type_errors_inside_forward_are_not_swallowed():
    def forward(a, b):
        raise TypeError("inside")

    with pytest.raises(TypeError, match="inside"):
        call_model(Echo(forward), (ONE, TWO))


LOGITS = torch.rand(4, 3)


@pytest.mark.parametrize(
    ("output", "key"),
    [
        (LOGITS, None),
        ((LOGITS, ONE), None),
        ([ONE, LOGITS], 1),
        ({"logits": LOGITS, "other": ONE}, None),
        ({"only": LOGITS}, None),
        ({"a": ONE, "risk": LOGITS}, "risk"),
        (LOGITS[:, :, None, None], None),
    ],
)
def test_where_the_logits_are(output, key):
    assert torch.equal(logits_of(output, key), LOGITS)


def test_one_output_per_image_becomes_a_column():
    assert logits_of(torch.rand(4)).shape == (4, 1)
    assert logits_of(torch.rand(4, 1, 1)).shape == (4, 1)


@pytest.mark.parametrize(
    ("output", "message"),
    [
        ("text", "is a str, not a tensor"),
        (None, "is a NoneType"),
        (((LOGITS,), ONE), "is a tuple, not a tensor"),
        (torch.tensor(1.0), r"shape \(\)"),
        (torch.rand(2, 3, 4), r"shape \(2, 3, 4\)"),
        ((), "is a tuple"),
    ],
)
def test_outputs_without_logits(output, message):
    with pytest.raises(InputError, match=message):
        logits_of(output)
