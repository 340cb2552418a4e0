"""Resources that are not read from AWS: a document of the kind Resources, made into the model's values."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from mac import kinds
from mac.kinds import machine
from mac.model import Listed, Resource
from mac.problems import Problem, did_you_mean
from mac.source import Document, Pointer

Raw = Mapping[str, Any]


def read(document: Document) -> tuple[tuple[Listed, ...], tuple[Problem, ...]]:
    """The resources of a document that fits its schema, and what is wrong with the others."""
    listed: list[Listed] = []
    problems: list[Problem] = []
    for number, raw in enumerate(document.data["spec"]["resources"]):
        at: Pointer = ("spec", "resources", number)
        wrong = list(_missing(document, at, raw))
        if not wrong:
            found = _resource(document.data["spec"], raw)
            wrong = list(_unfit(document, at, found))
            listed.append(Listed(found, document.location((*at, "id"))))
        problems += wrong
    return tuple(listed), tuple(problems)


def _missing(document: Document, at: Pointer, raw: Raw) -> Iterator[Problem]:
    for field in ("account", "region"):
        if field not in raw and field not in document.data["spec"]:
            message = f'the {field} of "{raw["id"]}" is missing'
            hint = f"write it here, or under spec for all resources of the file: {field}: …"
            yield Problem(document.location((*at, "id")), "missing-key", message, hint)
    name = raw.get("kind", machine.NAME)
    if name not in kinds.names():
        message = f'there is no resource kind "{name}"'
        place = document.location((*at, "kind"))
        yield Problem(place, "unknown-resource-kind", message, did_you_mean(name, kinds.names()))


def _resource(spec: Raw, raw: Raw) -> Resource:
    kind = raw.get("kind", machine.NAME)
    account, region = raw.get("account") or spec["account"], raw.get("region") or spec["region"]
    tags = dict(raw.get("tags", {}))
    return Resource(
        arn=raw.get("arn") or f"mac:{kind}:{region}:{account}:{raw['id']}",
        kind=kind,
        account=account,
        region=region,
        id=raw["id"],
        name=raw.get("name") or tags.get("Name", ""),
        addresses=tuple(raw.get("addresses", ())),
        tags=tags,
        attributes=dict(raw.get("attributes", {})),
    )


def _unfit(document: Document, at: Pointer, resource: Resource) -> Iterator[Problem]:
    """Some kinds cannot be named to CloudWatch, or matched, without what AWS tells of them."""
    kind = kinds.all_kinds()[resource.kind]
    try:
        kind.facts(resource)
        kind.dimensions(resource)
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        message = f"a {kind.title} is not known without its {str(error).strip(chr(39)) or 'attributes'}"
        hint = "write it under attributes"
        yield Problem(document.location((*at, "kind")), "wrong-value", message, hint)
