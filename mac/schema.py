"""JSON Schemas of documents and generated files, and their errors in plain words.

The schemas in `mac/schemas/` also serve editors. Besides the standard keywords they use the editors'
`patternErrorMessage`, and `notErrorMessage` for what a `not` forbids: what is expected, in words.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema_rs

from mac.model import Json
from mac.problems import Problem, did_you_mean, ordered
from mac.source import Document, Pointer

_FOLDER = Path(__file__).with_name("schemas")

KINDS = {
    "Project": "project",
    "Inventory": "inventory",
    "Resources": "resources",
    "Standard": "standard",
    "StandardTest": "standard-test",
    "RoutingTest": "routing-test",
    "Service": "service",
    "Team": "team",
}
"""A document's kind → the name of its schema."""

_TYPES = {
    "string": "text",
    "number": "a number",
    "integer": "a whole number",
    "boolean": "true or false",
    "array": "a list",
    "object": "a mapping",
    "null": "nothing",
}
_LIMITS = {
    "minimum": "below the minimum",
    "maximum": "above the maximum",
    "exclusiveMinimum": "not above",
    "exclusiveMaximum": "not below",
}
_TRUTH = {"yes": "true", "on": "true", "y": "true", "no": "false", "off": "false", "n": "false"}
_TRUTH |= {"true": "true", "false": "false"}


@dataclass(frozen=True, slots=True)
class SchemaError:
    """What does not fit a schema. `pointer` leads to the value, or with `at_key` to its key."""

    pointer: Pointer
    code: str
    message: str
    hint: str = ""
    at_key: bool = False


def names() -> tuple[str, ...]:
    """The schemas of documents, sorted."""
    return tuple(sorted(KINDS.values()))


def text(name: str) -> str:
    """A schema as JSON text. Raises KeyError for a name that does not exist."""
    try:
        return (_FOLDER / f"{name}.json").read_text(encoding="utf-8")
    except FileNotFoundError:
        raise KeyError(name) from None


def check(data: Json, name: str) -> tuple[SchemaError, ...]:
    """Everything in which `data` departs from a schema (such as "standard", "generated/rules").

    Raises KeyError for a name that does not exist.
    """
    validator = _validator(name)
    if validator.is_valid(data):
        return ()
    return tuple(_Explained(_load(name)).all(validator.iter_errors(data)))


def problems(document: Document, name: str, *, told: Collection[Pointer] = ()) -> tuple[Problem, ...]:
    """The same for a user's document, at the places where it is wrong. What is wrong with `told` is told
    already.
    """
    return ordered(
        Problem(document.location(e.pointer, key=e.at_key), e.code, e.message, e.hint)
        for e in check(document.data, name)
        if e.pointer not in told
    )


@cache
def _load(name: str) -> Json:
    return json.loads(text(name))


@cache
def _validator(name: str) -> jsonschema_rs.Draft202012Validator:
    return jsonschema_rs.Draft202012Validator(_load(name))


# --- errors in words ---------------------------------------------------------------------------------


