"""Dependencies that lead back to where they began."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from mac.problems import Problem
from mac.source import Document

Graph = Mapping[str, tuple[Sequence[str], Document]]
"""Name → what it depends on, and its document."""


def check(kind: str, graph: Graph) -> Iterator[Problem]:
    """A problem at each dependency that closes a circle; without those there is none left."""
    done: set[str] = set()
    for start in sorted(graph):
        if start in done:
            continue
        # A stack of our own: chains may be longer than Python's.
        path = [start]
        pending = [iter(sorted(graph[start][0]))]
        while pending:
            name = next(pending[-1], None)
            if name is None:
                pending.pop()
                done.add(path.pop())
            elif name in path:
                yield _problem(kind, path[path.index(name) :], graph)
            elif name in graph and name not in done:
                path.append(name)
                pending.append(iter(sorted(graph[name][0])))


def _problem(kind: str, circle: Sequence[str], graph: Graph) -> Problem:
    last, first = circle[-1], circle[0]
    needed, document = graph[last]
    place = document.location(("spec", "depends_on", list(needed).index(first)))
    if len(circle) == 1:
        return Problem(
            place, "dependency-cycle", f'the {kind} "{first}" depends on itself', "remove this line"
        )
    way = " → ".join([*circle, first])
    return Problem(
        place,
        "dependency-cycle",
        f"these {kind}s depend on each other in a circle: {way}",
        "an outage would mute itself; remove one of these dependencies",
    )
