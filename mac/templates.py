"""The template files of a monitoring repository, and those that mac ships for what is not there."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from mac.problems import Location, Problem, did_you_mean

MAX_BYTES = 1024 * 1024
SUFFIX = ".j2"


def shipped_root() -> Path:
    """Where standards, templates and inventory are that mac ships: in the wheel, or in its checkout."""
    package = Path(__file__).parent
    scaffold = package / "scaffold"
    return scaffold if scaffold.is_dir() else package.parent


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
        path = own if own.exists() or own.is_symlink() else shipped_root() / "templates" / name
        text = _text(path, f"templates/{name}", problems)
        if text is not None:
            texts[name] = text
    if folder.is_dir():
        for path in sorted(folder.rglob(f"*{SUFFIX}")):
            name = path.relative_to(folder).as_posix()
            if name not in wanted:
                place = Location(f"templates/{name}")
                message = "no generated file uses this template"
                problems.append(Problem(place, "template-missing", message, did_you_mean(name, wanted)))
    return texts, tuple(problems)


def _text(path: Path, shown: str, problems: list[Problem]) -> str | None:
    place = Location(shown)
    try:
        if not path.is_file():
            raise IsADirectoryError(0, "it is not a file")
        if path.stat().st_size > MAX_BYTES:
            problems.append(Problem(place, "file-too-large", f"a template of more than {MAX_BYTES} bytes"))
            return None
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        problems.append(Problem(place, "not-utf8", f"byte {error.start} is not UTF-8"))
    except OSError as error:
        problems.append(Problem(place, "file-unreadable", f"it cannot be read: {error.strerror}"))
    return None
