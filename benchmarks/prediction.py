"""How well `hrcam train` predicts, beside a practitioner's recipe and features without a network.

    python benchmarks/prediction.py COHORT [COHORT ...] --out DIR [--only hrcam,resnet18]

All predictors get the same folds: the split of the table, or `--folds` by subject.

- hrcam: `hrcam train` with its defaults; all training subjects are learnt from.
- resnet18, resnet50, densenet121, efficientnet-b0: MONAI's networks from random weights, at the
  images' own resolution up to `--side`, trained by one recipe on all training images: AdamW, linear
  warm-up and cosine, 5 % weight decay, label smoothing 0.1, classes weighted alike, left-right
  flips, small affine and intensity changes; the last epoch counts.
- logistic, boosting: a logistic regression, and gradient boosting, on features without a network:
  percentiles of intensities and of gradients at four scales, and sizes.

`--precision bf16-mixed` is for all networks alike. All train on a GPU where there is one.

DIR/predictions keeps what was predicted, so that a repeated command goes on; DIR/prediction.csv is
the table. The difference is the AUC of hrcam less that of the predictor, with a paired bootstrap
interval over subjects. Minutes are of the clock, for all folds of a seed.
"""

import argparse
import csv
import json
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from monai.networks import nets
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegressionCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import nn
from torch.nn import functional

from hrcam.cohort import Cohort, check_cohort, open_cohort
from hrcam.cohort.facts import ScanFacts
from hrcam.cohort.splits import Fold, make_folds
from hrcam.evaluation.prediction import paired_difference, score_predictions
from hrcam.preparation import augmentation, choose_preparation
from hrcam.training import Hardware, TrainingConfig, train_cohort
from hrcam.training.samples import Samples, prepare_samples

COLUMNS = (
    *("cohort", "predictor", "seed", "auc", "auc_low", "auc_high", "accuracy"),
    *(
        "balanced_accuracy",
        "calibration_error",
        "difference",
        "difference_low",
        "difference_high",
        "images",
        "minutes",
    ),
)
REFERENCE = "hrcam"
SINGLE, MIXED = "32-true", "bf16-mixed"
_BATCH, _RATE, _DECAY, _SMOOTHING, _WARM_UP = 16, 1e-3, 0.05, 0.1, 0.1
_PERCENTILES = (1, 5, 25, 50, 75, 95, 99)
_SCALES = 4  # each half as fine as the one before

Probabilities = NDArray[np.float64]


