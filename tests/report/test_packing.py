import base64
import json
import zlib

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from hrcam.report.viewer.packing import pack, quantise, script_json

shapes = st.tuples(st.integers(1, 6), st.integers(1, 6), st.integers(1, 6))


def unpacked(text, shape):
    differences = np.frombuffer(zlib.decompress(base64.b64decode(text)), np.uint8)
    return np.cumsum(differences, dtype=np.uint8).reshape(shape, order="F")


@given(arrays(np.uint8, shapes))
def test_samples_come_back(samples):
    np.testing.assert_array_equal(unpacked(pack(samples), samples.shape), samples)


@given(arrays(np.float32, shapes, elements=st.floats(-1e4, 1e4, width=32)))
def test_a_map_comes_back_to_half_a_step(values):
    steps, step = quantise(values)
    back = unpacked(pack(steps), values.shape).view(np.int8)
    np.testing.assert_array_equal(back, steps)
    assert np.abs(back * step - values).max() <= 0.5001 * step
    assert np.all(back[values == 0] == 0)
    assert np.abs(back).max() in (0, 127)


@given(st.recursive(st.text() | st.integers(), lambda inner: st.dictionaries(st.text(), inner)))
def test_nothing_in_json_ends_the_script(content):
    text = script_json(content)
    assert json.loads(text) == content
    assert not set("<>&") & set(text)
    assert text.isascii()
