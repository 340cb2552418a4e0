"""Rule files as PrometheusRules."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from mac import conventions, splitting
from mac.manifests import objects
from mac.manifests.objects import Manifest
from mac.model import Json
from mac.operator_model import OperatorSettings

KIND = ("monitoring.coreos.com/v1", "PrometheusRule")
_ROOM = 2_000  # bytes of an object around its groups


def manifests(
    settings: OperatorSettings, rules: Json, entry: Mapping[str, Any], interval: str
) -> Iterator[Manifest]:
    """One object of a rule file, or several where it is too large; a group is never divided.

    `interval`: how often groups are evaluated that do not say it.
    """
    groups = {
        group["name"]: {"name": group["name"], "interval": interval, **group} for group in rules["groups"]
    }
    cell, environment, service = (str(entry[key]) for key in ("cell", "environment", "service"))
    own = objects.name(cell, environment, service)
    sizes = {name: objects.size(group) for name, group in groups.items()}
    standards = {rule["group"]: str(rule["standard"]) for rule in entry["rules"]}
    for mark, within in splitting.parts(sizes, objects.LARGEST - _ROOM).items():
        named = f"{own}-{mark}" if mark else own
        content = {"spec": {"groups": [groups[name] for name in within]}}
        yield Manifest(
            f"{conventions.operator_folder(cell)}/rules/{named}.yaml",
            objects.document(settings, KIND, named, content, cell),
            {
                **{key: entry[key] for key in ("cell", "environment", "service", "team")},
                "object": KIND[1],
                "name": named,
                "standards": sorted({standards[name] for name in within if name in standards}),
            },
        )
