"""The measurements of a unit in parts; a written part is not measured again."""

import json
import logging
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import torch

from hrcam.artifacts.atomic import write_atomically
from hrcam.artifacts.formats import encode_json
from hrcam.benchmark.cohorts import OpenedCohort
from hrcam.benchmark.images.fold_images import FoldImages
from hrcam.benchmark.images.measured import MeasuredImages, sample_images
from hrcam.benchmark.measurement import COLUMNS, Measurement, as_table
from hrcam.benchmark.measures.faithfulness import measure_faithfulness
from hrcam.benchmark.measures.localisation import Mapper, SubjectMaps, localisation
from hrcam.benchmark.measures.methods import (
    Method,
    class_activation_maps,
    grid_maps,
    native_maps,
    voxel_attributions,
)
from hrcam.benchmark.measures.robustness import measure_robustness
from hrcam.benchmark.measures.upper_bound import unet_maps
from hrcam.benchmark.saved_maps import save_maps
from hrcam.benchmark.summary.ranking import UPPER_BOUND, is_rival
from hrcam.benchmark.unit_runs import FoldExplainers, UnitRuns
from hrcam.benchmark.variant import HRCAM_VARIANTS, PAPER, PATTERN, Stage, Variant
from hrcam.errors import HRCAMWarning, InputError
from hrcam.training import Hardware

logger = logging.getLogger(__name__)

PARTS, SECONDS = "parts", "seconds.json"
"""Folder of the parts in that of a unit, and its file with the duration of each."""


@dataclass(frozen=True)
class UnitParts:
    """The measurements of a trained unit.

    Attributes
    ----------
    opened, runs, measured, seed
        The cohort, the networks, the images and the random seed.
    folder
        Folder of the unit.
    hardware
        Devices for training.
    progress
        Show progress bars on a terminal.
    """

    opened: OpenedCohort
    runs: UnitRuns
    measured: MeasuredImages
    seed: int
    folder: Path
    hardware: Hardware
    progress: bool

    def measure(self) -> pd.DataFrame:
        """Measure the missing parts; return all parts in one table, as text."""
        sizes = self.opened.plan.sizes
        attributed = MeasuredImages(
            tuple(sample_images(self.measured.lesions, sizes.attributions)),
            tuple(sample_images(self.measured.lesion_free, sizes.attributions)),
            self.measured.nigra,
        )
        tables = [
            self._part("localisation", lambda: self._localised(class_activation_maps)),
            self._part("attributions", lambda: self._localised(voxel_attributions, attributed)),
            self._part("upper_bound", self._upper_bound),
        ]
        located = pd.concat(tables[:2], ignore_index=True)
        tables += [
            self._part("faithfulness", lambda: self._faithfulness(located)),
            self._part("robustness", self._robustness),
        ]
        with timed(self.folder, "examples"):
            save_maps(
                self._mapper(class_activation_maps),
                self.measured,
                [
                    Variant(PAPER),
                    *best_rivals(tables[0]),
                    *(Variant(PATTERN, stage=stage) for stage in Stage),
                ],
                self.folder,
            )
        return pd.concat(tables, ignore_index=True)

    def _part(self, name: str, measure: Callable[[], list[Measurement]]) -> pd.DataFrame:
        path = self.folder / PARTS / f"{name}.csv"
        if not path.is_file():
            logger.info("measuring: %s", name)
            with timed(self.folder, name):
                write_atomically(path, as_table(measure()).to_csv(index=False).encode())
        return pd.read_csv(path, dtype=str, keep_default_na=False)[list(COLUMNS)]

    def _localised(
        self, method: Method, measured: MeasuredImages | None = None
    ) -> list[Measurement]:
        return localisation(
            self._mapper(method),
            measured or self.measured,
            seed=self.seed,
            progress=self.progress,
        )

    def _upper_bound(self) -> list[Measurement]:
        try:
            maps = unet_maps(
                self.runs.logits,
                self.measured.by_fold,
                self.opened.cohort.scans,
                epochs=self.opened.plan.sizes.unet_epochs,
                seed=self.seed,
                device=self.hardware.device,
            )
        except InputError as error:
            # The cohort has too few masks to train a U-Net.
            warnings.warn(
                f"the upper bound by a U-Net was not measured: {error}", HRCAMWarning, stacklevel=2
            )
            return []

        def mapper(images: FoldImages) -> Iterator[tuple[int, SubjectMaps]]:
            for place, scan in enumerate(images.scans):
                yield (
                    place,
                    {UPPER_BOUND.at(stage): values for stage, values in maps[scan.name].items()},
                )

        return localisation(mapper, self.measured, seed=self.seed)

    def _faithfulness(self, located: pd.DataFrame) -> list[Measurement]:
        wanted = [*HRCAM_VARIANTS, *best_of_each_rival(located)]
        found: list[Measurement] = []
        for images in sample_images(self.measured.lesions, self.opened.plan.sizes.faithfulness):
            explainers = self._explainers(images)
            maps = grid_maps(class_activation_maps, explainers, images, wanted)
            maps |= grid_maps(voxel_attributions, explainers, images, wanted)
            found += measure_faithfulness(
                explainers.logits.model,
                images.voxels().to(self.hardware.device),
                images.classes.to(self.hardware.device),
                [scan.name for scan in images.scans],
                {variant: torch.from_numpy(maps[variant]) for variant in wanted},
                seed=self.seed,
            )
        return found

    def _robustness(self) -> list[Measurement]:
        return measure_robustness(
            self.runs.logits,
            list(self.measured.lesions),
            self.opened.cohort.scans,
            seed=self.seed,
            images=self.opened.plan.sizes.robustness,
            epochs=self.opened.plan.sizes.comparison_epochs,
            hardware=self.hardware,
            device=self.hardware.device,
        )

    def _explainers(self, images: FoldImages) -> FoldExplainers:
        return self.runs.explainers(images.fold, self.hardware.device)

    def _mapper(self, method: Method) -> Mapper:
        return lambda images: native_maps(method, self._explainers(images), images)


