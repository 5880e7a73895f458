"""The picture with its map in colour."""

import io

import numpy as np
from PIL import Image

from hrcam.mapping.overlay import encode_overlay

LIMIT = 0.8


def whole(picture, pattern, limit=LIMIT):
    with Image.open(io.BytesIO(encode_overlay(picture, pattern, limit))) as image:
        return np.asarray(image).astype(int)


def drawn(picture, pattern):
    """The picture without the scale below it."""
    return whole(picture, pattern)[: picture.shape[0], : picture.shape[1]]


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


def test_the_scale_is_below_the_picture_with_its_limit():
    picture = ramp((60, 120))
    nothing = np.zeros_like(picture)
    shown = whole(picture, nothing)
    assert shown.shape == (80, 120, 3)
    strip = shown[60:]
    bar = strip[2:7]
    assert (bar == bar[:1]).all()
    warmth = bar[0, :, 0] - bar[0, :, 2]
    assert warmth[0] < -50 < 50 < warmth[-1]
    assert abs(warmth[60]) < 20
    # The colour at an end of the scale is that of a place of this value.
    strongest = drawn(ramp((9, 9)), np.full((9, 9), LIMIT, np.float32))
    np.testing.assert_allclose(bar[0, -1], strongest[3, 1], atol=15)
    words = strip[7:]
    assert words.max() > 150
    assert (words != whole(picture, nothing, 0.9)[67:]).any()  # another limit, other words


def test_a_picture_that_is_narrower_than_the_words_keeps_its_size_beside_black():
    shown = whole(ramp((20, 10)), np.zeros((20, 10), np.float32))
    assert shown.shape[1] > 30
    assert not shown[:20, 10:].any()
