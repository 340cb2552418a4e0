"""The silences of an Alertmanager, those that are over too, as far as it remembers them."""

from __future__ import annotations

from datetime import datetime

from mac.forecast.model import Silence
from mac.http import Server, ServerError
from mac.matchers import Matcher
from mac.model import Json

_OPERATORS = {(True, False): "=", (False, False): "!=", (True, True): "=~", (False, True): "!~"}


def read(server: Server, start: float, end: float) -> tuple[Silence, ...]:
    """Silences that were in force between two times (Unix seconds). Raises ServerError."""
    answer = server.get("/api/v2/silences")
    given = answer.json()
    try:
        found = tuple(_silence(each) for each in given)
    except (KeyError, TypeError, ValueError) as error:
        raise ServerError(f"{answer.url} answers, but not as Alertmanager does") from error
    return tuple(each for each in found if each.end > start and each.start < end)


def _silence(raw: Json) -> Silence:
    matchers = tuple(
        Matcher(each["name"], _OPERATORS[each.get("isEqual", True), each["isRegex"]], each["value"])
        for each in raw["matchers"]
    )
    return Silence(matchers, _time(raw["startsAt"]), _time(raw["endsAt"]), raw["id"])


def _time(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()