class _Explained:
    """Turns the validator's errors into SchemaErrors, one a value: a wrong type hides what follows of it."""

    def __init__(self, schema: Json) -> None:
        self.schema = schema

    def all(self, errors: Iterable[Any]) -> Iterator[SchemaError]:
        missing: dict[Pointer, list[Any]] = {}
        misspelt: set[str] = set()
        told: set[Pointer] = set()
        for error in sorted(errors, key=_rank):
            pointer = tuple(error.instance_path)
            name = error.kind.name
            if name == "required":
                missing.setdefault(pointer, []).append(error)
            elif name == "additionalProperties":
                unknown = list(self._unknown(pointer, error))
                misspelt.update(f"{pointer}{e.hint}" for e in unknown)
                yield from unknown
            elif name == "propertyNames":
                yield self._key(pointer, error)
            elif pointer not in told:
                told.add(pointer)
                yield from self._value(pointer, error)
        for pointer, errors_here in missing.items():
            # A misspelt key is told once, not as unknown and as missing.
            found = [e for e in errors_here if f"{pointer}{_meant(e.kind.property)}" not in misspelt]
            if found:
                yield self._missing(pointer, found)

    def _subschema(self, error: Any) -> Json:
        """The schema object whose keyword failed."""
        node = self.schema
        for step in error.schema_path[:-1]:
            node = node[step]
        return node

    def _unknown(self, pointer: Pointer, error: Any) -> Iterator[SchemaError]:
        subschema = self._subschema(error)
        known = subschema.get("properties", {})
        where = _title(subschema)
        for key in error.kind.unexpected:
            hint = did_you_mean(key, set(known) - set(error.instance)) or did_you_mean(key, known)
            elsewhere = [path for path in _owners(self.schema, key) if path]
            if elsewhere and not hint.startswith("did you mean"):
                hint = f"it belongs under {' or '.join(elsewhere[:2])}"
            yield SchemaError(
                (*pointer, key), "unknown-key", f'unknown key "{key}"{where}', hint, at_key=True
            )

    def _missing(self, pointer: Pointer, found: list[Any]) -> SchemaError:
        subschema = self._subschema(found[0])
        keys = [error.kind.property for error in found]
        one = len(keys) == 1
        message = (
            f"the key{'' if one else 's'} {_all(keys)} {'is' if one else 'are'} missing{_title(subschema)}"
        )
        described = subschema.get("properties", {}).get(keys[0], {}).get("description", "")
        hint = f"{keys[0]}: {described}" if described else ""
        return SchemaError(pointer, "missing-key", message, hint, at_key=True)

    def _key(self, pointer: Pointer, error: Any) -> SchemaError:
        key = error.kind.error.instance
        rules = self.schema
        for step in error.schema_path[: error.schema_path.index("propertyNames") + 1]:
            rules = rules[step]
        if error.kind.error.kind.name == "not":
            return SchemaError(
                (*pointer, key),
                "wrong-value",
                f'"{key}" cannot be set here',
                rules.get("notErrorMessage", ""),
                True,
            )
        expected = rules.get("patternErrorMessage", "another name")
        return SchemaError(
            (*pointer, key), "wrong-value", f'the name "{key}" must be {expected}', at_key=True
        )

    def _value(self, pointer: Pointer, error: Any) -> Iterator[SchemaError]:
        name, kind, value = error.kind.name, error.kind, error.instance
        if name in ("anyOf", "oneOf") and all(list(branch) for branch in kind.context):
            yield from self._branches(pointer, error)
        elif name == "type":
            yield _wrong_type(pointer, self._subschema(error), kind.types, value)
        elif name == "enum":
            options = [str(option) for option in kind.options]
            hint = did_you_mean(value, options) if isinstance(value, str) else ""
            message = f"{spelled(value)} is not one of {', '.join(options)}"
            yield SchemaError(pointer, "wrong-value", message, hint if "mean" in hint else "")
        elif name == "const":
            yield SchemaError(
                pointer, "wrong-value", f"expected {spelled(kind.expected_value)}, found {spelled(value)}"
            )
        else:
            yield SchemaError(pointer, "wrong-value", self._bounds(error), at_key=value is None)

    def _bounds(self, error: Any) -> str:
        kind, value, subschema = error.kind, error.instance, self._subschema(error)
        if kind.name in _LIMITS:
            return f"{value} is {_LIMITS[kind.name]} {kind.limit}"
        match kind.name:
            case "pattern":
                return f"{spelled(value)} is not {subschema.get('patternErrorMessage', 'of the right form')}"
            case "minLength":
                return "the text is empty" if not value else f"the text has less than {kind.limit} characters"
            case "maxLength":
                return f"the text has {len(value)} characters; {kind.limit} are allowed"
            case "minItems":
                return "the list is empty" if not value else f"the list needs {kind.limit} items"
            case "uniqueItems":
                return f"{_repeated(value)} stands twice in this list"
            case "minProperties":
                return "nothing is given here"
            case "maxProperties" if kind.limit == 1:
                return f"only one of these may be given, found {_all(list(value))}"
            case "oneOf":
                return f"only one of {_all(_required_keys(subschema['oneOf']))} may be given"
            case "not":
                return str(subschema.get("notErrorMessage", f"{spelled(value)} is not allowed here"))
        return str(error.message)

    def _branches(self, pointer: Pointer, error: Any) -> Iterator[SchemaError]:
        """The errors of the branch that was most likely meant."""
        context = [list(branch) for branch in error.kind.context]
        flat = [e for branch in context for e in branch]
        if all(e.kind.name == "required" and tuple(e.instance_path) == pointer for e in flat):
            keys = list(dict.fromkeys(e.kind.property for e in flat))
            message = f"one of the keys {_all(keys, 'or')} is missing{_title(self._subschema(error))}"
            yield SchemaError(pointer, "missing-key", message, at_key=True)
        elif all(e.kind.name == "type" and tuple(e.instance_path) == pointer for e in flat):
            types = list(dict.fromkeys(t for e in flat for t in e.kind.types))
            yield _wrong_type(pointer, {}, types, error.instance)
        else:
            depth = len(pointer)
            yield from self.all(min(context, key=lambda branch: _distance(branch, depth)))


