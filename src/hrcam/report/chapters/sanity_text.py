"""The meaning of the sanity checks in words: a verdict on all, and an answer for each."""

from collections.abc import Mapping

from hrcam.artifacts.check_results import HRCAM_AUPRC, Check, CheckName, MapChecks
from hrcam.report.page.content import Answer
from hrcam.report.page.text import count, minus
from hrcam.sanity.limits import CRUCIAL

_QUESTIONS: Mapping[CheckName, str] = {
    "randomisation": "Do the maps depend on what the network has learnt?",
    "bounds": "Do they mark the masks better than maps that need no network?",
    "likeness": "Do they differ from maps that need no network?",
    "repeatability": "Do networks that were trained separately give similar maps?",
    "noise": "Are they stable when a little noise is added?",
    "shift": "Do they shift with the image?",
}

_COMPARED: Mapping[CheckName, str] = {
    "randomisation": "With an untrained network",
    "bounds": "With maps that need no network",
    "likeness": "With maps that need no network",
    "repeatability": "With other trained networks",
    "noise": "With noise added",
    "shift": "With the image shifted",
}

_PASSED: Mapping[CheckName, str] = {
    "randomisation": "A network with random weights gives a different map.",
    "bounds": "Of the others, {most} comes closest.",
    "likeness": "The most similar is {most}.",
    "repeatability": "Networks that were trained separately give similar maps.",
    "noise": "Barely visible noise does not change them.",
    "shift": "If the image is shifted by two voxels, the map shifts with it.",
}

_FAILED: Mapping[CheckName, str] = {
    "randomisation": "A network with random weights gives nearly the same map. The map shows "
    "properties of the image, not of the disease.",
    "bounds": "Of these, {most} marks them as well or better.",
    "likeness": "The maps resemble {most}.",
    "repeatability": "Networks that were trained separately give other maps. "
    "The maps depend on the network more than on the disease.",
    "noise": "Barely visible noise changes the map. Small bright regions are not reliable.",
    "shift": "If the image is shifted by two voxels, its map changes. Small regions are not "
    "reliable: they depend on the network's grid.",
}

_SHORT: Mapping[CheckName, str] = {
    "randomisation": "An untrained network gives nearly the same maps",
    "bounds": "The maps mark the masks no better than {most}",
    "likeness": "The maps resemble {most}",
    "repeatability": "Networks that were trained separately give other maps",
    "noise": "Little noise changes the maps",
    "shift": "A small shift changes the maps",
}


_CRUCIAL: Mapping[CheckName, str] = {
    "randomisation": "an untrained network gives nearly the same",
    "bounds": "{most} marks the masks as well or better",
    "likeness": "they resemble {most}",
}


def verdict(checks: MapChecks) -> str:
    """Return the conclusion of all checks for a reader of the maps."""
    failed = checks.failed()
    crucial = [check for check in failed if check.name in CRUCIAL]
    open_ = [check for check in checks.checks if check.passed is None]
    measured = len(checks.checks) - len(open_)
    score = f"{measured - len(failed)} of {count(measured, 'check')} passed"
    if open_:
        score += f", {len(open_)} could not be run"
    if crucial:
        why = " and ".join(_filled(_CRUCIAL[check.name], check) for check in crucial)
        return f"{score}. Do not interpret these maps: {why}."
    if any(check.name in CRUCIAL for check in open_):
        return (
            f"{score}. It is unknown whether the maps show what the network has learnt, so they "
            "should not be interpreted alone."
        )
    # Without masks nobody knows if a map without a network is nearer to the truth.
    scored = any(check.name == "bounds" for check in checks.checks)
    show = "show" if scored else "depend on"
    if failed:
        names = {check.name for check in failed}
        where = "their position" if "repeatability" in names else "the position of small regions"
        return (
            f"{score}. The maps {show} what the network has learnt, but {where} is not reliable: "
            "see the failed check."
        )
    reliably = "" if open_ else ", and are stable"
    unknown = (
        ""
        if scored
        else " Without masks it is unknown whether they mark the pathology better than, for "
        "example, a blob at the centre of the image."
    )
    return (
        f"{score}. The maps {show} what the network has learnt{reliably}.{unknown} These checks "
        "cannot show whether that is the disease or a confounder."
    )


def failed_checks(checks: MapChecks) -> tuple[str, ...]:
    """Return one line for each failed check."""
    return tuple(
        f"{_filled(_SHORT[check.name], check)} ({numbers(check)})." for check in checks.failed()
    )


def answers(checks: MapChecks) -> tuple[Answer, ...]:
    """Return one answer for each check."""
    return tuple(_answer(check) for check in checks.checks)


def numbers(check: Check) -> str:
    """Format a measured value with its limit: "rank correlation 0.53; limit: 0.50 or more"."""
    if check.name == "bounds":
        best = check.details[most(check)]
        return f"AUPRC {check.details[HRCAM_AUPRC]:.3f} against {best:.3f}"
    asked = number(check.limit)
    asked = f"below {asked}" if check.below else f"{asked} or more"
    return f"{measure(check)} {number(check.value)}; limit: {asked}"


def measure(check: Check) -> str:
    """Return the name of the measure."""
    if check.name == "bounds":
        return "AUPRC minus the best of them"
    return "SSIM" if check.name == "randomisation" else "rank correlation"


def most(check: Check) -> str:
    """Return the map without a network that is nearest: to the map, or to the masks."""
    others = [name for name in check.details if name != HRCAM_AUPRC]
    return max(others, key=lambda name: check.details[name], default="")


def _filled(text: str, check: Check) -> str:
    return text.format(most=most(check))


def compared(check: Check) -> str:
    """Return what the maps were compared with, and by which measure."""
    return f"{_COMPARED[check.name]} ({measure(check)})"


def number(value: float) -> str:
    """Format a similarity."""
    return minus(f"{value:z.2f}")


def _answer(check: Check) -> Answer:
    if check.passed is None:
        return Answer(_QUESTIONS[check.name], "open", f"Not measured: {check.reason}.")
    text = _filled((_PASSED if check.passed else _FAILED)[check.name], check)
    return Answer(
        _QUESTIONS[check.name], "passed" if check.passed else "failed", text, numbers(check)
    )
