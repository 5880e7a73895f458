"""Whether maps mean anything: the checks, the limits that they have to keep, and what came out.

Plain numbers, without torch: what measures them and what shows them both import this.
"""

from collections.abc import Iterable, Mapping

from hrcam.artifacts.check_results import STAY_BELOW, Check, CheckName

LIMITS: Mapping[CheckName, float] = {
    # SSIM with the map of an untrained network. Adebayo et al. (NeurIPS 2018) name no number; 0.3
    # is ours. `randomisation_limit` raises it.
    "randomisation": 0.3,
    # Rank correlation with edges, brightness or centre. Ours: beyond, the picture itself explains
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

MOST_ALIKE = 0.5
"""How far the limit of the randomisation check is raised at most."""

SAME_NETWORK = 0.5
"""SSIM that the maps of one network have to reach when HR-CAM is only fitted to it again.

Where they do not, those of a random network prove nothing. On real cohorts it is 0.8 to 0.96."""

CRUCIAL: frozenset[CheckName] = STAY_BELOW
"""Checks without which a map says nothing of what was learnt."""


def randomisation_limit(between_scans: float) -> float:
    """Return the limit of the randomisation check, given the SSIM of maps of different scans.

    Where the trained network's own maps of different scans are more alike than 0.3, as where
    lesions lie in the middle, an untrained network's need not be less alike than they: the
    criterion of Arun et al. (Radiology: AI 2021). It is capped, lest maps that are all the same
    excuse each other.
    """
    return min(MOST_ALIKE, max(LIMITS["randomisation"], between_scans))


def unmeasured(name: CheckName, reason: str) -> Check:
    """Return a check that could not be made."""
    return Check(name, (), LIMITS[name], reason)


def as_floats(values: Iterable[float]) -> tuple[float, ...]:
    """Return the values of an array as plain numbers."""
    return tuple(map(float, values))
