"""Amazon Managed Service for Prometheus: the rules of a cell, or the Alertmanager configuration.

A rule file of the cell becomes a rule groups namespace of its own, or several where it is larger than one may
be. A tag says that they are mac's: others are left alone. AWS checks a definition after it has taken it, so
each is waited for.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

from mac import conventions, emit, splitting
from mac.amp import Definition, Workspace
from mac.deploy import changes, rollback, versions
from mac.deploy.running import until
from mac.deploy_model import AmpSettings, DeployError, DeployPlan, Needs, Observed, Release
from mac.model import Json
from mac.problems import Location, Problem, ProblemsError

TAG = "mac-cell"
"""The tag of the namespaces that are mac's; its value is the cell."""

_LONGEST_NAME = 128
_RULES_ACTIONS = (
    *("ListRuleGroupsNamespaces", "DescribeRuleGroupsNamespace", "CreateRuleGroupsNamespace"),
    *("PutRuleGroupsNamespace", "DeleteRuleGroupsNamespace", "TagResource"),
)
_DEFINITION_ACTIONS = tuple(
    f"{verb}AlertManagerDefinition" for verb in ("Describe", "Create", "Put", "Delete")
)


@dataclass(frozen=True, slots=True)
class AmpRules:
    settings: AmpSettings
    workspace: Workspace

    def plan(self, release: Release) -> DeployPlan:
        """What differs. Raises AwsError, and DeployError for a namespace of somebody else in the way."""
        stored = self._stored()
        found = changes.between(versions.hashes(_data(stored)), versions.hashes(self.meant(release)))
        unready = next((f"{n} is {d.status}" for n, d in sorted(stored.items()) if not d.is_active), "")
        return DeployPlan(release.revision, found, "" if found else unready)

    def apply(self, release: Release) -> str:
        """Sends what differs and waits until AWS has taken it, else sends back what was there."""
        before, wanted = _data(self._stored()), self.meant(release)
        with rollback.by(lambda: self._bring(before)):
            self._bring(wanted)
        return versions.digest(versions.hashes(wanted))[:12]

    def meant(self, release: Release) -> Mapping[str, bytes]:
        """Namespace → its rule file. Raises ProblemsError for a group that is too large."""
        return {
            self._name(inside, mark): part
            for inside, path, data in changes.rule_files(release, self.settings.cell)
            for mark, part in _divided(path, data, self.settings.max_bytes)
        }

    def read_back(self) -> Observed:
        stored = self._stored()
        faults = (f"{n} is {d.status} {d.reason}".strip() for n, d in stored.items() if not d.is_active)
        return Observed(_data(stored), faults=tuple(faults))

    def needs(self) -> Needs:
        place = _place(self.settings)
        return Needs(
            actions=tuple(f"aps:{action}" for action in _RULES_ACTIONS),
            resources=(
                f"{place}:workspace/{self.settings.workspace}",
                f"{place}:rulegroupsnamespace/{self.settings.workspace}/*",
            ),
            roles=_roles(self.settings),
        )

    # --- parts -----------------------------------------------------------------------------------

    def _name(self, inside: str, mark: str) -> str:
        """Readable, of characters that AWS takes, and with a hash, so that no two files share one. `mark`: of
        a part of a file.
        """
        parts = [part for part in PurePosixPath(inside).with_suffix("").parts if part != "rules"]
        readable = re.sub(r"[^0-9A-Za-z_.-]", "-", ".".join([self.settings.cell, *parts]))
        own = hashlib.sha256(f"{self.settings.cell}/{inside}".encode()).hexdigest()[:8]
        end = f"{own}.{mark}" if mark else own
        start = f"{self.settings.namespace}.{readable}"
        return f"{start[: _LONGEST_NAME - len(end) - 1]}.{end}"

    def _stored(self) -> Mapping[str, Definition]:
        found = {}
        for name, tags in self.workspace.namespaces().items():
            if tags.get(TAG) == self.settings.cell and name.startswith(f"{self.settings.namespace}."):
                definition = self.workspace.rules(name)
                if definition is not None and definition.status != "DELETING":
                    found[name] = definition
        return found

    def _bring(self, wanted: Mapping[str, bytes]) -> None:
        """From whatever is there to this. Removals come last."""
        stored = self._stored()
        for name, data in sorted(wanted.items()):
            there = stored.get(name)
            if there is None:
                self.workspace.create_rules(name, data, {TAG: self.settings.cell})
            elif there.data != data or there.has_failed:
                self._settled(name)
                self.workspace.put_rules(name, data)
        for name in sorted(wanted):
            self._settled(name, wanted[name])
        for name in sorted(stored.keys() - wanted.keys()):
            self._settled(name)
            self.workspace.delete_rules(name)
        for name in sorted(stored.keys() - wanted.keys()):
            self._left(name)

    def _settled(self, name: str, data: bytes | None = None) -> None:
        """Waits until it is taken up, and with `data` that it is this. Raises DeployError when it failed."""
        _wait(lambda: self.workspace.rules(name), name, self.settings.settle, data)

    def _left(self, name: str) -> None:
        def still_there() -> str:
            there = self.workspace.rules(name)
            return "" if there is None else f"{name} is {there.status}, and was deleted"

        until(still_there, self.settings.settle)


