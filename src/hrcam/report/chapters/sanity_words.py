"""What the checks of maps mean, in words: one sentence on all, and a finding for each."""

from collections.abc import Mapping

from hrcam.artifacts.map_checks import Check, CheckName, MapChecks
from hrcam.report.page.content import Finding
from hrcam.report.page.text import count, minus
from hrcam.sanity.checks import CRUCIAL

_QUESTIONS: Mapping[CheckName, str] = {
    "randomisation": "Do the maps show what the network has learnt?",
    "likeness": "Do they show more than the picture itself?",
    "repeatability": "Would another training point to the same places?",
    "noise": "Do they stay when a little noise is added?",
    "shift": "Do they stay in place when the image is shifted?",
}

_COMPARED: Mapping[CheckName, str] = {
    "randomisation": "With an untrained network",
    "likeness": "With the picture itself",
    "repeatability": "With other trained networks",
    "noise": "With noise added",
    "shift": "With the image shifted",
}

_PASSED: Mapping[CheckName, str] = {
    "randomisation": "A network with random weights, mapped in the same way, gives another map.",
    "likeness": "The map does not just follow {most}.",
    "repeatability": "Networks that were trained on other parts of the cohort rank the places of "
    "a scan much as this one does.",
    "noise": "Noise that the eye hardly sees does not move them.",
    "shift": "Shifted by two voxels, the image has its map shifted with it.",
}

_FAILED: Mapping[CheckName, str] = {
    "randomisation": "A network with random weights, which has learnt nothing, gives nearly the "
    "same map. What lights up is in every picture, and says nothing of the disease.",
    "likeness": "The map follows {most}. It would look like this for nearly any network.",
    "repeatability": "Networks that were trained on other parts of the cohort point elsewhere. "
    "The places are those of this network, not of the disease.",
    "noise": "Noise that the eye hardly sees gives another map. Small bright places mean nothing.",
    "shift": "Shifted by two voxels, the image gets another map. Small places mean nothing: the "
    "network's own grid shows in the map.",
}

_SHORT: Mapping[CheckName, str] = {
    "randomisation": "An untrained network gives nearly the same maps",
    "likeness": "The maps follow the picture itself",
    "repeatability": "Networks trained on other parts of the cohort point to other places",
    "noise": "A little noise gives other maps",
    "shift": "A small shift gives other maps",
}


def verdict(checks: MapChecks) -> str:
    """Say what all checks together mean for whoever looks at the maps."""
    failed = checks.failed()
    crucial = [check for check in failed if check.name in CRUCIAL]
    open_ = [check for check in checks.checks if check.passed is None]
    measured = len(checks.checks) - len(open_)
    score = f"{measured - len(failed)} of {count(measured, 'check')} passed"
    if open_:
        score += f", {len(open_)} could not be made"
    if crucial:
        return (
            f"{score}. Do not read these maps as findings: they do not show what the network has "
            "learnt."
        )
    if any(check.name in CRUCIAL for check in open_):
        return (
            f"{score}. Whether the maps show what the network has learnt is not known, so nothing "
            "should be read into them alone."
        )
    if failed:
        names = {check.name for check in failed}
        where = "the place" if "repeatability" in names else "a small place"
        return (
            f"{score}. The maps show what the network has learnt, but {where} that they point to "
            "is not reliable: look at the finding that failed."
        )
    reliably = "" if open_ else ", and do so reliably"
    return (
        f"{score}. The maps show what the network has learnt{reliably}. Whether that is the "
        "disease, or something that goes along with it, no check of this kind can tell."
    )


def doubts(checks: MapChecks) -> tuple[str, ...]:
    """Return what failed, in one line each."""
    return tuple(f"{_SHORT[check.name]} ({numbers(check)})." for check in checks.failed())


def findings(checks: MapChecks) -> tuple[Finding, ...]:
    """Return one finding for each check."""
    return tuple(_finding(check) for check in checks.checks)


def numbers(check: Check) -> str:
    """Write what was measured and what is asked for: "rank correlation 0.53; 0.50 or more"."""
    asked = number(check.limit)
    asked = f"below {asked}" if check.below else f"{asked} or more"
    return f"{measure(check)} {number(check.value)}; asked for: {asked}"


def measure(check: Check) -> str:
    """Name what was measured."""
    return "SSIM" if check.name == "randomisation" else "rank correlation"


def compared(check: Check) -> str:
    """Name what the maps were compared with, and how."""
    return f"{_COMPARED[check.name]} ({measure(check)})"


def number(value: float) -> str:
    """Write a similarity."""
    return minus(f"{value:z.2f}")


def _finding(check: Check) -> Finding:
    if check.passed is None:
        return Finding(_QUESTIONS[check.name], "open", f"Not measured: {check.reason}.")
    text = (_PASSED if check.passed else _FAILED)[check.name]
    if check.name == "likeness":
        text = text.format(most=max(check.details, key=lambda name: check.details[name]))
    return Finding(
        _QUESTIONS[check.name], "passed" if check.passed else "failed", text, numbers(check)
    )
