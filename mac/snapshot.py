"""The inventory as files: canonical, one resource a line, so that Git shows what changed in the fleet.

A directory has `scopes.json` and `<account>/<region>/<kind>.jsonl`; a single file has a header line and
then one line a resource. Both hold the same, say how many resources there are, so that one that was cut off
is known, and hold no time at which they were read.
"""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mac import compact, migration
from mac.conventions import SNAPSHOT_DIR, slug
from mac.emit import json_escaped, read_json
from mac.model import Json, KnownAccount, Lifecycle, Resource, Scope, ScopeState, ScopeStatus, Snapshot
from mac.problems import Location, Problem, ProblemsError, did_you_mean

SCHEMA_VERSION = migration.CURRENT
SCOPES_FILE = "scopes.json"

_SUFFIX = ".jsonl"
_REQUIRED = ("arn", "kind", "account", "region", "id")
_TEXTS = (*_REQUIRED, "name", "state", "lifecycle_reason", "launched")
_FIELDS = (*_TEXTS, "addresses", "lifecycle", "tags", "links", "attributes")
_MEND = "put it back from Git, or remove it and run mac inventory"
_SCOPE_TEXTS = ("account", "region", "kind", "state", "reason", "since", "cause")


# --- writing -----------------------------------------------------------------------------------------


def files(snapshot: Snapshot) -> Mapping[str, bytes]:
    """The directory form: relative path → content, sorted by path."""
    groups: dict[str, list[Resource]] = defaultdict(list)
    for resource in snapshot.resources:
        path = f"{slug(resource.account)}/{slug(resource.region)}/{slug(resource.kind)}{_SUFFIX}"
        groups[path].append(resource)
    found = {path: _lines(group) for path, group in groups.items()}
    lists = {"accounts": _account_rows(snapshot)} if snapshot.accounts else {}
    lists |= {"scopes": _scope_rows(snapshot)}
    texts = (f'"{name}": {_listed(rows)}' for name, rows in lists.items())
    head = f'"schema_version": {SCHEMA_VERSION}, "resources": {len(snapshot.resources)}'
    found[SCOPES_FILE] = f"{{{head}, {', '.join(texts)}}}\n".encode()
    return dict(sorted(found.items()))


def _listed(rows: Iterable[Json]) -> str:
    lines = ",\n".join(_line(row).decode() for row in rows)
    return f"[\n{lines}\n]" if lines else "[]"


def stored_files(snapshot: Snapshot) -> dict[str, bytes]:
    """The directory form where a monitoring repository keeps it: path below the repository → content."""
    return {f"{SNAPSHOT_DIR}/{name}": data for name, data in files(snapshot).items()}


def stored(root: Path) -> set[str]:
    """Paths, below the repository, of the files of the snapshot that it keeps; not of others beside them."""
    folder = root / SNAPSHOT_DIR
    found = (folder / SCOPES_FILE, *folder.rglob(f"*{_SUFFIX}"))
    return {path.relative_to(root).as_posix() for path in found if path.is_file()}


def to_bytes(snapshot: Snapshot) -> bytes:
    """The single-file form. `compact.compress` makes it small."""
    header = {
        "kind": "Snapshot",
        "schema_version": SCHEMA_VERSION,
        "resources": len(snapshot.resources),
        "scopes": _scope_rows(snapshot),
    }
    header |= {"accounts": _account_rows(snapshot)} if snapshot.accounts else {}
    return _line(header) + b"\n" + _lines(snapshot.resources)


def digest(snapshot: Snapshot) -> str:
    """`sha256:…` of accounts, resources and each scope's state; not of reasons and times."""
    sha = hashlib.sha256()
    for row in _account_rows(snapshot):
        sha.update(_line(row) + b"\n")
    for status in sorted(snapshot.scopes, key=lambda s: s.scope):
        sha.update(_line([str(status.scope), status.state.value]) + b"\n")
    sha.update(_lines(snapshot.resources))
    return f"sha256:{sha.hexdigest()}"


def _lines(resources: Iterable[Resource]) -> bytes:
    ordered = sorted(resources, key=lambda r: r.sort_key)
    return b"".join(_line(as_dict(resource)) + b"\n" for resource in ordered)


def as_dict(resource: Resource) -> dict[str, Json]:
    """A resource as it is written: without what is empty, but always with its lifecycle."""
    values = {name: getattr(resource, name) for name in _FIELDS}
    values["lifecycle"] = resource.lifecycle.value
    values["addresses"] = list(resource.addresses)
    values["links"] = {relation: list(ids) for relation, ids in resource.links.items()}
    values["tags"], values["attributes"] = dict(resource.tags), dict(resource.attributes)
    return {name: value for name, value in values.items() if value or name in _REQUIRED}