@dataclass(frozen=True, slots=True)
class AmpAlertmanager:
    settings: AmpSettings
    workspace: Workspace

    def plan(self, release: Release) -> DeployPlan:
        there = self.workspace.alertmanager()
        stored = {} if there is None else {conventions.ALERTMANAGER_CONFIG: there.data}
        found = changes.between(versions.hashes(stored), versions.hashes(self.meant(release)))
        pending = f"it is {there.status}" if there and not there.is_active else ""
        return DeployPlan(release.revision, found, "" if found else pending)

    def apply(self, release: Release) -> str:
        """Sends the definition and waits until AWS has taken it, else sends back what was there."""
        before, [wanted] = self.workspace.alertmanager(), self.meant(release).values()
        with rollback.by(lambda: self._put_back(before)):
            self._send(wanted)
        return versions.hash_of(wanted)[:12]

    def meant(self, release: Release) -> Mapping[str, bytes]:
        """Raises ProblemsError for one that is too large: it cannot be divided."""
        data = definition(release)
        if len(data) > self.settings.max_bytes:
            raise _too_large(conventions.ALERTMANAGER_CONFIG, len(data), self.settings.max_bytes)
        return {conventions.ALERTMANAGER_CONFIG: data}

    def read_back(self) -> Observed:
        there = self.workspace.alertmanager()
        if there is None:
            return Observed({})
        faults = () if there.is_active else (f"it is {there.status} {there.reason}".strip(),)
        return Observed({conventions.ALERTMANAGER_CONFIG: there.data}, faults=faults)

    def needs(self) -> Needs:
        return Needs(
            actions=tuple(f"aps:{action}" for action in _DEFINITION_ACTIONS),
            resources=(f"{_place(self.settings)}:workspace/{self.settings.workspace}",),
            roles=_roles(self.settings),
        )

    def _put_back(self, before: Definition | None) -> None:
        if before is None:
            self.workspace.delete_alertmanager()
        else:
            self._send(before.data)

    def _send(self, data: bytes) -> None:
        there = self.workspace.alertmanager()
        if there is None:
            self.workspace.create_alertmanager(data)
        elif there.data != data or there.has_failed:
            _wait(self.workspace.alertmanager, "the definition", self.settings.settle)
            self.workspace.put_alertmanager(data)
        _wait(self.workspace.alertmanager, "the definition", self.settings.settle, data)


def _roles(settings: AmpSettings) -> tuple[str, ...]:
    return (settings.role_arn,) if settings.role_arn else ()


def _divided(path: str, data: bytes, limit: int) -> Iterator[tuple[str, bytes]]:
    """(mark, content) of each part of a rule file: "" and the file as it is where it is not too large.

    Groups stay whole. Raises ProblemsError when one of them is too large by itself.
    """
    if len(data) <= limit:
        yield "", data
        return
    with changes.generated(path):
        groups = {str(group["name"]): group for group in emit.read_yaml(data.decode())["groups"]}
    frame = len(_rule_file([]))
    sizes = {name: len(_rule_file([group])) - frame for name, group in groups.items()}
    for mark, names in splitting.parts(sizes, limit - frame).items():
        part = _rule_file([groups[name] for name in names])
        if len(part) > limit:
            raise _too_large(f'{path}: the group "{names[0]}"', len(part), limit)
        yield mark, part


def _rule_file(groups: list[Json]) -> bytes:
    return f"{emit.yaml({'groups': groups})}\n".encode()


def _too_large(what: str, length: int, limit: int) -> ProblemsError:
    path, _, rest = what.partition(": ")
    message = f"{rest or 'it'} has {length:,} bytes, and {limit:,} are taken"
    hint = "fewer rules in one standard; max_bytes of the destination says what AWS takes"
    return ProblemsError([Problem(Location(path), "over-quota", message, hint)])


def _place(settings: AmpSettings) -> str:
    """The beginning of ARNs there. Which account it is only the role knows."""
    start = {"cn": "aws-cn", "us-gov": "aws-us-gov"}
    partition = next((p for key, p in start.items() if settings.region.startswith(f"{key}-")), "aws")
    return f"arn:{partition}:aps:{settings.region}:*"


def definition(release: Release) -> bytes:
    """Alertmanager's configuration as AWS wants it: within one text."""
    with changes.generated(conventions.ALERTMANAGER_CONFIG):
        text = changes.content(release, conventions.ALERTMANAGER_CONFIG).decode()
    lines = "".join(f"  {line}\n" if line.strip() else "\n" for line in text.splitlines())
    return f"alertmanager_config: |\n{lines}".encode()


def _wait(read: Callable[[], Definition | None], name: str, settle: float, data: bytes | None = None) -> None:
    def unsettled() -> str:
        there = read()
        if there is None:
            return f"{name} is not there yet" if data is not None else ""
        if there.has_failed:
            if data is None:
                return ""  # it may be replaced
            raise DeployError(f"AWS refuses {name}: {there.status} {there.reason}".strip())
        if not there.is_active:
            return f"{name} is {there.status}"
        return "" if data is None or there.data == data else f"{name} has another content than it was given"

    until(unsettled, settle)


def _data(stored: Mapping[str, Definition]) -> Mapping[str, bytes]:
    return {name: definition.data for name, definition in stored.items()}
