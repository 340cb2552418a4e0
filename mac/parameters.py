"""Values of a standard's parameters: what is a valid one, and how a tag's text becomes one."""

from __future__ import annotations

import math
import re

from mac import durations
from mac.model import Parameter, ParameterValue

_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?")


def fault(parameter: Parameter, value: object) -> str:
    """Why `value` is not one for `parameter`, as the end of a sentence; empty when it is."""
    if parameter.type == "string":
        return "" if isinstance(value, str) else f"is {_type(value)}, not a string"
    if parameter.type == "duration":
        if not isinstance(value, str) or durations.seconds(value) is None:
            return "is not a duration such as 10m"
    elif isinstance(value, bool) or not isinstance(value, int | float):
        return f"is {_type(value)}, not a number"
    elif not math.isfinite(value):
        return "is not a finite number"
    elif parameter.type == "ratio" and not 0 <= value <= 1:
        return "is not a ratio between 0 and 1"
    elif parameter.type in ("count", "bytes") and (value != int(value) or value < 0):
        return "is not a whole number from 0"
    if parameter.minimum is not None and _size(value) < _size(parameter.minimum):
        return f"is below the minimum {parameter.minimum}"
    if parameter.maximum is not None and _size(value) > _size(parameter.maximum):
        return f"is above the maximum {parameter.maximum}"
    return ""


def from_text(parameter: Parameter, text: str) -> ParameterValue | None:
    """The value that a tag spells; None when it spells no number where one is wanted."""
    if parameter.type in ("string", "duration"):
        return text
    if not _NUMBER.fullmatch(text):
        return None
    number = float(text)
    return int(number) if number.is_integer() and "e" not in text.lower() else number


def _size(value: object) -> float:
    if isinstance(value, str):
        return durations.seconds(value) or 0.0
    return float(value) if isinstance(value, int | float) else 0.0


def _type(value: object) -> str:
    names = {str: "a string", bool: "a boolean", list: "a list", dict: "a mapping", type(None): "null"}
    return names.get(type(value), "a number")
