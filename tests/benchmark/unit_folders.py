"""Folders of finished units, with scores that are drawn at random around what a test wants."""

import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from hrcam.benchmark.measurement import COLUMNS
from hrcam.benchmark.variant import Stage, Variant

PATTERN, EVIDENCE = Variant("HR-CAM pattern"), Variant("HR-CAM evidence for the logits")
PAPER = Variant("HR-CAM (2019)")
GRADCAM = {level: Variant("Grad-CAM", level) for level in ("blocks.0", "blocks.1")}
LAYERCAM = {level: Variant("LayerCAM", level) for level in ("blocks.0", "blocks.1")}
FUSED = Variant("LayerCAM", fusion="product")
OCCLUSION = Variant("Occlusion")
UNET = Variant("U-Net (trained on masks)")
RANDOM, EDGES = Variant("random"), Variant("edges")

AUPRC = {
    PATTERN: 0.8,
    EVIDENCE: 0.3,
    PAPER: 0.7,
    GRADCAM["blocks.0"]: 0.2,
    GRADCAM["blocks.1"]: 0.4,
    LAYERCAM["blocks.0"]: 0.5,
    LAYERCAM["blocks.1"]: 0.3,
    FUSED: 0.6,
    OCCLUSION: 0.35,
    UNET: 0.9,
    RANDOM: 0.02,
    EDGES: 0.1,
}
"""Mean AUPRC of each variant as read."""


def refined(auprc: Mapping[Variant, float]) -> dict[Variant, float]:
    """The same for refined maps: all that is missing is filled up by 0.3."""
    return {each.at(Stage.REFINED): 0.7 * mean + 0.3 for each, mean in auprc.items()}


REFINED = PATTERN.at(Stage.REFINED)


@dataclass
class FakeUnit:
    """What a unit is to have written."""

    cohort: str = "lesions"
    source: str = "simulated"
    seed: int = 0
    subjects: int = 24
    auprc: Mapping[Variant, float] = field(default_factory=lambda: dict(AUPRC))
    classes: Sequence[str] = ("control", "lesion")
    group_size: int = 1
    prefix: str = "sub-"

    @property
    def names(self) -> list[str]:
        return [f"{self.prefix}{index:03d}" for index in range(self.subjects)]

    @property
    def lesions(self) -> list[str]:
        return self.names[1::2]


def measurements(unit: FakeUnit) -> list[tuple[str, str, str, str, str, str, float]]:
    """Return rows as a unit measures them."""
    generator = np.random.default_rng(100 + unit.seed)
    rows = []

    def add(subject: str, variant: Variant, measure: str, value: float) -> None:
        rows.append((subject, *vars(variant).values(), measure, float(value)))

    for subject in unit.lesions:
        difficulty = generator.normal(0, 0.03)
        for variant, mean in (unit.auprc | refined(unit.auprc)).items():
            value = np.clip(mean * (1 + difficulty) + generator.normal(0, 0.01), 1e-3, 1)
            add(subject, variant, "auprc", value)
            add(subject, variant, "pointing", generator.random() < mean)
            add(subject, variant, "dice", value / 2)
            add(subject, variant, "iou", value / 3)
            add(subject, variant, "mass_inside", value / 4)
    for subject in unit.names[::2]:
        for variant in unit.auprc | refined(unit.auprc):
            add(subject, variant, "false_positives", generator.integers(0, 3))
    for subject in unit.lesions[:8]:
        for variant, insertion in ((PATTERN, 0.8), (LAYERCAM["blocks.0"], 0.7), (RANDOM, 0.4)):
            blurred = Variant(f"{variant.method} (blurred)", variant.level, variant.fusion)
            for each, shift in ((variant, 0), (blurred, 0.05)):
                noise = generator.normal(0, 0.02)
                add(subject, each, "insertion", insertion + shift + noise)
                add(subject, each, "deletion", 0.5 - insertion / 3 - shift + noise)
                add(subject, each, "logit_drop", 3 * insertion + noise)
        for variant, end in ((PATTERN, 0.1), (EVIDENCE, 0.2), (GRADCAM["blocks.1"], 0.4)):
            for share in (0.2, 0.6, 1.0):
                like = 1 - (1 - end) * share + generator.normal(0, 0.01)
                add(subject, variant, f"randomised_ssim@{share:.2f}", like)
                if share == 1:
                    add(subject, variant, "randomised_ssim", like)
            add(subject, variant, "randomised_spearman", generator.normal(0, 0.1))
            add(subject, variant, "label_randomised_spearman", generator.normal(0.1, 0.1))
            for measure, value in (
                ("fold_repeatability", 0.85),
                ("reproducibility", 0.8),
                ("noise_stability", 0.9),
                ("shift_stability", 0.95),
            ):
                add(subject, variant, measure, value + generator.normal(0, 0.01))
    return rows


