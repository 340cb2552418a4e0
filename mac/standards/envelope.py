"""Whether a document is what it says: kind, version, folder, schema, and no secrets in plain."""

from __future__ import annotations

from collections.abc import Sequence

from mac import conventions, schema
from mac.problems import Problem, did_you_mean
from mac.source import Document
from mac.standards import secrets

API_VERSION = "mac/v1"
_FOLDERS = {"Service": f"{conventions.SERVICES_DIR}/", "Team": f"{conventions.TEAMS_DIR}/"}
_TESTS = ("StandardTest", "RoutingTest")
_TEST_ENDINGS = (".test.yaml", ".test.yml")


def check(document: Document, kinds: Sequence[str]) -> tuple[Problem, ...]:
    """What is wrong with a document that may be one of these kinds."""
    data = document.data
    if data is None:
        message = "the document is empty"
        return (Problem(document.location(), "unknown-kind", message, _wanted(kinds)),)
    if not isinstance(data, dict):
        message = f"expected a mapping, found {schema.spelled(data)}"
        return (Problem(document.location(), "wrong-type", message, _wanted(kinds)),)
    kind = data.get("kind")
    faults = [*_version(document), *_kind(document, kinds)]
    if not isinstance(kind, str) or kind not in kinds:
        return tuple(faults)
    found = schema.problems(document, schema.KINDS[kind], told=(("apiVersion",), ("kind",)))
    if kind == "Team":
        found = secrets.instead_of(found, document)
    return (*faults, *_placement(document, kind), *found)


def _wanted(kinds: Sequence[str]) -> str:
    return f'it begins with "apiVersion: {API_VERSION}" and "kind: {" or ".join(kinds)}"'


def _version(document: Document) -> tuple[Problem, ...]:
    version = document.data.get("apiVersion")
    if version == API_VERSION or version is None:
        return ()  # the schema tells that it is missing
    message = f"the version {schema.spelled(version)} is not one that mac reads"
    if isinstance(version, str) and version.startswith("openslo/"):
        hint = f"move the file to {conventions.SLO_DIR}/"
        return (Problem(document.location(("apiVersion",)), "misplaced-document", message + " here", hint),)
    return (Problem(document.location(("apiVersion",)), "unknown-kind", message, f'write "{API_VERSION}"'),)


def _kind(document: Document, kinds: Sequence[str]) -> tuple[Problem, ...]:
    kind = document.data.get("kind")
    place = document.location(("kind",))
    if "kind" not in document.data:
        return (
            Problem(
                document.location(), "unknown-kind", "the document does not say its kind", _wanted(kinds)
            ),
        )
    if not isinstance(kind, str) or kind not in schema.KINDS:
        hint = did_you_mean(kind, kinds) if isinstance(kind, str) else f"known: {', '.join(kinds)}"
        return (Problem(place, "unknown-kind", f"there is no kind {schema.spelled(kind)}", hint),)
    if kind not in kinds:
        homes = {
            "Project": "mac.yaml",
            "Inventory": "inventory/aws.yaml",
            "Resources": "a file that inventory/aws.yaml names under `sources`",
        }
        home = homes.get(kind, "a file below standards/")
        message = f"a document of the kind {kind} cannot stand here; its place is {home}"
        return (Problem(place, "misplaced-document", message, _wanted(kinds)),)
    return ()


def _placement(document: Document, kind: str) -> tuple[Problem, ...]:
    path, place = document.path, document.location(("kind",))
    is_test = path.endswith(_TEST_ENDINGS)
    if is_test != (kind in _TESTS):
        message = f"a file with a {kind} {'must not' if is_test else 'must'} end in .test.yaml"
        return (Problem(place, "misplaced-document", message, "rename the file"),)
    home = _FOLDERS.get(kind)
    if home and not path.startswith(home):
        message = f"a {kind} must lie in {home}"
        return (Problem(place, "misplaced-document", message, "move the file"),)
    if kind == "RoutingTest":
        return ()  # beside the teams, or wherever it suits
    taken = next((k for k, folder in _FOLDERS.items() if path.startswith(folder) and kind != k), None)
    if taken:
        message = f"{_FOLDERS[taken]} is for documents of the kind {taken}, not {kind}"
        return (
            Problem(
                place, "misplaced-document", message, "move the file to a folder such as standards/data/"
            ),
        )
    return ()
