"""FILE:LINE: which file is meant, whose it is, and who answers for it."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from mac import conventions, files
from mac.explain import generated, things, written
from mac.explain.known import Known, snapshot_changed
from mac.explain.model import Answer, Line
from mac.items import Item
from mac.problems import UsageError, did_you_mean

_PLACE = re.compile(r"(?P<path>.+?)(?::(?P<line>[0-9]+))?(?::(?P<column>[0-9]+))?:?")
_SUFFIXES = (".yml", ".yaml", ".json", ".jsonl", ".j2", ".sh", ".md")


@dataclass(frozen=True, slots=True)
class Place:
    """A line of a file, 0 for all of it. `path`: as the provenance has it if it is `generated`, else below
    the repository, or wherever it is.
    """

    path: str
    line: int
    column: int
    generated: bool
    lines: tuple[str, ...]


def parse(what: str, known: Known, bases: Iterable[Path]) -> Place | None:
    """The line that a text names; None when it names no file. `bases`: folders in which a relative path is
    looked for, beside the repository and where its generated files are.

    Raises UsageError for a file that is not there, and for a line that it does not have.
    """
    match = _PLACE.fullmatch(what)
    if match is None:
        return None
    if not match["line"] and not match["path"].endswith(_SUFFIXES):
        return None
    path, line, column = match["path"], int(match["line"] or 0), int(match["column"] or 0)
    project = known.catalog.project
    folders = [*bases, known.root / project.output, known.root]
    if project.targets.folder:
        folders.append(Path(project.targets.folder))
    found = _found(path, known, folders)
    if found is None:
        if not path.endswith(_SUFFIXES):
            return None
        hint = _similar(path, known)
        raise UsageError(f"there is no file {path}", hint)
    name, lines, is_generated = found
    count = len(lines) - (not lines[-1])
    if line > count:
        raise UsageError(f"{name} has {count} lines, no line {line}")
    if match["line"] and not line:
        raise UsageError("lines count from 1")
    return Place(name, line, column, is_generated, lines)


def _found(path: str, known: Known, folders: Sequence[Path]) -> tuple[str, tuple[str, ...], bool] | None:
    """(path, lines, whether it is generated) of the file that is meant; None for no file."""
    there = [folder / path for folder in folders if (folder / path).is_file()]
    for file in there:
        name = _below(file, folders)
        if name in known.files:
            return name, known.lines(name), True
    plain = PurePosixPath(path).as_posix()
    if plain in known.files:
        return plain, known.lines(plain), True
    root = known.root.resolve()
    # A file of the repository comes before one of the same name where one stands.
    for file in sorted(there, key=lambda file: not file.resolve().is_relative_to(root)):
        try:
            return files.shown(file.resolve(), root), files.lines(file.read_bytes()), False
        except OSError as error:
            raise UsageError(f"{path} cannot be read: {error.strerror}") from error
    return None


def _below(file: Path, folders: Sequence[Path]) -> str:
    """Its path below one of the folders, "" when it is below none."""
    whole = file.resolve()
    names = [
        whole.relative_to(folder.resolve()).as_posix()
        for folder in folders
        if whole.is_relative_to(folder.resolve())
    ]
    # The folder of the output may lie in that of the repository.
    return min(names, key=len, default="")


def _similar(path: str, known: Known) -> str:
    """A file whose last parts are the same, as on the machine that a file was deployed to."""
    documents = [standard.location.path for standard in known.catalog.standards.values()]
    documents += [service.location.path for service in known.catalog.services.values()]
    names = [*known.files, *documents]
    parts = PurePosixPath(path).parts
    for count in range(len(parts), 0, -1):
        tail = "/".join(parts[-count:])
        fitting = [name for name in names if name == tail or name.endswith(f"/{tail}")]
        if fitting and (count > 1 or len(fitting) == 1):
            shown = ", ".join(sorted(fitting)[:4]) + (", …" if len(fitting) > 4 else "")
            return f"did you mean {shown}?"
    near = did_you_mean(path, names)
    return near if near.startswith("did") else ""


def answer(place: Place, known: Known) -> Answer:
    """What stands on a line, where it comes from and what comes from it."""
    text = place.lines[place.line - 1] if place.line else ""
    line, found = Line(place.path, place.line, text, "", ""), list[Item]()
    if place.generated:
        line, found = generated.line(line, known)
    elif not Path(place.path).is_absolute() and (own := written.line(line, place.column, known)):
        line, found = own
    else:
        line = Line(
            place.path, place.line, text, "", "nothing of mac's: it neither wrote this file nor reads it"
        )
    inputs = {f"standard/{name}" for item in found for name in item.standards}
    inputs |= {f"service/{item.service}" for item in found} | ({"settings"} if place.generated else set())
    paths = {item.path for item in found} | {lead.file for lead in line.leads} | {place.path}
    told = notes(known, paths, inputs, of_targets=any(item.key.kind == "target" for item in found))
    return Answer(tuple(things.explained(item, known) for item in found), line, tuple(told))


def notes(known: Known, paths: Iterable[str], inputs: Iterable[str], *, of_targets: bool) -> Iterator[str]:
    """What makes an answer differ from what is written or runs. `inputs`: see `Known.changed`."""
    for path in sorted(paths):
        entry = known.entries.get(path)
        if entry and hashlib.sha256(known.files.get(path, b"")).hexdigest() != entry.get("sha256"):
            yield f"{path} was changed by hand since mac wrote it; `mac generate` puts it back"
    changed = sorted(known.changed(inputs))
    if changed:
        which = ", ".join("mac.yaml" if name == "settings" else name.replace("/", " ") for name in changed)
        yield (
            f"{which}: changed since this was generated, and what is said here of values is of the documents "
            "as they are now; `mac diff` shows what becomes of it"
        )
    if of_targets and snapshot_changed(known):
        yield f"{conventions.SNAPSHOT_DIR} is newer than the generated files"
