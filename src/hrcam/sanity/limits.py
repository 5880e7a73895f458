"""The limits that maps have to keep: fixed, the same for every run.

Plain numbers, without torch: what measures them and what shows them both import this.
"""

from collections.abc import Iterable, Mapping

from hrcam.artifacts.check_results import STAY_BELOW, Check, CheckName

LIMITS: Mapping[CheckName, float] = {
    # SSIM with the map of an untrained network. Adebayo et al. (NeurIPS 2018) name no number; 0.3
    # is ours.
    "randomisation": 0.3,
    # AUPRC of the map minus that of the best map without a model.
    "bounds": 0.0,
    # Rank correlation with edges, brightness, centre or the mean map. Ours: beyond, it explains
    # half of the map's ranks.
    "likeness": 0.7,
    # Rank correlation with the map of another fold's network. Ours: below, two trainings share
    # less than a quarter of the ranks.
    "repeatability": 0.5,
    # Rank correlation after a change that the eye hardly sees. Ours, as for likeness.
    "noise": 0.7,
    "shift": 0.7,
}
"""What the mean over images is held against."""

SAME_NETWORK = 0.5
"""SSIM that the maps of one network have to reach when HR-CAM is only fitted to it again.

Where they do not, those of a random network prove nothing. On real cohorts it is 0.8 to 0.96."""

CRUCIAL: frozenset[CheckName] = STAY_BELOW | {"bounds"}
"""Checks without which a map says nothing of what was learnt."""


def unmeasured(name: CheckName, reason: str) -> Check:
    """Return a check that could not be made."""
    return Check(name, (), LIMITS[name], reason)


def as_floats(values: Iterable[float]) -> tuple[float, ...]:
    """Return the values of an array as plain numbers."""
    return tuple(map(float, values))