@dataclass(frozen=True)
class Setting:
    """One cohort with its folds, and the images at full resolution."""

    name: str
    cohort: Cohort
    facts: Sequence[ScanFacts]
    samples: Samples
    labels: NDArray[np.int64]
    folds: Sequence[Fold]
    transform: Callable[[torch.Tensor, int], torch.Tensor]
    work: Path
    hardware: Hardware

    def parts(self, fold: Fold) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the places of the images to train on, validation included, and to test on."""
        seen = self.samples.indices((*fold.train, *fold.validation))
        return seen, self.samples.indices(fold.test)


def open_setting(
    source: Path, work: Path, folds: int, side: int, seed: int, hardware: Hardware
) -> Setting:
    """Check and prepare a cohort."""
    cohort = open_cohort(source)
    checked = check_cohort(cohort)
    accepted = checked.accepted
    facts = [checked.facts[scan.name] for scan in accepted.scans]
    pictures = len(facts[0].shape) == 2
    shape = tuple(16 * math.ceil(min(s, side) / 16) for s in np.median([f.shape for f in facts], 0))
    preparation = choose_preparation(facts, accepted.channels, shape=shape if pictures else None)
    work.mkdir(parents=True, exist_ok=True)
    labels = np.array([accepted.classes.index(str(scan.label)) for scan in accepted.scans])
    samples = prepare_samples(accepted.scans, labels, preparation, work / "images.npy")
    divided = make_folds(accepted.scans, checked.voxel_hashes, folds=folds, seed=seed)
    return Setting(
        source.name,
        accepted,
        facts,
        samples,
        labels,
        divided,
        augmentation(preparation),
        work,
        hardware,
    )


def with_hrcam(setting: Setting, seed: int, folds: int) -> Probabilities:
    """Train as `hrcam train` does; return the probability of each class for each tested image."""
    config = TrainingConfig(folds=folds, seed=seed)
    run = train_cohort(
        setting.cohort, setting.work / f"run-{seed}", config, hardware=setting.hardware
    ).run
    found = {
        one.scan: np.array(one.network)[[run.classes.index(c) for c in setting.cohort.classes]]
        for one in run.predictions
    }
    return np.stack([found[setting.samples.scans[place].name] for place in tested(setting)])


def tested(setting: Setting) -> NDArray[np.int64]:
    """Return the places of the tested images, fold by fold."""
    return np.concatenate([setting.parts(fold)[1] for fold in setting.folds])


def _network(name: str, dimensions: int, channels: int, classes: int) -> nn.Module:
    if name.startswith("resnet"):
        # The stem of He et al. (CVPR 2016); MONAI's default does not stride in it.
        built: nn.Module = getattr(nets, name)(
            spatial_dims=dimensions,
            n_input_channels=channels,
            num_classes=classes,
            conv1_t_stride=2,
        )
        return built
    if name == "densenet121":
        return nets.DenseNet121(dimensions, channels, classes)
    return nets.EfficientNetBN(
        name, pretrained=False, spatial_dims=dimensions, in_channels=channels, num_classes=classes
    )


def with_recipe(name: str, setting: Setting, seed: int, epochs: int) -> Probabilities:
    """Train a network by the recipe in each fold; return as `with_hrcam`."""
    images, labels = setting.samples.images, torch.from_numpy(setting.labels)
    device, precision = setting.hardware.device, setting.hardware.precision
    mixed = torch.autocast(device.type, torch.bfloat16, enabled=precision == MIXED)
    layout = torch.channels_last if images.ndim == 4 else torch.channels_last_3d
    found = []
    for fold in setting.folds:
        seen, test = setting.parts(fold)
        torch.manual_seed(seed)
        random = np.random.default_rng(seed)
        network = _network(name, images.ndim - 2, images.shape[1], len(setting.cohort.classes))
        network.to(device, memory_format=layout)
        optimizer = torch.optim.AdamW(network.parameters(), _RATE, weight_decay=_DECAY)
        steps = epochs * (len(seen) // _BATCH)
        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda t, n=steps: _rate(t / n))
        frequencies = torch.bincount(labels[seen], minlength=len(setting.cohort.classes))
        weights = len(seen) / (len(frequencies) * frequencies)
        network.train()
        for _ in range(epochs):
            order = random.permutation(seen)
            for start in range(0, len(order) - _BATCH + 1, _BATCH):
                places = order[start : start + _BATCH]
                batch = torch.stack(
                    [
                        setting.transform(
                            torch.from_numpy(np.array(images[p])), int(random.integers(2**32))
                        )
                        for p in places
                    ]
                )
                with mixed:
                    logits = network(batch.contiguous(memory_format=layout).to(device))
                loss = functional.cross_entropy(
                    logits.float(),
                    labels[places].to(device),
                    weights.float().to(device),
                    label_smoothing=_SMOOTHING,
                )
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                schedule.step()
        network.eval()
        with torch.no_grad(), mixed:
            for start in range(0, len(test), _BATCH):
                batch = torch.from_numpy(
                    np.stack([images[p] for p in test[start : start + _BATCH]])
                )
                found.append(network(batch.to(device)).double().softmax(1).cpu().numpy())
    return np.concatenate(found)


def _rate(done: float) -> float:
    """Return the learning rate as a share of its peak, after a share of all steps."""
    if done < _WARM_UP:
        return max(done / _WARM_UP, 1e-3)
    return 0.5 * (1 + math.cos(math.pi * (done - _WARM_UP) / (1 - _WARM_UP)))


def features(setting: Setting) -> NDArray[np.float64]:
    """Return intensities, texture and size of each image, shape (N, F)."""
    rows = []
    for image, facts in zip(setting.samples.images, setting.facts, strict=True):
        row = [*facts.shape, *(facts.spacing or ()), *np.ravel(facts.percentiles)]
        for channel in torch.from_numpy(np.array(image)):
            for scale in range(_SCALES):
                coarser = _halved(channel, scale)
                edges = torch.stack(torch.gradient(coarser)).square().sum(0).sqrt()
                for values in (coarser, edges):
                    row += [float(values.mean()), float(values.std())]
                    row += np.percentile(values.numpy(), _PERCENTILES).tolist()
        rows.append(row)
    return np.nan_to_num(np.array(rows, float))


def _halved(channel: torch.Tensor, times: int) -> torch.Tensor:
    pool = {2: functional.avg_pool2d, 3: functional.avg_pool3d}[channel.ndim]
    return pool(channel[None, None], 2**times)[0, 0] if times else channel


def without_network(name: str, setting: Setting, seed: int) -> Probabilities:
    """Fit a classifier to features in each fold; return as `with_hrcam`."""
    values, labels = features(setting), setting.labels
    found = []
    for fold in setting.folds:
        seen, test = setting.parts(fold)
        model = (
            make_pipeline(StandardScaler(), LogisticRegressionCV(max_iter=2000, random_state=seed))
            if name == "logistic"
            else HistGradientBoostingClassifier(random_state=seed)
        )
        found.append(model.fit(values[seen], labels[seen]).predict_proba(values[test]))
    return np.concatenate(found)


NETWORKS = ("resnet18", "resnet50", "densenet121", "efficientnet-b0")
FEATURES = ("logistic", "boosting")


def predict(
    name: str, setting: Setting, seed: int, folds: int, epochs: int
) -> tuple[Probabilities, float]:
    """Return the probabilities and the minutes of a predictor, or those of an earlier call."""
    path = setting.work / "predictions" / f"{name}-{seed}.json"
    if path.is_file():
        kept = json.loads(path.read_text(encoding="utf-8"))
        return np.array(kept["probabilities"]), kept["minutes"]
    started = time.monotonic()
    if name == REFERENCE:
        found = with_hrcam(setting, seed, folds)
    elif name in FEATURES:
        found = without_network(name, setting, seed)
    else:
        found = with_recipe(name, setting, seed, epochs)
    minutes = (time.monotonic() - started) / 60
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps({"minutes": minutes, "probabilities": found.tolist()}))
    return found, minutes


def row(
    name: str, setting: Setting, seed: int, found: Probabilities, ours: Probabilities | None
) -> dict:
    """Return the columns of one predictor, with the difference where hrcam has predicted."""
    places = tested(setting)
    labels = setting.labels[places]
    groups = [setting.samples.scans[place].group for place in places]
    scores = score_predictions(labels, found, groups=groups).metrics
    columns = {
        "auc": scores["auc"].value,
        "auc_low": scores["auc"].low,
        "auc_high": scores["auc"].high,
        **{
            key: scores[key].value for key in ("accuracy", "balanced_accuracy", "calibration_error")
        },
    }
    if ours is not None and name != REFERENCE:
        gain = paired_difference(labels, ours, found, "auc", groups=groups)
        columns |= {
            "difference": gain.value,
            "difference_low": gain.low,
            "difference_high": gain.high,
        }
    shown = {key: "" if value is None else f"{value:.3f}" for key, value in columns.items()}
    return {"cohort": setting.name, "predictor": name, "seed": seed, "images": len(places), **shown}


def main() -> None:
    """Train what is asked for, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("cohorts", type=Path, nargs="+")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--only", default=",".join((REFERENCE, *FEATURES, *NETWORKS)))
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--epochs", type=int, default=50, help="of the recipe")
    parser.add_argument("--side", type=int, default=256, help="longest side of a picture's grid")
    parser.add_argument("--precision", choices=(SINGLE, MIXED), default=SINGLE)
    parser.add_argument("--threads", type=int, help="of torch; None for one per core")
    arguments = parser.parse_args()
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    names = arguments.only.split(",")
    unknown = set(names) - {REFERENCE, *FEATURES, *NETWORKS}
    if unknown:
        parser.error(f"no predictor {sorted(unknown)[0]!r}")
    rows = []
    for source in arguments.cohorts:
        for seed in range(arguments.seeds):
            work = arguments.out / source.name
            setting = open_setting(
                source,
                work,
                arguments.folds,
                arguments.side,
                seed,
                Hardware(precision=arguments.precision),
            )
            ours = None
            for name in names:
                found, minutes = predict(name, setting, seed, arguments.folds, arguments.epochs)
                ours = found if name == REFERENCE else ours
                rows.append({**row(name, setting, seed, found, ours), "minutes": f"{minutes:.1f}"})
                print(rows[-1], flush=True)
    with (arguments.out / "prediction.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        writer.writerows(rows)


if __name__ == "__main__":
    main()