def predictions(unit: FakeUnit) -> pd.DataFrame:
    """Return a CNN that is right in most images, its copy, and a head that is a little worse."""
    generator = np.random.default_rng(200 + unit.seed)
    rows = []
    number = len(unit.classes)
    for index, subject in enumerate(unit.names):
        truth = index % number
        logits = generator.normal(0, 1, number)
        logits[truth] += 2.5
        worse = logits + generator.normal(0, 1, number)
        for predictor, each in (
            ("CNN", logits), ("HR-CAM (logits)", logits), ("HR-CAM (labels)", worse),
        ):  # fmt: skip
            probabilities = np.exp(each) / np.exp(each).sum()
            rows += [
                (subject, unit.classes[truth], predictor, name, value)
                for name, value in zip(unit.classes, probabilities, strict=True)
            ]
    return pd.DataFrame(rows, columns=["subject", "label", "predictor", "class", "probability"])


def subjects(unit: FakeUnit) -> pd.DataFrame:
    """Return one row for each subject; every second one has a mask, larger and clearer later."""
    rows = []
    for index, name in enumerate(unit.names):
        ill = index % 2 == 1
        rows.append(
            {
                "subject": name,
                "group": f"patient-{index // (2 * unit.group_size)}-{index % 2}",
                "label": unit.classes[index % len(unit.classes)],
                "lesion_share": 0.001 * (index + 1) if ill else 0.0,
                "contrast": 2 - 0.01 * index if ill else None,
                "has_mask": ill,
            }
        )
    return pd.DataFrame(rows)


def write_unit(out: Path, unit: FakeUnit, extra: Sequence[tuple] = ()) -> Path:
    """Write a unit as the benchmark does, ``unit.json`` last."""
    folder = out / "units" / f"{unit.cohort}-seed-{unit.seed}"
    folder.mkdir(parents=True)
    table = pd.DataFrame([*measurements(unit), *extra], columns=list(COLUMNS))
    table.to_csv(folder / "measurements.csv", index=False)
    predictions(unit).to_csv(folder / "predictions.csv", index=False)
    subjects(unit).to_csv(folder / "subjects.csv", index=False)
    (folder / "maps.npz").write_bytes(maps(unit))
    content = {
        "cohort": unit.cohort, "source": unit.source, "seed": unit.seed,
        "versions": {"hrcam": "1.0", "torch": "2.0"}, "seconds": 60.0,
    }  # fmt: skip
    (folder / "unit.json").write_text(json.dumps(content))
    return folder


def maps(unit: FakeUnit) -> bytes:
    """Return the same maps in every seed, but for some noise of their own."""
    shared, own = np.random.default_rng(1), np.random.default_rng(300 + unit.seed)
    arrays = {
        f"{subject}/{variant.name}": (
            shared.normal(size=(16, 16)) + 0.3 * own.normal(size=(16, 16))
        ).astype(np.float16)
        for subject in unit.lesions[:3]
        for variant in (PATTERN, REFINED, PAPER)
    }
    stream = io.BytesIO()
    np.savez_compressed(stream, **arrays)
    return stream.getvalue()
