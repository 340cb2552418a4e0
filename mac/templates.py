"""The template files of a monitoring repository, and those that mac ships for what is not there."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from mac import files
from mac.problems import Location, Problem, did_you_mean

SUFFIX = ".j2"


def read(root: Path, known: Iterable[str]) -> tuple[dict[str, str], tuple[Problem, ...]]:
    """The text of each known template, the repository's before the shipped one; path below templates/.

    A template that has no output is a Problem: its author believes that it has an effect.
    """
    texts: dict[str, str] = {}
    problems: list[Problem] = []
    wanted = sorted(set(known))
    folder = root / "templates"
    for name in wanted:
        own = folder / name
        base = root if own.exists() or own.is_symlink() else files.shipped_root()
        text, faults = files.read_text(base / "templates" / name, base)
        problems += faults
        if text is not None:
            # A checkout may turn line ends, which changes nothing of what is meant.
            texts[name] = "\n".join(files.split_lines(text))
    if folder.is_dir():
        for path in sorted(folder.rglob(f"*{SUFFIX}")):
            name = path.relative_to(folder).as_posix()
            if name not in wanted:
                place = Location(f"templates/{name}")
                message = "no generated file uses this template"
                problems.append(Problem(place, "template-missing", message, did_you_mean(name, wanted)))
    return texts, tuple(problems)
