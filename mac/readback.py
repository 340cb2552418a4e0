"""What came out, against what was meant. Pure."""

from __future__ import annotations

from mac.model import Json


def lost(meant: Json, got: Json, path: str = "") -> str:
    """What of `meant` is not in `got`: a sentence, or empty when all of it is.

    Mappings may have more keys and lists more items than meant (a user's template adds them); what was
    meant must be there, unchanged and in order.
    """
    if meant == got or (meant in ({}, []) and got is None):
        return ""
    if isinstance(meant, dict):
        if not isinstance(got, dict):
            return f"{path or 'the document'} is not a mapping"
        for key, value in meant.items():
            if key in got:
                missing = lost(value, got[key], f"{path}.{key}" if path else key)
                if missing:
                    return missing
            elif value not in ({}, []):
                return f"{path}.{key} is missing".removeprefix(".")
        return ""
    if isinstance(meant, list):
        return _lost_item(meant, got, path)
    return f"{path or 'the document'} is {got!r:.80} where {meant!r:.80} was meant"


def _lost_item(meant: list[Json], got: Json, path: str) -> str:
    if not isinstance(got, list):
        return f"{path or 'the document'} is not a list"
    if len(meant) == len(got):
        for index, (a, b) in enumerate(zip(meant, got, strict=True)):
            missing = lost(a, b, f"{path}[{index}]")
            if missing:
                return missing
        return ""
    rest = iter(got)
    for index, item in enumerate(meant):
        if not any(not lost(item, candidate) for candidate in rest):
            return f"{path}[{index}] is missing"
    return ""
