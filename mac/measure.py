"""How many series the running Prometheus of each cell hold: asked of each for the state of its database.

`/api/v1/status/tsdb` has it in every generation (headStats.numSeries), without a query.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from mac import conventions, http
from mac.access_model import ServerAccess
from mac.problems import MacError, Problem, Severity
from mac.shard_model import Sharding

_CELL = "{cell}"


def series(
    sharding: Sharding, cells: Iterable[str], before: Mapping[str, int]
) -> tuple[Mapping[str, int], tuple[Problem, ...]]:
    """Cell → series of its Prometheus. `before`: cell → shards that run, where it is divided.

    A cell that cannot be asked is a warning and has no entry: what mac.yaml says of it counts, and no cell
    has fewer shards because its Prometheus is down.
    """
    access = sharding.measure
    if access is None:
        return {}, ()
    found: dict[str, int] = {}
    problems = []
    for cell in cells:
        try:
            found[cell] = sum(_asked(access, name) for name in _running(cell, before.get(cell, 1)))
        except MacError as error:
            message = f"the series of {cell} are not known: {error.message}"
            problems.append(
                Problem(access.location, "series-unmeasured", message, error.hint, Severity.WARNING)
            )
    return found, tuple(problems)


def _running(cell: str, count: int) -> Iterator[str]:
    if count == 1:
        yield cell
        return
    for number in range(count):
        yield conventions.shard_name(cell, number)


def _asked(access: ServerAccess, cell: str) -> int:
    server = http.Server(replace(access, url=access.url.replace(_CELL, cell)))
    answer = server.get("/api/v1/status/tsdb").json()
    try:
        return int(answer["data"]["headStats"]["numSeries"])
    except (KeyError, TypeError, ValueError) as error:
        raise http.ServerError(f"{server.url} does not say how many series it has") from error
