"""A monitoring repository and the repository of a package beside it, for tests."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path

from click.testing import Result

from mac import standards

Mac = Callable[..., Result]
Files = Mapping[str, str | bytes]

STANDARD = """\
apiVersion: mac/v1
kind: Standard
metadata: {name: acme-cache, title: Acme's cache}
spec:
  applies_to:
    kind: ec2-instance
    any:
      - {role: [cache]}
  runbook: acme-cache.md
  parameters:
    outage_ratio: {type: ratio, default: 0.5, min: 0, max: 1, description: When a page is sent.}
  scrape: {job: acme-cache, port: 9150}
  alerts:
    - alert: AcmeCacheDown
      expr: avg by (service, environment) (up{job="acme-cache",<< scope >>}) < << p.outage_ratio >>
      for: 5m
      severity: page
      outage: true
      summary: The cache of << service >> is down
      description: In << environment >>.
"""
TEST = """\
apiVersion: mac/v1
kind: StandardTest
metadata: {name: acme-cache}
spec:
  standard: acme-cache
  service: shop
  cases:
    - name: all is well
      series:
        - {series: 'up{job="acme-cache",service="shop",environment="production"}', values: 1x60}
      alerts:
        - {alert: AcmeCacheDown, at: 30m, firing: []}
    - name: it does not answer
      series:
        - {series: 'up{job="acme-cache",service="shop",environment="production"}', values: 0x60}
      alerts:
        - {alert: AcmeCacheDown, at: 30m, firing: [{}]}
"""
TEAM = "apiVersion: mac/v1\nkind: Team\nmetadata: {name: acme}\nspec: {}\n"
PACKAGE: Files = {
    "mac.yaml": "apiVersion: mac/v1\nkind: Project\nspec: {default_team: acme}\n",
    "LICENSE": "Do as you like.\n",
    "standards/data/acme-cache.yaml": STANDARD,
    "standards/data/acme-cache.test.yaml": TEST,
    "standards/runbooks/acme-cache.md": "# The cache\n\n## AcmeCacheDown\n\nStart it.\n",
    "standards/teams/acme.yaml": TEAM,
    "standards/slo/cache.yaml": "apiVersion: openslo/v1\nkind: SLO\n",
    "standards/data/notes.txt": "not for others",
    "standards/.hidden/x.yaml": "a: 1\n",
    "metrics/acme.yaml": "- a catalogue\n",
}
TAKEN = [
    *("LICENSE", "data/acme-cache.test.yaml", "data/acme-cache.yaml"),
    *("metrics/acme.yaml", "package.json", "runbooks/acme-cache.md"),
]


def git(folder: Path, *arguments: str, stdin: bytes = b"") -> str:
    command = ["git", "-C", str(folder), *arguments]
    return subprocess.run(command, check=True, capture_output=True, input=stdin).stdout.decode().strip()


def put(root: Path, files: Files) -> None:
    for path, content in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(content if isinstance(content, bytes) else content.encode())


def committed(root: Path, files: Files) -> str:
    put(root, files)
    git(root, "add", "--all", "--force")
    git(root, "commit", "--quiet", "--allow-empty", "--message", "change")
    return git(root, "rev-parse", "HEAD")


class Repository:
    """A monitoring repository that pins the package `acme` of the repository beside it."""

    def __init__(self, folder: Path, mac: Mac) -> None:
        self.root, self.remote, self.mac = folder / "monitoring", folder / "acme", mac
        assert mac("init", self.root).exit_code == 0
        self.settings = (self.root / "mac.yaml").read_text()
        self.remote.mkdir()
        git(self.remote, "init", "--quiet", "--initial-branch=main")
        self.first = committed(self.remote, PACKAGE)
        self.pin(self.first)

    @property
    def address(self) -> str:
        return f"file://{self.remote}"

    @property
    def folder(self) -> Path:
        return self.root / "standards/packages/acme"

    def pin(self, revision: str, **more: str) -> None:
        self.pins({"name": "acme", "git": self.address, "revision": revision, **more})

    def pins(
        self, *entries: Mapping[str, str], runbooks: str = "https://wiki.example.com/standards/runbooks/"
    ) -> None:
        text = f"{self.settings}\n  runbooks: {runbooks}\n" if runbooks else f"{self.settings}\n"
        (self.root / "mac.yaml").write_text(f"{text}  packages: {json.dumps(entries)}\n")

    def update(self, *arguments: str) -> Result:
        return self.mac("packages", "update", "-C", self.root, *arguments)

    def check(self) -> Result:
        return self.mac("packages", "check", "-C", self.root)

    def problems(self) -> list[tuple[str, str]]:
        """(code, place) of what is wrong with the whole repository."""
        return [(p.code, p.location.path) for p in standards.load(self.root).problems]

    def files(self) -> dict[str, bytes]:
        return {
            path.relative_to(self.folder).as_posix(): path.read_bytes()
            for path in sorted(self.folder.rglob("*"))
            if path.is_file()
        }