def best_rivals(located: pd.DataFrame) -> list[Variant]:
    """Return the rivals with the largest mean AUPRC, at a single level and with levels fused.

    They are selected at each stage, and sorted by whether levels are fused and then by stage.
    """
    best: dict[tuple[bool, Stage], Variant] = {}
    for variant in _ranked_rivals(located):
        best.setdefault((bool(variant.fusion), variant.stage), variant)
    return [best[key] for key in sorted(best)]


def best_of_each_rival(located: pd.DataFrame) -> list[Variant]:
    """Return each rival's level or fusion with the largest mean AUPRC at each stage."""
    best: dict[tuple[str, Stage], Variant] = {}
    for variant in _ranked_rivals(located):
        best.setdefault((variant.method, variant.stage), variant)
    return list(best.values())


def _ranked_rivals(located: pd.DataFrame) -> list[Variant]:
    rows = located[located["measure"] == "auprc"]
    means = rows["value"].astype(float).groupby([rows[name] for name in COLUMNS[1:5]]).mean()
    ranked = (
        Variant.from_row(*names)
        for names in means.sort_values(ascending=False, kind="stable").index
    )
    return [one for one in ranked if is_rival(one)]


@contextmanager
def timed(folder: Path, part: str) -> Iterator[None]:
    """Add the duration of a part to the unit's ``parts/seconds.json``."""
    started = time.monotonic()
    yield
    seconds = seconds_by_part(folder)
    seconds[part] = round(seconds.get(part, 0.0) + time.monotonic() - started, 1)
    write_atomically(folder / PARTS / SECONDS, encode_json(seconds))


def seconds_by_part(folder: Path) -> dict[str, float]:
    """Return the duration of each part of a unit, without interruptions."""
    path = folder / PARTS / SECONDS
    return dict(json.loads(path.read_text("utf-8"))) if path.is_file() else {}
