"""Location, size and appearance of ependymomas and glioblastomas.

All ranges of both types overlap, as in patients, so that no single feature separates them. For the
same reason, glioblastomas of the posterior fossa and ependymomas of the hemispheres are more common
than in patients.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

Point = tuple[float, float, float]

LOCATIONS: Mapping[str, tuple[Point, ...]] = {
    "hemisphere": (
        (30.0, 34.0, 16.0),  # frontal
        (26.0, 6.0, 42.0),
        (32.0, -42.0, 38.0),  # parietal
        (44.0, -18.0, -12.0),  # temporal
        (44.0, -44.0, 0.0),
        (26.0, -76.0, 10.0),  # occipital
    ),
    "beside ventricle": (
        (26.0, -10.0, 26.0),
        (30.0, -44.0, 16.0),
        (22.0, 26.0, 12.0),
        (16.0, -20.0, 6.0),  # thalamus
    ),
    "corpus callosum": ((3.0, 24.0, 12.0), (3.0, -38.0, 18.0), (3.0, 2.0, 26.0)),
    "ventricle": (
        (13.0, -8.0, 22.0),
        (24.0, -42.0, 12.0),
        (11.0, 22.0, 8.0),
        (2.0, -14.0, 2.0),  # third ventricle
    ),
    "posterior fossa": (
        (0.0, -44.0, -32.0),  # fourth ventricle
        (4.0, -50.0, -38.0),
        (20.0, -58.0, -34.0),  # cerebellar hemisphere
        (14.0, -38.0, -36.0),  # foramen of Luschka
    ),
}
"""MNI millimetres around which tumours of each location are centred, on either side."""

CENTRE_SD_MM = 4.0
"""Standard deviation of a tumour's centre about its place, along each axis."""

SMALLEST_MM, LARGEST_MM = 8.0, 28.0
"""Limits of the radius."""


@dataclass(frozen=True, kw_only=True)
class TumourType:
    """Distribution of the tumours of one class; each pair is a range.

    Attributes
    ----------
    locations
        Probability of each key of `LOCATIONS`.
    radius
        Median, in millimetres, and standard deviation of the logarithm.
    stretch
        Standard deviation of the logarithm of a half-axis over the radius.
    irregularity
        Displacement of the outline, in radii.
    necrotic
        Probability of a necrotic core.
    rim
        Thickness of what is around a necrotic core, in radii.
    enhancing
        Share of the solid tumour that enhances, in patches.
    enhancement
        Signal of what enhances, relative to white matter.
    oedema
        Width of the oedema, in radii.
    cysts, calcifications
        Mean number of each.
    """

    locations: Mapping[str, float]
    radius: tuple[float, float]
    stretch: float
    irregularity: tuple[float, float]
    necrotic: float
    rim: tuple[float, float]
    enhancing: tuple[float, float]
    enhancement: tuple[float, float]
    oedema: tuple[float, float]
    cysts: float
    calcifications: float


EPENDYMOMA = TumourType(
    locations={
        "hemisphere": 0.15,
        "beside ventricle": 0.2,
        "corpus callosum": 0.0,
        "ventricle": 0.3,
        "posterior fossa": 0.35,
    },
    radius=(15.5, 0.25),
    stretch=0.12,
    irregularity=(0.06, 0.2),
    necrotic=0.3,
    rim=(0.3, 0.6),
    enhancing=(0.35, 0.95),
    enhancement=(0.95, 1.35),
    oedema=(0.0, 0.3),
    cysts=1.6,
    calcifications=1.0,
)

GLIOBLASTOMA = TumourType(
    locations={
        "hemisphere": 0.5,
        "beside ventricle": 0.17,
        "corpus callosum": 0.13,
        "ventricle": 0.05,
        "posterior fossa": 0.15,
    },
    radius=(17.0, 0.28),
    stretch=0.22,
    irregularity=(0.16, 0.4),
    necrotic=0.85,
    rim=(0.15, 0.5),
    enhancing=(0.7, 1.0),
    enhancement=(1.08, 1.5),
    oedema=(0.1, 0.5),
    cysts=0.3,
    calcifications=0.2,
)


@dataclass(frozen=True, kw_only=True)
class Tumour:
    """One tumour of a `TumourType`, with the same attributes and others.

    Attributes
    ----------
    centre
        MNI millimetres in the template.
    rim
        1 or more without a necrotic core.
    displacement
        Displacement of the surrounding brain, as a fraction of the distance to the centre.
    """

    location: str
    centre: Point
    radius: float
    stretch: Point
    irregularity: float
    rim: float
    enhancing: float
    enhancement: float
    oedema: float
    cysts: int
    calcifications: int
    displacement: float


def draw_tumour(rng: np.random.Generator, tumour_type: TumourType) -> Tumour:
    """Draw one tumour.

    Parameters
    ----------
    rng : numpy.random.Generator
        Source of everything.
    tumour_type : TumourType
        Type of the tumour.

    Returns
    -------
    Tumour
        Its location, size and appearance.
    """
    names = list(tumour_type.locations)
    location = names[rng.choice(len(names), p=list(tumour_type.locations.values()))]
    place = np.array(LOCATIONS[location][rng.integers(len(LOCATIONS[location]))])
    place[0] *= rng.choice([-1.0, 1.0])
    middle, spread = tumour_type.radius
    radius = float(np.clip(middle * np.exp(rng.normal(0, spread)), SMALLEST_MM, LARGEST_MM))
    stretch = np.exp(rng.normal(0, tumour_type.stretch, 3))
    # The size is that of the radius alone.
    stretch /= np.cbrt(stretch.prod())
    return Tumour(
        location=location,
        centre=_point(place + rng.normal(0, CENTRE_SD_MM, 3)),
        radius=radius,
        stretch=_point(stretch),
        irregularity=rng.uniform(*tumour_type.irregularity),
        rim=rng.uniform(*tumour_type.rim) if rng.random() < tumour_type.necrotic else 9.0,
        enhancing=rng.uniform(*tumour_type.enhancing),
        enhancement=rng.uniform(*tumour_type.enhancement),
        oedema=rng.uniform(*tumour_type.oedema),
        cysts=int(rng.poisson(tumour_type.cysts)),
        calcifications=int(rng.poisson(tumour_type.calcifications)),
        displacement=rng.uniform(0.15, 0.4),
    )


def _point(values: np.ndarray) -> Point:
    x, y, z = (float(value) for value in values)
    return x, y, z
