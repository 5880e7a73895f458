import base64
import zlib

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from hrcam.report.viewer.packing import ZERO, pack, quantise

shapes = st.tuples(st.integers(1, 6), st.integers(1, 6), st.integers(1, 6))


def unpacked(text, shape):
    """As the page does it: sample by sample, each from those before."""
    content = zlib.decompress(base64.b64decode(text[1:]))
    samples = np.frombuffer(content, np.uint8).reshape(shape, order="F").astype(int)
    padded = np.zeros([size + 1 for size in shape], int)
    for z, y, x in np.ndindex(shape[::-1]):
        before = padded[x : x + 2, y : y + 2, z : z + 2]
        a, b, c = before[0, 1, 1], before[1, 0, 1], before[1, 1, 0]
        ab, ac, bc = before[0, 0, 1], before[0, 1, 0], before[1, 0, 0]
        if text[0] == "p":
            predicted = (2 * (a + b + c) - ab - ac - bc) // 3 if z else a + b - ab
        else:
            predicted = (a + b + c) // 3 if z else (a + b) // 2
        padded[x + 1, y + 1, z + 1] = (samples[x, y, z] + np.clip(predicted, 0, 255)) % 256
    return padded[1:, 1:, 1:].astype(np.uint8)


@given(arrays(np.uint8, shapes))
def test_samples_come_back(samples):
    np.testing.assert_array_equal(unpacked(pack(samples), samples.shape), samples)


def test_noise_and_slopes_are_predicted_in_their_own_way():
    noise = np.random.default_rng(0).integers(90, 110, (30, 30, 30), dtype=np.uint8)
    slope = np.add.outer(np.add.outer(np.arange(9), 2 * np.arange(9)), 5 * np.arange(9))
    for samples, letter in ((noise, "m"), (slope.astype(np.uint8), "p")):
        packed = pack(samples)
        assert packed[0] == letter
        np.testing.assert_array_equal(unpacked(packed, samples.shape), samples)


@given(arrays(np.float32, shapes, elements=st.floats(-1e4, 1e4, width=32)))
def test_a_map_comes_back_to_half_a_step(values):
    samples, step = quantise(values)
    back = unpacked(pack(samples), values.shape).astype(int) - ZERO
    np.testing.assert_array_equal(back + ZERO, samples)
    assert np.abs(back * step - values).max() <= 0.5001 * step
    assert np.all(back[values == 0] == 0)
    assert np.abs(back).max() in (0, 127)


def test_packed_samples_cannot_end_a_script():
    assert pack(np.arange(256, dtype=np.uint8).reshape(4, 8, 8)).isascii()
    assert not set("<>&") & set(pack(np.arange(256, dtype=np.uint8).reshape(4, 8, 8)))
