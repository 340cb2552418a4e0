"""The files of a package, from the source that mac.yaml pins.

Of a source's `standards/` come documents and runbooks, of its `metrics/` catalogues, and its licence. What
`services/`, `slo/`, `teams/` and `packages/` of its standards hold is its own and left out.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field

from mac import conventions, distributions, emit, files, git_fetch, source
from mac.package_model import (
    KINDS,
    METRICS,
    Content,
    Entry,
    EntryType,
    Package,
    SourceError,
    as_dict,
    is_plain,
    manifest,
)
from mac.problems import Problem

MAX_BYTES = 20_000_000
MAX_FILES = 2_000
MAX_FOLDERS = 500
MAX_DEPTH = 8

_DOCUMENTS = (".yaml", ".yml")
_PAGES = (".md",)
_CATALOGUES = (".yaml",)
_LICENCES = ("LICENSE", "LICENCE", "NOTICE", "COPYING")
_STANDARDS = "standards"
_OWN = ("services", "slo", "teams", "packages")


@dataclass(frozen=True, slots=True)
class Fetched:
    """`files`: path below the repository → content, with `package.json`; none when there are problems.

    `left_out`: what the source has beside that, as its paths.
    """

    package: Package
    files: dict[str, bytes]
    left_out: tuple[str, ...]
    problems: tuple[Problem, ...]


def fetch(package: Package) -> Fetched:
    """Asks the source. Raises GitError when it cannot be asked."""
    try:
        with _opened(package) as content:
            selection = _Selection(package, content)
            selection.select()
            if not selection.problems:
                selection.read()
    except SourceError as error:
        fault = Problem(package.location, "package-source", error.message, error.hint)
        return Fetched(package, {}, (), (fault,))
    found = {} if selection.problems else selection.contents
    if found:
        found[conventions.PACKAGE_FILE] = emit.json_pretty(as_dict(manifest(package, found)))
    folder = conventions.package_folder(package.name)
    placed = {f"{folder}/{path}": data for path, data in found.items()}
    return Fetched(package, placed, tuple(sorted(selection.left_out)), tuple(selection.problems))


def _opened(package: Package) -> AbstractContextManager[Content]:
    if package.git:
        return git_fetch.commit(package.git, package.revision)
    return nullcontext(distributions.installed(package.distribution, package.version))


class _TooMuchError(Exception):
    """The source has more than a package may."""


@dataclass(slots=True)
class _Selection:
    """`chosen`: path in the package's folder → path in the source, and the bytes that it takes."""

    package: Package
    content: Content
    chosen: dict[str, tuple[str, int]] = field(default_factory=dict)
    contents: dict[str, bytes] = field(default_factory=dict)
    left_out: list[str] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    _folders: int = 0
    _folded: dict[str, str] = field(default_factory=dict)

    def select(self) -> None:
        top = "" if self.package.path == "." else self.package.path
        start = f"{top}/" if top else ""
        standards = self.content.entries(f"{start}{_STANDARDS}")
        if standards is None:
            message = f"there is no folder {start}{_STANDARDS} at {self.package.pinned_at}"
            raise SourceError("path", message, "`path` names the folder that has standards/")
        try:
            self._walk(f"{start}{_STANDARDS}", "", standards, _DOCUMENTS + _PAGES)
            metrics = self.content.entries(f"{start}{METRICS}") or ()
            self._walk(f"{start}{METRICS}", f"{METRICS}/", metrics, _CATALOGUES)
            for entry in self.content.entries(top) or ():
                if entry.name.partition(".")[0].upper() in _LICENCES and entry.type is EntryType.FILE:
                    self._choose(f"{start}{entry.name}", entry.name, entry)
        except _TooMuchError as error:
            self._refuse(str(error), "keep standards in a repository of their own")
        if sum(size for _, size in self.chosen.values()) > MAX_BYTES:
            self._refuse(
                f"its files have more than {MAX_BYTES / 1e6:.0f} MB", "split it into several packages"
            )

    def _walk(self, folder: str, into: str, entries: tuple[Entry, ...], endings: tuple[str, ...]) -> None:
        self._folders += 1
        if self._folders > MAX_FOLDERS or into.count("/") > MAX_DEPTH:
            raise _TooMuchError(f"it has more than {MAX_FOLDERS} folders, or {MAX_DEPTH} in one another")
        for entry in entries:
            path = f"{folder}/{entry.name}"
            if entry.name.startswith(".") or (not into and entry.name in _OWN):
                self.left_out.append(path)
            elif not into and entry.name == METRICS:
                self._refuse(f"{path} lies where catalogues of metrics go", "move it to another folder")
            elif entry.type is EntryType.FOLDER:
                inner = self.content.entries(path) or ()
                if is_plain(entry.name):
                    self._walk(path, f"{into}{entry.name}/", inner, endings)
                else:
                    self._refuse(_not_plain(path))
            elif entry.type is not EntryType.FILE:
                self._refuse(f"{path} is {entry.type}", "a package holds files and folders alone")
            elif entry.name.endswith(endings):
                self._choose(path, f"{into}{entry.name}", entry)
            else:
                self.left_out.append(path)

    def _choose(self, path: str, name: str, entry: Entry) -> None:
        if len(self.chosen) >= MAX_FILES:
            raise _TooMuchError(f"it has more than {MAX_FILES:,} files")
        other = self._folded.setdefault(name.casefold(), path)
        if not is_plain(entry.name):
            self._refuse(_not_plain(path))
        elif other != path:
            self._refuse(f"{other} and {path} are one file where case does not count", "rename one of them")
        elif entry.size > files.MAX_BYTES:
            size = f"{entry.size / 1e6:,.1f} MB; mac reads documents of up to {files.MAX_BYTES / 1e6:.0f} MB"
            self._refuse(f"{path} has {size}")
        else:
            self.chosen[name] = (path, entry.size)

    def read(self) -> None:
        found = self.content.read(path for path, _ in self.chosen.values())
        self.contents = {name: found[path] for name, (path, _) in sorted(self.chosen.items())}
        kinds = [self._kind(name, data) for name, data in self.contents.items()]
        if "Standard" not in kinds and not self.problems:
            self._refuse("it has no standard", "see docs/packages.md for what a package looks like")

    def _kind(self, name: str, data: bytes) -> str:
        """What kind of document it is; "" for none. What is wrong with the text is a problem."""
        path = self.chosen[name][0]
        if not name.endswith(_DOCUMENTS):
            self._tell(path, files.decode(data, path)[1])
            return ""
        document, problems = source.parse(data, path)
        self._tell(path, problems)
        if document is None or name.startswith(f"{METRICS}/"):
            return ""
        kind = document.data.get("kind") if isinstance(document.data, dict) else None
        if kind in KINDS:
            return str(kind)
        known = f"{', '.join(KINDS[:-1])} or {KINDS[-1]}"
        self._refuse(f"{path} is not of the kind {known}", "teams and services are each repository's own")
        return ""

    def _tell(self, path: str, problems: tuple[Problem, ...]) -> None:
        for problem in problems:
            where = str(problem.location).removeprefix(path)
            self._refuse(f"{path}{where}: {problem.message}", problem.hint)

    def _refuse(self, message: str, hint: str = "") -> None:
        text = f"{self.package.name}: {message}"
        self.problems.append(Problem(self.package.location, "package-content", text, hint))


def _not_plain(path: str) -> str:
    shown = "".join(c if c.isprintable() else "?" for c in path)
    return f"{shown} is not a name of letters, digits, dots, dashes and underscores, up to 100"
