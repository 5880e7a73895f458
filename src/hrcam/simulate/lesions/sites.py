"""Lesions at several sites, whose images look different and whose patients are unequally many."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import sqrt
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from hrcam.errors import InputError
from hrcam.simulate.lesions.cohort import LesionCohort
from hrcam.simulate.subject import Subject

SHARE = 0.95
"""Share of subjects with lesions at the first and third site; at the second, of those without."""

_RIM, _GRAIN, _BLUR = 0.35, 0.06, 0.8  # level, standard deviation, pixels
_GOLDEN = (sqrt(5) - 1) / 2


@dataclass(frozen=True, kw_only=True)
class MultiSiteLesionCohort(LesionCohort):
    """Parameters of a cohort of lesions at several sites: the site nearly tells the class.

    Nearly all subjects with lesions are of the first and third site, and nearly all others of the
    second. The first site has a bright rim around its images, the second grain in them, and those
    of the third are blurred. A network that has learnt the look of the sites, in place of lesions,
    does well on new subjects of these sites, and fails at another.

    Attributes
    ----------
    sites : int
        Number of sites: 2 or 3. All else is as in `LesionCohort`.

    Raises
    ------
    InputError
        If a parameter cannot be used; the message says which, and what it may be.
    """

    covariates: ClassVar[tuple[str, ...]] = ("site",)

    sites: int = 3

    def __post_init__(self) -> None:
        LesionCohort.__post_init__(self)
        if self.sites not in (2, 3):
            raise InputError(f"sites is {self.sites!r}: use 2 or 3")

    def site(self, index: int) -> int:
        """Site of a subject, from 0."""
        shares = np.array([SHARE if site % 2 == 0 else 1 - SHARE for site in range(self.sites)])
        if self.label(index) == 0:
            shares = 1 - shares
        # Multiples of the golden ratio fill the range evenly, however many there are.
        place = self.rank(index) * _GOLDEN % 1
        return int(np.searchsorted(np.cumsum(shares / shares.sum())[:-1], place, side="right"))

    def covariates_of(self, index: int) -> Mapping[str, str]:
        """Return the site of a subject."""
        return {"site": f"site-{self.site(index) + 1}"}

    def simulate(self, index: int) -> Subject:
        """Simulate one subject as `LesionCohort` does, and give it the look of its site."""
        subject = LesionCohort.simulate(self, index)
        rng = self.streams(index, 4)[3]
        return replace(subject, image=_looking(subject.image, self.site(index), rng))


def _looking(
    image: NDArray[np.float32], site: int, rng: np.random.Generator
) -> NDArray[np.float32]:
    if site == 0:
        inside = tuple(slice(width := max(1, size // 16), size - width) for size in image.shape)
        changed = np.maximum(image, _RIM)
        changed[inside] = image[inside]
    elif site == 1:
        changed = image + _GRAIN * rng.standard_normal(image.shape)
    else:
        changed = ndimage.gaussian_filter(image, _BLUR)
    return np.clip(changed, 0, 1).astype(np.float32)
