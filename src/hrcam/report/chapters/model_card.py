"""The model card of a run, filled in from its files."""

from pathlib import PurePath

from hrcam.artifacts.run_folder import RunFolder
from hrcam.report.chapters.predicted import Predicted
from hrcam.report.chapters.predicted_classes import UNKNOWN
from hrcam.report.page.content import Section, Table
from hrcam.report.page.text import count, estimate_text, minus, plain, settings

AUTHORS = UNKNOWN

INTENDED_USE = (
    "Research into where a CNN finds a pathology, on images like those it was trained on. "
    "Not a medical device: not for diagnosis, triage or treatment, and not for single patients."
)

_HEADS = {
    "labels": "Fitted to the labels, on the feature maps of the frozen network.",
    "logits": "Fitted to the network's own logits, on its frozen feature maps.",
    "joint": "Trained together with the network, with a loss for each level.",
}
_TRAINING = (
    *("tries", "epochs", "patience", "batch_size", "learning_rate"),
    *("folds", "repeats", "leave_out", "validation", "bootstrap", "seed"),
)


def data_text(run: RunFolder, predicted: Predicted) -> str:
    """Describe the test data in one line."""
    return f"{predicted.data}; {count(len(run.refused), 'problem')} led to a refusal."


def networks_text(run: RunFolder) -> str:
    """Name the networks of the folds; several, where several plans were tried."""
    planned = run.config.get("network")
    found = {one.get("network", planned) for one in run.manifest.get("fold_details", ())}
    return ", ".join(sorted(map(plain, found or {planned})))


def settings_text(pairs: list[tuple[str, str]]) -> str:
    """Join settings in one line."""
    return "; ".join(f"{name}: {value}" for name, value in pairs) + "." if pairs else AUTHORS


def training_text(run: RunFolder) -> str:
    """Describe the training in one line."""
    return settings_text(settings(run.config, _TRAINING))


def initialisation_text(run: RunFolder) -> str:
    """Describe the initial weights, of a file only the name, and what of them was trained."""
    weights = run.config.get("weights")
    if weights:
        text = f"Weights from {PurePath(str(weights)).name}."
    else:
        text = f"Random, with seed {plain(run.config.get('seed'))}."
    if run.config.get("freeze"):
        text += " Only the head of the network was trained."
    if run.config.get("layer_decay"):
        decay = plain(run.config["layer_decay"])
        text += f" Each block of the network had {decay} of the learning rate of the next."
    return text


def head_text(run: RunFolder) -> str:
    """Describe the target of the HR-CAM head and the quality of its fit."""
    kind = str(run.config.get("head", ""))
    text = f"{kind}: {_HEADS[kind]}" if kind in _HEADS else kind or AUTHORS
    if kind == "labels":
        # Its own cross-validation is on images that the network was trained on.
        accuracy = estimate_text(run.pooled("head").get("accuracy"))
        return f"{text} Accuracy of the head on test scans: {accuracy}."
    found = [fold.get("fidelity") for fold in run.manifest.get("fold_details", ())]
    if not found or None in found:
        return text
    values = ", ".join(minus(f"{each:z.2f}") for each in found)
    return f"{text} Fidelity (R² of the network's outputs, cross-validated), by fold: {values}."


def software_text(run: RunFolder) -> str:
    """Name the software and the device of the run."""
    versions = run.manifest.get("versions")
    names = plain(versions) if versions else "versions not recorded"
    hardware = run.manifest.get("gpu") or run.manifest.get("hardware")
    return f"{names}{f'; computed on: {plain(hardware)}' if hardware else ''}."


def model_card(run: RunFolder, predicted: Predicted) -> Section:
    """Return the model card of a run, with what is said of its predictions."""
    rows = (
        ("Model", f"CNN “{networks_text(run)}” with an HR-CAM head"),
        predicted.predicts,
        ("Intended use", INTENDED_USE),
        ("Data", data_text(run, predicted)),
        ("Origin and consent of the data", AUTHORS),
        ("Preparation", settings_text(settings(run.preparation))),
        ("Initialisation", initialisation_text(run)),
        ("Training", training_text(run)),
        ("HR-CAM head", head_text(run)),
        ("Pattern maps compare", predicted.compared),
        ("Metrics", predicted.measured),
        (
            "Limits",
            "Tested only on scans of the same source, unless the authors state otherwise. "
            "Performance on other scanners, sequences and populations may be lower. For limits "
            "of the maps see “What these maps show and what they do not”.",
        ),
        ("Software", software_text(run)),
        ("SHA-256 of the inputs", plain(run.manifest.get("inputs_sha256"))),
        ("Seed", plain(run.config.get("seed", run.manifest.get("seed")))),
        ("Authors and contact", AUTHORS),
        ("Licence", AUTHORS),
    )
    return Section("Model card", table=Table(("Item", "This model"), rows))
