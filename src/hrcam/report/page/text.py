"""How numbers and nested settings are written on a page."""

import math
from collections.abc import Iterable, Mapping
from typing import Any, TypeGuard

from hrcam.evaluation.estimate import with_interval

MISSING = "–"


def estimate_text(estimate: Mapping[str, Any] | None) -> str:
    """Write an estimate of ``metrics.json``: a value with its interval, as far as there are any.

    A line may end before the interval, not within it.
    """
    numbers = [(estimate or {}).get(key) for key in ("value", "low", "high")]
    value, low, high = (number if _is_number(number) else None for number in numbers)
    return minus(with_interval(value, low, high).replace(" to ", "\u00a0to\u00a0"))


def plain(value: Any) -> str:
    """Write a setting: numbers short, lists joined, nothing as "none"."""
    if value is None or value == "":
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return minus(f"{value:.4g}")
    if isinstance(value, Mapping):
        return ", ".join(f"{key}: {plain(each)}" for key, each in value.items()) or "none"
    if isinstance(value, list | tuple):
        # A shape, rather than a list.
        whole = len(value) <= 3 and all(_is_number(each) and each == int(each) for each in value)
        return (" × " if whole else ", ").join(map(plain, value)) or "none"
    return str(value)


def settings(
    content: Mapping[str, Any], keys: Iterable[str] | None = None
) -> list[tuple[str, str]]:
    """Write settings as pairs of a name and a value; only those of some keys if given."""
    chosen = content if keys is None else [key for key in keys if key in content]
    return [(key.replace("_", " "), plain(content[key])) for key in chosen]


def minus(number: str) -> str:
    """Write a number's minus as one, not as a hyphen."""
    return number.replace("-", "−")


def count(number: int, noun: str) -> str:
    """Write a number with its noun: 1 scan, 2 scans."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _is_number(value: Any) -> TypeGuard[float]:
    return isinstance(value, int | float) and math.isfinite(value)
