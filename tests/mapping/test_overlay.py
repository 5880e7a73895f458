"""The picture with its map in colour."""

import io

import numpy as np
from PIL import Image

from hrcam.mapping.overlay import LIMIT, encode_overlay


def drawn(picture, pattern):
    with Image.open(io.BytesIO(encode_overlay(picture, pattern))) as image:
        return np.asarray(image).astype(int)


def ramp(size=(20, 30)):
    return np.linspace(0, 1, size[0] * size[1], dtype=np.float32).reshape(size)


def test_a_map_of_zeros_shows_the_picture_itself():
    picture = ramp()
    shown = drawn(1000 + 7 * picture, np.zeros_like(picture))
    assert shown.shape == (20, 30, 3)
    assert np.ptp(shown, axis=-1).max() == 0
    np.testing.assert_allclose(shown[..., 0], 255 * picture, atol=3)


def test_what_speaks_for_the_class_is_warm_and_what_speaks_against_it_cold():
    pattern = np.zeros((20, 30), np.float32)
    pattern[2:6, 2:6], pattern[10:14, 10:14] = LIMIT / 2, -LIMIT / 2
    shown = drawn(np.full((20, 30), 0.5, np.float32) + 0.01 * ramp(), pattern)
    warm, cold = shown[3, 3], shown[11, 11]
    assert warm[0] > warm[2] + 50
    assert cold[2] > cold[0] + 50


def test_a_weak_map_is_not_stretched_to_the_strongest_colour():
    weak = drawn(ramp(), np.full((20, 30), LIMIT / 100, np.float32))
    strong = drawn(ramp(), np.full((20, 30), LIMIT, np.float32))
    stronger = drawn(ramp(), np.full((20, 30), 10 * LIMIT, np.float32))
    assert np.abs(weak - drawn(ramp(), np.zeros((20, 30), np.float32))).max() <= 3
    np.testing.assert_array_equal(strong, stronger)


def test_a_picture_with_one_bright_dot_can_be_drawn():
    picture = np.zeros((40, 40), np.float32)
    picture[3, 3] = 9
    shown = drawn(picture, np.zeros_like(picture))
    assert shown[3, 3].tolist() == [255, 255, 255]
    assert shown[10, 10].tolist() == [0, 0, 0]