def _scope_rows(snapshot: Snapshot) -> list[dict[str, str]]:
    rows = []
    for status in sorted(snapshot.scopes, key=lambda s: s.scope):
        scope = status.scope
        row = {"account": scope.account, "region": scope.region, "kind": scope.kind}
        row |= {"state": status.state.value, "reason": status.reason, "since": status.since}
        row |= {"cause": status.cause}
        rows.append({key: value for key, value in row.items() if value})
    return rows


def _account_rows(snapshot: Snapshot) -> list[dict[str, Json]]:
    rows = []
    for account in sorted(snapshot.accounts, key=lambda a: a.id):
        row: dict[str, Json] = {"id": account.id, "name": account.name, "regions": list(account.regions)}
        row |= {"left_out": account.left_out}
        rows.append({key: value for key, value in row.items() if value})
    return rows


def _line(value: Json) -> bytes:
    return json_escaped(value).encode()


# --- reading -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Header:
    """What a snapshot says of itself. `resources`: how many it has, None when it does not say."""

    scopes: tuple[ScopeStatus, ...] = ()
    accounts: tuple[KnownAccount, ...] = ()
    resources: int | None = None


class _Invalid(Exception):  # noqa: N818  turned into a Problem where the line is known
    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message, self.hint = message, hint


def read(path: Path) -> Snapshot:
    """A snapshot from its directory or its single file. Raises ProblemsError with every broken line."""
    problem = Problem(
        Location(str(path)), "file-missing", "there is no snapshot", "`mac inventory` reads AWS and keeps one"
    )
    try:
        if path.is_dir():
            names = [p for p in sorted(path.rglob(f"*{_SUFFIX}")) if p.is_file()]
            content = {p.relative_to(path).as_posix(): p.read_bytes() for p in names}
            if (path / SCOPES_FILE).exists():
                content[SCOPES_FILE] = (path / SCOPES_FILE).read_bytes()
            return from_files(content, str(path))
        if path.exists():
            return from_bytes(path.read_bytes(), str(path))
    except OSError as error:
        problem = Problem(
            Location(error.filename or str(path)),
            "file-unreadable",
            f"the snapshot cannot be read: {error.strerror}",
        )
    raise ProblemsError([problem])


def from_files(content: Mapping[str, bytes], root: str = "") -> Snapshot:
    """The snapshot that `files` wrote. `root` is put before the paths in problems."""
    prefix = f"{root}/" if root else ""
    problems: list[Problem] = []
    resources: list[tuple[Resource, Location]] = []
    place = Location(f"{prefix}{SCOPES_FILE}")
    if SCOPES_FILE not in content:
        # What else lies there may be anything.
        raise ProblemsError([_problem(place, _Invalid("the file is missing", _MEND))])
    header = _header(content[SCOPES_FILE], place, problems)
    for path in sorted(content):
        if path.endswith(_SUFFIX):
            resources += _resources(content[path], f"{prefix}{path}", 1, problems)
    return _snapshot(header, place, resources, problems)


def from_bytes(data: bytes, path: str = "snapshot") -> Snapshot:
    """The snapshot that `to_bytes` wrote, compressed or not."""
    if compact.is_compact(data):
        try:
            data = compact.expand(data)
        except compact.CompactError as error:
            broken = _Invalid(f"the compressed snapshot cannot be read: {error}")
            raise ProblemsError([_problem(Location(path), broken)]) from error
    first, _, rest = data.partition(b"\n")
    problems: list[Problem] = []
    place = Location(path, 1, 1)
    header = _header(first, place, problems)
    if problems:  # what is no snapshot is told once, not once a line
        raise ProblemsError(problems)
    return _snapshot(header, place, list(_resources(rest, path, 2, problems)), problems)


def _snapshot(
    header: _Header,
    place: Location,
    resources: list[tuple[Resource, Location]],
    problems: list[Problem],
) -> Snapshot:
    places: dict[tuple[str, ...], Location] = {}
    for resource, location in resources:
        first = places.setdefault(resource.sort_key, location)
        if first is not location:
            again = _Invalid(f"{resource.arn} stands twice", f"the first is at {first}")
            problems.append(_problem(location, again))
    if not problems and header.resources not in (None, len(resources)):
        # A file that was cut off between two lines, or is gone, must not look like machines that are gone.
        lacking = _Invalid(f"it has {header.resources} resources, but {len(resources)} were found", _MEND)
        problems.append(_problem(place, lacking))
    if problems:
        raise ProblemsError(problems)
    ordered = sorted((resource for resource, _ in resources), key=lambda r: r.sort_key)
    return Snapshot(tuple(sorted(header.scopes, key=lambda s: s.scope)), tuple(ordered), header.accounts)


