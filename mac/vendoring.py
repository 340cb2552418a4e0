"""What `mac packages` does, in order: the pins (reads mac.yaml), the packages (asks their sources), the files
(written all or nothing).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from mac import conventions, lock, packages, standards, write
from mac.package_model import Package
from mac.problems import Problem, ProblemsError, UsageError, did_you_mean
from mac.run import Progress


@dataclass(frozen=True, slots=True)
class Update:
    """What became of a package. `before` and `after`: revision or version; "" for none.

    `written` and `removed`: files below its folder; `left_out`: what of the source is not taken over.
    """

    name: str
    before: str
    after: str
    written: tuple[str, ...]
    removed: tuple[str, ...]
    left_out: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Checked:
    """`sources`: path → lines of the files that were read."""

    packages: tuple[Package, ...]
    problems: tuple[Problem, ...]
    sources: Mapping[str, tuple[str, ...]]


def check(root: Path) -> Checked:
    """Whether the packages are what mac.yaml pins, and as they were fetched; their documents too. Offline."""
    loaded = standards.load(root)
    settings, _ = standards.pinned(root)
    problems = tuple(
        problem
        for problem in loaded.problems
        if problem.code.startswith("package-") or conventions.package_of(problem.location.path)
    )
    return Checked(settings.packages, problems, loaded.sources)


def update(root: Path, names: Collection[str], progress: Progress) -> tuple[Update, ...]:
    """Fetches these packages, or all, and writes them; with all, those without an entry go.

    Raises ProblemsError, and then nothing is written, when a source does not have what is pinned, or what no
    package may hold; GitError when a source cannot be asked.
    """
    with lock.locked(root, lock.WAIT, lambda holder: progress("wait", f"for {holder}")):
        write.recover(root)
        settings, _ = standards.pinned(root)
        known = {package.name: package for package in settings.packages}
        for name in names:
            if name not in known:
                raise UsageError(f"mac.yaml has no package {name!r}", did_you_mean(name, known))
        chosen = [package for name, package in known.items() if not names or name in names]
        fetched = []
        for package in chosen:
            progress("fetch", f"{package.name} at {package.pinned_at}")
            fetched.append(packages.fetch(package))
        problems = [problem for each in fetched for problem in each.problems]
        if problems:
            raise ProblemsError(problems)
        gone = [] if names else sorted(_present(root) - known.keys())
        before = {name: standards.fetched(root, name)[0] for name in [*(p.name for p in chosen), *gone]}
        owned = {
            f"{conventions.package_folder(name)}/{path}"
            for name, manifest in before.items()
            if manifest
            for path in (*manifest.files, conventions.PACKAGE_FILE)
        }
        owned |= {f"{conventions.package_folder(p.name)}/{conventions.PACKAGE_FILE}" for p in chosen}
        files = {path: data for each in fetched for path, data in each.files.items()}
        written = write.write(root, files, owned, remove=owned - files.keys())

    def within(name: str, paths: tuple[str, ...]) -> tuple[str, ...]:
        start = f"{conventions.package_folder(name)}/"
        return tuple(path.removeprefix(start) for path in paths if path.startswith(start))

    left_out = {each.package.name: each.left_out for each in fetched}
    return tuple(
        Update(
            name,
            manifest.pinned_at if manifest else "",
            known[name].pinned_at if name in known else "",
            within(name, written.written),
            within(name, written.removed),
            left_out.get(name, ()),
        )
        for name, manifest in before.items()
        if name in known or manifest
    )


def _present(root: Path) -> set[str]:
    folder = root / conventions.PACKAGES_DIR
    return {path.name for path in folder.iterdir() if path.is_dir()} if folder.is_dir() else set()
