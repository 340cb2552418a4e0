"""Whether what lies in `standards/packages/` is what mac.yaml pins, and as it was fetched."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urljoin

from mac import conventions, emit, files
from mac.model import Project
from mac.package_model import Manifest, Package, digest, from_dict
from mac.problems import Location, Problem
from mac.source import Document

_GIT, _DISTRIBUTION = ("git", "revision"), ("distribution", "version")


def check(root: Path, project: Project, document: Document) -> Iterator[Problem]:
    """Everything in which the pins and the folders differ."""
    wrong = tuple(pins(project, document))
    yield from wrong
    seen = {package.name for package in project.packages}
    for package in project.packages if not wrong else ():
        yield from _fetched(root, package)
    folder = root / conventions.PACKAGES_DIR
    if not os.path.lexists(folder):
        return
    try:
        present = sorted(os.listdir(folder))
    except OSError as error:
        yield files.unlistable(error, root)
        return
    for name in present:
        if name not in seen and not name.startswith("."):
            place = Location(f"{conventions.PACKAGES_DIR}/{name}")
            message = "no entry of `packages` in mac.yaml is for it"
            hint = "`mac packages update` removes a package without an entry; what is yours belongs elsewhere"
            yield Problem(place, "package-unpinned", message, hint)


def pins(project: Project, document: Document) -> Iterator[Problem]:
    """What is wrong with the pins themselves."""
    seen: set[str] = set()
    for n, package in enumerate(project.packages):
        at = ("spec", "packages", n)
        if package.name in seen:
            message = f'two packages are named "{package.name}"'
            yield Problem(package.location, "duplicate-name", message, "give one of them another name")
        seen.add(package.name)
        given = {key for key in (*_GIT, *_DISTRIBUTION) if document.has((*at, key))}
        wanted, others = (
            (_DISTRIBUTION, _GIT)
            if given & set(_DISTRIBUTION) and "git" not in given
            else (_GIT, _DISTRIBUTION)
        )
        for key in (key for key in others if key in given):
            message = f"{key} belongs to a package with {others[0]}, and this one has {wanted[0]}"
            yield Problem(document.location((*at, key), key=True), "unknown-key", message)
        for key in (key for key in wanted if key not in given):
            message = f"{key} is missing"
            hint = "a package has git and revision, or distribution and version"
            yield Problem(document.location(at), "missing-key", message, hint)


def _fetched(root: Path, package: Package) -> Iterator[Problem]:
    name = conventions.package_folder(package.name)
    update = f"run `mac packages update {package.name}`"
    manifest, problems = read(root, package.name)
    yield from problems
    if manifest is None:
        if not problems:
            yield Problem(package.location, "package-outdated", f"{name} has not been fetched", update)
        return
    if manifest.name != package.name or manifest.source != package.source:
        message = f"{name} is of {manifest.pinned_at}, and {package.pinned_at} is pinned"
        if manifest.pinned_at == package.pinned_at:
            message = f"{name} was fetched from another place than the one that is pinned"
        yield Problem(package.location, "package-outdated", message, update)
        return
    yield from _edited(root, package.name, manifest)


def read(root: Path, name: str) -> tuple[Manifest | None, tuple[Problem, ...]]:
    """What was fetched for a package; None without a problem when nothing was."""
    path = root / conventions.package_folder(name) / conventions.PACKAGE_FILE
    if not os.path.lexists(path):
        return None, ()
    content, problems = files.read(path, root)
    if content is None:
        return None, problems
    try:
        return from_dict(emit.read_json(content)), ()
    except ValueError as error:
        place = Location(files.shown(path, root))
        hint = f"put it back from Git, or run `mac packages update {name}`"
        return None, (Problem(place, "json-syntax", f"it cannot be read: {error}", hint),)


def _edited(root: Path, name: str, manifest: Manifest) -> Iterator[Problem]:
    folder = root / conventions.package_folder(name)
    hint = f"`mac packages update {name}` puts it back; to change a standard, extend it"
    unlisted: list[Problem] = []
    present = set(_files(folder, root, unlisted))
    yield from unlisted
    for path in sorted(present - manifest.files.keys() - {conventions.PACKAGE_FILE}):
        place = Location(f"{conventions.package_folder(name)}/{path}")
        yield Problem(place, "package-edited", f"is not part of the package {name}", "move it elsewhere")
    for path, expected in sorted(manifest.files.items()):
        place = Location(f"{conventions.package_folder(name)}/{path}")
        if path not in present:
            yield Problem(place, "package-edited", f"is part of the package {name}, and is missing", hint)
            continue
        if not stat.S_ISREG((folder / path).lstat().st_mode):
            yield Problem(place, "package-edited", "is not a regular file", hint)
            continue
        content, problems = files.read(folder / path, root)
        yield from problems
        if content is not None and digest(content) != expected:
            yield Problem(place, "package-edited", f"is not as it was fetched for {name}", hint)


def _files(folder: Path, root: Path, unlisted: list[Problem]) -> Iterator[str]:
    """What is no folder, links among it; hidden files are somebody else's."""
    for parent, folders, names in os.walk(
        folder, onerror=lambda e: unlisted.append(files.unlistable(e, root))
    ):
        folders[:] = [name for name in folders if not name.startswith(".")]
        links = [name for name in folders if os.path.islink(os.path.join(parent, name))]
        for name in [*names, *links]:
            if not name.startswith("."):
                yield Path(parent, name).relative_to(folder).as_posix()


def runbooks(project: Project, name: str) -> str:
    """The address at which people read a package's runbooks; "" when nothing says it."""
    given = next((package.runbooks for package in project.packages if package.name == name), "")
    if given or not project.runbooks.endswith(f"/{conventions.RUNBOOK_DIR}/"):
        return given
    return urljoin(project.runbooks, f"../packages/{name}/runbooks/")
