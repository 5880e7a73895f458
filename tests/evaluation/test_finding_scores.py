"""Findings against masks, by hand and by what simpler scores say."""

import numpy as np
import pytest
from scipy.ndimage import generate_binary_structure, label

from hrcam.artifacts.scan_findings import MaskScores
from hrcam.errors import InputError
from hrcam.evaluation.finding_scores import score_findings, summarise_findings
from hrcam.evaluation.lesion_scores import find_lesions, iou
from hrcam.evaluation.localisation import dice


def test_scores_by_hand():
    mask = np.zeros((20, 20), bool)
    mask[2:6, 2:6] = mask[12:14, 12:14] = True  # 16 and 4 pixels
    labels = np.zeros((20, 20), np.uint16)
    labels[4:8, 2:6] = 1  # 8 of 16 pixels in the first lesion: IoU 8 / 24
    labels[16:18, 2:4] = 3
    found = score_findings(labels, mask)
    assert found == MaskScores(2 * 8 / (20 + 20), 8 / 32, 2, 1, 1)
    # A region that only touches a lesion does not match it.
    labels[13:19, 13:19] = 2
    assert score_findings(labels, mask).detected == 1
    assert score_findings(labels, mask).false_positives == 2


@pytest.mark.parametrize("shape", [(30, 40), (12, 14, 16)])
def test_they_are_those_of_a_thresholded_map(shape):
    generator = np.random.default_rng(0)
    mask, found = generator.random((2, *shape)) > 0.9
    labels, _ = label(found, generate_binary_structure(len(shape), len(shape)))
    scores = score_findings(labels, mask)
    values = found.astype(float)
    assert scores.dice == pytest.approx(dice(values, mask, 0.5))
    assert scores.iou == pytest.approx(iou(values, mask, 0.5))
    lesions = find_lesions(values, mask, values, 0.5)
    assert (scores.lesions, scores.detected) == (
        len(lesions),
        sum(lesion.detected for lesion in lesions),
    )


def test_without_a_lesion_or_a_region():
    empty, labels = np.zeros((4, 4), bool), np.zeros((4, 4), int)
    assert score_findings(labels, empty) == MaskScores(None, None, 0, 0, 0)
    assert score_findings(labels, ~empty) == MaskScores(0, 0, 1, 0, 0)
    labels[1:3, 1:3] = 7
    assert score_findings(labels, empty) == MaskScores(None, None, 0, 0, 1)
    with pytest.raises(InputError, match="do not fit"):
        score_findings(labels.astype(float), empty)
    with pytest.raises(InputError, match="do not fit"):
        score_findings(labels, empty[:2])


def test_the_summary_resamples_subjects():
    scores = [
        MaskScores(0.8, 0.6, 1, 1, 0),
        MaskScores(0.4, 0.2, 3, 1, 2),
        MaskScores(None, None, 0, 0, 1),
        MaskScores(0.6, 0.4, 1, 0, 0),
    ]
    found = summarise_findings(scores)
    assert (found.images, found.lesions) == (3, 5)
    assert found.dice.value == pytest.approx(0.6)
    assert found.iou.value == pytest.approx(0.4)
    assert found.sensitivity.value == pytest.approx(2 / 5)
    assert found.false_positives.value == pytest.approx(3 / 4)
    assert 0.4 <= found.dice.low < 0.6 < found.dice.high <= 0.8
    together = summarise_findings(scores, ["a", "b", "a", "b"])
    assert together.dice.value == pytest.approx(found.dice.value)
    # Subject b or subject a alone.
    assert (together.dice.low, together.dice.high) == (0.5, 0.8)
    none = summarise_findings([MaskScores(None, None, 0, 0, 0)] * 3)
    assert none.dice.value is None
    assert none.false_positives.value == 0
    with pytest.raises(InputError, match="two subjects"):
        summarise_findings(scores, ["a"] * 4)