def _wrong_type(pointer: Pointer, subschema: Json, types: list[str], value: Json) -> SchemaError:
    expected = " or ".join(_TYPES[t] for t in types)
    pattern = subschema.get("pattern")
    if pattern and types == ["string"] and value is not None:
        expected = subschema.get("patternErrorMessage", expected)
        quotable = re.search(pattern, str(value)) is not None
    else:
        quotable = True
    hint = _type_hint(types, value, quotable=quotable)
    message = f"expected {expected}, found {spelled(value)}"
    return SchemaError(pointer, "wrong-type", message, hint, at_key=value is None)


def _rank(error: Any) -> tuple[int, list[str]]:
    order = ("type", "const", "enum", "minLength", "pattern")
    name = error.kind.name
    return (order.index(name) if name in order else len(order), [str(s) for s in error.instance_path])


def _distance(errors: Iterable[Any], depth: int) -> tuple[bool, int, int]:
    """How far a value is from a branch: another type is furthest; errors further inside are nearer."""
    branch = list(errors)
    other_type = any(
        e.kind.name == "const" or (e.kind.name == "type" and len(e.instance_path) == depth) for e in branch
    )
    deepest = max((len(e.instance_path) for e in branch), default=0)
    return (other_type, len(branch), -deepest)


def _required_keys(branches: list[Json]) -> list[str]:
    return list(dict.fromkeys(key for branch in branches for key in branch.get("required", ())))


def _meant(key: str) -> str:
    return did_you_mean(key, [key])


def _owners(schema: Json, key: str, path: str = "", depth: int = 0) -> Iterator[str]:
    """Where else the schema has this key, as `spec.alerts[]`; what `$ref` leads to is not looked into."""
    if depth > 12:
        return
    properties = schema.get("properties", {})
    if key in properties and path:
        yield path
    for name, inner in properties.items():
        yield from _owners(inner, key, f"{path}.{name}" if path else name, depth + 1)
    if isinstance(schema.get("items"), dict):
        yield from _owners(schema["items"], key, f"{path}[]", depth + 1)
    if isinstance(schema.get("additionalProperties"), dict):
        yield from _owners(schema["additionalProperties"], key, f"{path}.<name>", depth + 1)


# --- words -------------------------------------------------------------------------------------------


def spelled(value: Json) -> str:
    """A value in a sentence."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        shown = value if len(value) <= 60 else value[:59] + "…"
        return json.dumps(shown, ensure_ascii=False)
    if isinstance(value, int | float):
        return f"the number {value}"
    return "a list" if isinstance(value, list) else "a mapping"


def _title(subschema: Json) -> str:
    title = str(subschema.get("title", ""))
    if not title:
        return ""
    return f" in {title if title[1:] != title[1:].lower() else title.lower()}"


def _all(words: list[str], last: str = "and") -> str:
    quoted = [f'"{word}"' for word in words]
    return quoted[0] if len(quoted) == 1 else f"{', '.join(quoted[:-1])} {last} {quoted[-1]}"


def _repeated(values: list[Json]) -> str:
    return next((spelled(v) for n, v in enumerate(values) if v in values[:n]), "a value")


def _type_hint(types: list[str], value: Json, *, quotable: bool) -> str:
    if value is None:
        return "nothing stands behind this key: give it a value, check the indentation, or leave it out"
    if "boolean" in types and isinstance(value, str) and value.lower() in _TRUTH:
        return f"write {_TRUTH[value.lower()]}"
    if isinstance(value, str) and not {"number", "integer"}.isdisjoint(types):
        return _number_hint(value)
    if isinstance(value, str | int | float) and "array" in types:
        return f"write it as a list: [{json.dumps(value, ensure_ascii=False)}]"
    if isinstance(value, int | float) and "string" in types and quotable:
        return f'put it in quotes: "{json.dumps(value)}"'
    return ""


def _number_hint(value: str) -> str:
    bare = value.strip()
    try:
        if bare.endswith("%"):
            return f"write it as a share: {float(bare[:-1]) / 100:g}"
        float(bare)
    except ValueError:
        return ""
    return "write it without quotes, and without leading zeros"