def _problem(location: Location, error: _Invalid) -> Problem:
    return Problem(location, "snapshot-invalid", error.message, error.hint)


def _json(data: bytes) -> Json:
    try:
        return read_json(data)
    except ValueError as error:
        try:
            return json.loads(data)  # knows lone surrogates, see _line
        except (ValueError, RecursionError):
            raise _Invalid(f"not JSON: {error}") from error


def _header(data: bytes, place: Location, problems: list[Problem]) -> _Header:
    try:
        return _decoded(_json(data))
    except _Invalid as error:
        problems.append(_problem(place, error))
        return _Header()


def _decoded(header: Json) -> _Header:
    if not isinstance(header, dict) or "schema_version" not in header:
        raise _Invalid("not a snapshot: no schema_version")
    version = header["schema_version"]
    if type(version) is not int or version not in migration.READABLE:
        readable = ", ".join(map(str, migration.READABLE))
        raise _Invalid(f"schema_version {version} is not one that this mac reads ({readable})")
    for name in ("scopes", "accounts"):
        if not isinstance(header.get(name, []), list):
            raise _Invalid(f"{name} is not a list")
    count = header.get("resources")
    if count is not None and type(count) is not int:
        raise _Invalid("resources is not a number")
    known = (_account(row) for row in header.get("accounts", []))
    return _Header(
        tuple(_status(migration.scope(version, row)) for row in header.get("scopes", [])),
        tuple(sorted(known, key=lambda a: a.id)),
        count,
    )


def _account(row: Json) -> KnownAccount:
    if not isinstance(row, dict):
        raise _Invalid("an account is not an object")
    texts = [_text(row, name) for name in ("id", "name", "left_out")]
    return KnownAccount(texts[0], texts[1], _strings(row.get("regions", []), "regions"), texts[2])


def _status(row: Json) -> ScopeStatus:
    if not isinstance(row, dict):
        raise _Invalid("a scope is not an object")
    texts = {name: _text(row, name) for name in _SCOPE_TEXTS}
    scope = Scope(texts["account"], texts["region"], texts["kind"])
    try:
        state = ScopeState(texts["state"])
    except ValueError as error:
        raise _Invalid(f'scope {scope}: unknown state "{texts["state"]}"') from error
    return ScopeStatus(scope, state, texts["reason"], texts["since"], texts["cause"])


def _resources(
    data: bytes, path: str, first: int, problems: list[Problem]
) -> Iterator[tuple[Resource, Location]]:
    for number, line in enumerate(data.split(b"\n"), start=first):
        if not line.strip():
            continue
        location = Location(path, number, 1)
        try:
            yield _resource(_json(line)), location
        except _Invalid as error:
            problems.append(_problem(location, error))


def _resource(value: Json) -> Resource:
    if not isinstance(value, dict):
        raise _Invalid("a resource is not an object")
    for key in value:
        if key not in _FIELDS:
            raise _Invalid(f'unknown key "{key}"', did_you_mean(str(key), _FIELDS))
    for name in _REQUIRED:
        if not value.get(name):
            raise _Invalid(f'no "{name}"')
    texts: dict[str, Any] = {name: _text(value, name) for name in _TEXTS}
    state = value.get("lifecycle", Lifecycle.IN_SERVICE.value)
    try:
        lifecycle = Lifecycle(state)
    except ValueError as error:
        raise _Invalid(f'unknown lifecycle "{state}"', did_you_mean(str(state), list(Lifecycle))) from error
    return Resource(
        **texts,
        lifecycle=lifecycle,
        addresses=_strings(value.get("addresses", []), "addresses"),
        tags={key: _text(value["tags"], key) for key in _object(value, "tags")},
        links={key: _strings(ids, f"links.{key}") for key, ids in _object(value, "links").items()},
        attributes=_object(value, "attributes"),
    )


def _text(value: Mapping[str, Json], name: str) -> str:
    text = value.get(name, "")
    if not isinstance(text, str):
        raise _Invalid(f'"{name}" is not a string')
    return text


def _object(value: Mapping[str, Json], name: str) -> dict[str, Json]:
    found = value.get(name, {})
    if not isinstance(found, dict):
        raise _Invalid(f'"{name}" is not an object')
    return found


def _strings(value: Json, name: str) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise _Invalid(f'"{name}" is not a list of strings')
    return tuple(value)
