"""What exporters export: a catalogue of metrics for each, in the files beside this one.

`<exporter>.yaml` lists an exporter's metrics with their types and labels, `cloudwatch/<namespace>.yaml` those
of a CloudWatch namespace. A monitoring repository adds its own in `metrics/`; one of the same name replaces
what mac ships.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from mac import conventions, files, source
from mac.metrics import catalogue
from mac.metrics.catalogue import Catalogue
from mac.problems import Problem

_SHIPPED = Path(__file__).parent
_CLOUDWATCH = "cloudwatch"


@dataclass(frozen=True, slots=True)
class Catalogues:
    """The catalogues that there are. A file is read when it is asked for, and what is wrong with it is kept.

    `sources`: path → lines of the files that were read from the repository.
    """

    exporters: dict[str, Path]
    namespaces: dict[str, Path]
    root: Path
    problems: list[Problem] = field(default_factory=list)
    sources: dict[str, tuple[str, ...]] = field(default_factory=dict)
    _read: dict[Path, Catalogue | None] = field(default_factory=dict)

    def exporter(self, name: str) -> Catalogue | None:
        """The catalogue of an exporter; None when there is none, or none that can be read."""
        return self._at(self.exporters.get(name))

    def namespace(self, name: str) -> Catalogue | None:
        """The catalogue of a CloudWatch namespace, such as AWS/SQS."""
        return self._at(self.namespaces.get(_stem(name)))

    def every(self) -> tuple[Catalogue, ...]:
        """All that can be read: exporters first, each part sorted by name."""
        paths = [path for part in (self.exporters, self.namespaces) for _, path in sorted(part.items())]
        return tuple(found for path in paths if (found := self._at(path)))

    def _at(self, path: Path | None) -> Catalogue | None:
        if path is None:
            return None
        if path not in self._read:
            self._read[path] = _shipped(path) if path.is_relative_to(_SHIPPED) else self._own(path)
        return self._read[path]

    def _own(self, path: Path) -> Catalogue | None:
        shown = files.shown(path, self.root)
        content, problems = files.read(path, self.root)
        self.problems.extend(problems)
        if content is None:
            return None
        self.sources[shown] = files.lines(content)
        found, problems = _parsed(content, shown, path)
        self.problems.extend(problems)
        return found


def find(root: Path) -> Catalogues:
    """The catalogues that mac ships, those of packages, and those of the repository at `root`.

    Of several with one name the last counts. Reads no file yet.
    """
    packages = sorted((root / conventions.PACKAGES_DIR).glob(f"*/{conventions.METRICS_DIR}"))
    homes = (_SHIPPED, *packages, root / conventions.METRICS_DIR)
    return Catalogues(
        exporters={name: path for home in homes for name, path in _listed(home).items()},
        namespaces={name: path for home in homes for name, path in _listed(home / _CLOUDWATCH).items()},
        root=root,
    )


def _listed(folder: Path) -> dict[str, Path]:
    return {path.stem: path for path in sorted(folder.glob("*.yaml"))} if folder.is_dir() else {}


def _stem(namespace: str) -> str:
    """The file name of a namespace's catalogue: AWS/SQS is in AWS-SQS.yaml."""
    return namespace.strip("/").replace("/", "-")


@lru_cache(maxsize=1024)
def _shipped(path: Path) -> Catalogue:
    found, problems = _parsed(path.read_bytes(), f"mac/metrics/{path.relative_to(_SHIPPED).as_posix()}", path)
    if found is None or problems:
        raise ValueError(f"{path.name}: {problems[0].location}: {problems[0].message}")
    return found


def _parsed(content: bytes, shown: str, path: Path) -> tuple[Catalogue | None, tuple[Problem, ...]]:
    document, problems = source.parse(content, shown)
    if document is None:
        return None, problems
    found, faults = catalogue.read(document, path.stem)
    return found, (*problems, *faults)
