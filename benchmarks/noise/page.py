"""The tables of docs/noise-world.md: incidents, traps and assumptions, as the code has them.

python -m benchmarks.noise.page
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from benchmarks.noise import assumptions, incidents, traps

PAGE = Path(__file__).resolve().parent.parent.parent / "docs/noise-world.md"


def rendered(text: str) -> str:
    """The page's text with its tables as they should be."""
    tables = {
        "incidents": _table(("incident", "kinds", "of", "to be told within", "because"), _incidents()),
        "traps": _table(("trap", "kinds", "what happens"), _traps()),
        "assumptions": _table(("", "value", "", "where it is from"), _assumptions()),
    }
    for name, table in tables.items():
        before, begin, rest = text.partition(f"<!-- {name} -->\n")
        _, end, after = rest.partition(f"<!-- end of {name} -->")
        text = "".join((before, begin, table, end, after))
    return text


def _incidents() -> Iterable[Sequence[str]]:
    for kind in sorted(incidents.KINDS, key=lambda k: (k.split != incidents.TUNED, k.number, k.name)):
        of = incidents.label(kind.split, kind.number)
        yield kind.name, of, kind.service, _duration(kind.bound), kind.why


def _traps() -> Iterable[Sequence[str]]:
    for name in sorted({name for names in traps.TRAPS.values() for name in names}):
        of = ", ".join(incidents.label(*key) for key, names in traps.TRAPS.items() if name in names)
        yield name, of, traps.described(name)


def _assumptions() -> Iterable[Sequence[str]]:
    for name, assumed in assumptions.TABLE.items():
        source = assumed.source or "assumed"
        yield f"{name.replace('_', ' ')}: {assumed.why}", f"{assumed.value:g}", assumed.unit, source


def _duration(seconds: float) -> str:
    return f"{seconds / 3600:g} h" if seconds >= 3600 else f"{seconds / 60:g} min"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


if __name__ == "__main__":
    PAGE.write_text(rendered(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
