from collections import Counter
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from hrcam.artifacts.scan_prediction import ClassPrediction
from hrcam.artifacts.scan_record import ScanRecord
from hrcam.report.viewer.selection import select


def record(name, label, p, seen=False):
    predicted = "b" if p > 0.5 else "a"
    return ScanRecord(
        scan=str(name), participant=str(name), label=label, map_class=predicted,
        prediction=ClassPrediction(predicted, {"a": 1 - p, "b": p}), predictor="network",
        level_contributions={}, sources=(), files={"pattern": Path("x")}, shape=(2, 2),
        seen_in_training=seen, warnings=(), run={}, versions={}, source_bytes=0,
        source_modified=None, voxel_hash="", folds=(1,), grid=(2, 2), grid_spacing=None,
        class_index=0, logit=0.0, bias=0.0,
    )  # fmt: skip


records = st.lists(st.tuples(st.sampled_from(["a", "b", None]), st.floats(0, 1)), max_size=30).map(
    lambda pairs: [record(i, label, p) for i, (label, p) in enumerate(pairs)]
)


@given(records, st.integers(1, 40))
def test_as_many_as_asked_for_in_order(cohort, limit):
    chosen = select(cohort, limit)
    assert len(chosen) == min(limit, len(cohort))
    assert [int(each.scan) for each in chosen] == sorted({int(each.scan) for each in chosen})
    assert select(cohort, limit) == chosen


def test_classes_and_outcomes_share_the_places():
    right = [record(i, "a", 0.4 * i / 50) for i in range(50)]
    wrong = [record(100 + i, "b", 0.1) for i in range(3)]
    other = [record(200 + i, "b", 0.9) for i in range(20)]
    chosen = select([*right, *wrong, *other], 15)
    counts = Counter((each.label, each.outcome) for each in chosen)
    assert counts == {("a", "correct"): 6, ("b", "wrong"): 3, ("b", "correct"): 6}
    # From sure to unsure.
    scans = [int(each.scan) for each in chosen if each.label == "a"]
    assert scans == [0, 10, 20, 29, 39, 49]


def test_scans_that_no_network_was_trained_on_come_first():
    seen = [record(i, "a", 0.1, seen=True) for i in range(20)]
    new = [record(100 + i, "b", 0.9) for i in range(4)]
    assert select([*seen, *new], 3) == tuple(new[i] for i in (0, 2, 3))
    chosen = select([*seen, *new], 7)
    assert chosen[-4:] == tuple(new)
    assert [each.seen_in_training for each in chosen] == [True] * 3 + [False] * 4
