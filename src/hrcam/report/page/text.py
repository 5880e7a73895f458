"""Format numbers and settings for a page."""

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeGuard

from hrcam.evaluation.estimate import two_decimals, with_interval

MISSING = "–"


def estimate_text(
    estimate: Mapping[str, Any] | None, form: Callable[[float], str] = two_decimals
) -> str:
    """Format an estimate of ``metrics.json``: a value with its interval, if there is one.

    Lines do not break within the interval.

    Parameters
    ----------
    estimate
        With ``value``, ``low`` and ``high``; None if there is none.
    form
        Formats each number.
    """
    numbers = [(estimate or {}).get(key) for key in ("value", "low", "high")]
    value, low, high = (number if _is_number(number) else None for number in numbers)
    return minus(with_interval(value, low, high, form).replace(" to ", "\u00a0to\u00a0"))


def plain(value: Any) -> str:
    """Format a setting: numbers with 4 digits, lists joined, missing values as "none"."""
    if value is None or value == "":
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return minus(f"{value:.4g}")
    if isinstance(value, Mapping):
        return ", ".join(f"{key}: {plain(each)}" for key, each in value.items()) or "none"
    if isinstance(value, list | tuple):
        # Probably a shape.
        whole = len(value) <= 3 and all(_is_number(each) and each == int(each) for each in value)
        return (" × " if whole else ", ").join(map(plain, value)) or "none"
    return str(value)


def settings(
    content: Mapping[str, Any], keys: Iterable[str] | None = None
) -> list[tuple[str, str]]:
    """Format settings as pairs of name and value, all or those of the given keys."""
    chosen = content if keys is None else [key for key in keys if key in content]
    return [(key.replace("_", " "), plain(content[key])) for key in chosen]


def minus(number: str) -> str:
    """Replace hyphens in a number by minus signs."""
    return number.replace("-", "−")


def count(number: int, noun: str) -> str:
    """Format a number with its noun: 1 scan, 2 scans."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _is_number(value: Any) -> TypeGuard[float]:
    return isinstance(value, int | float) and math.isfinite(value)
