"""Writes mac/schemas/operator/: the published schemas of the Prometheus Operator's resources.

    python scripts/operator_schemas.py cloudcoil_models_prometheus_operator-0.93.1.1-py3-none-any.whl

The custom resource definitions (prometheus-operator v0.93.1, Apache-2.0) are read from the Python package
cloudcoil-models-prometheus-operator (Apache-2.0), which is generated from them. It is read as text, so that
any version of Python will do. Descriptions, `status`, and discovery that mac never writes are left out. An
API server drops what a schema does not know; here that is an error.
"""

from __future__ import annotations

import ast
import hashlib
import json
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

WHEEL = "3ddf53adde1bebab9f238dd7873363ece3b9a6913cbe196a1572783a008c7208"
"""SHA-256 of that file."""

KINDS = {
    "PrometheusRule": "v1",
    "Probe": "v1",
    "ScrapeConfig": "v1alpha1",
    "AlertmanagerConfig": "v1alpha1",
}
WANTED_DISCOVERY = {"staticConfigs", "fileSDConfigs", "httpSDConfigs"}
KEYWORDS = {
    "min_length": ("minLength", "minItems", "minProperties"),
    "max_length": ("maxLength", "maxItems", "maxProperties"),
    "ge": ("minimum",) * 3,
    "le": ("maximum",) * 3,
    "pattern": ("pattern",) * 3,
}
SCALARS = {"str": "string", "int": "integer", "float": "number", "bool": "boolean", "AwareDatetime": "string"}
# What mac writes of it, as Kubernetes validates it.
METADATA = {
    "type": "object",
    "properties": {
        "name": {
            "type": "string",
            "maxLength": 253,
            "pattern": r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$",
            "patternErrorMessage": "a name of Kubernetes (RFC 1123)",
        },
        "namespace": {"type": "string", "maxLength": 63, "pattern": "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"},
        "labels": {
            "type": "object",
            "additionalProperties": {
                "type": "string",
                "maxLength": 63,
                "pattern": "^(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?$",
                "patternErrorMessage": "the value of a label of Kubernetes",
            },
        },
    },
    "additionalProperties": False,
    "required": ["labels", "name", "namespace"],
}
OWN: Json = {
    "Secret": {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Secret",
        "description": "The Secret in which the operator finds alertmanager.yaml.",
        "type": "object",
        "properties": {
            "apiVersion": {"const": "v1"},
            "kind": {"const": "Secret"},
            "metadata": {"$ref": "#/$defs/ObjectMeta"},
            "stringData": {
                "type": "object",
                "properties": {"alertmanager.yaml": {"type": "string", "minLength": 1}},
                "additionalProperties": False,
                "required": ["alertmanager.yaml"],
            },
        },
        "additionalProperties": False,
        "required": ["apiVersion", "kind", "metadata", "stringData"],
        "$defs": {"ObjectMeta": METADATA},
    },
    "Kustomization": {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Kustomization",
        "description": "What Kustomize builds of a folder.",
        "type": "object",
        "properties": {
            "apiVersion": {"const": "kustomize.config.k8s.io/v1beta1"},
            "kind": {"const": "Kustomization"},
            "resources": {
                "type": "array",
                "items": {"type": "string", "minLength": 1},
                "minItems": 1,
                "uniqueItems": True,
            },
        },
        "additionalProperties": False,
        "required": ["apiVersion", "kind", "resources"],
    },
}
FOLDER = Path(__file__).parents[1] / "mac/schemas/operator"

Json = dict[str, Any]


class Classes:
    """The models of a module, and what each becomes."""

    def __init__(self, source: str) -> None:
        tree = ast.parse(source)
        self.nodes = {node.name: node for node in tree.body if isinstance(node, ast.ClassDef)}
        self.definitions: dict[str, Json] = {}
        self.names: dict[str, str] = {}

    def reference(self, name: str) -> Json:
        """A model by what it says: those that say the same share one definition."""
        if name not in self.names:
            made = self.model(self.nodes[name])
            text = json.dumps(made, sort_keys=True)
            same = next(
                (n for n, d in self.definitions.items() if json.dumps(d, sort_keys=True) == text), None
            )
            self.names[name] = same or name
            self.definitions.setdefault(self.names[name], made)
        return {"$ref": f"#/$defs/{self.names[name]}"}

    def model(self, node: ast.ClassDef) -> Json:
        properties: Json = {}
        required = []
        for field in fields(node):
            name, constraints = ast.unparse(field.target), annotated(field.annotation)
            if name == "root":
                return self.constrained(*constraints)
            name = constraints[1].pop("alias", name)
            if name in ("apiVersion", "kind", "metadata", "status", "api_version"):
                continue
            if name.endswith("SDConfigs") and name not in WANTED_DISCOVERY:
                continue
            if field.value is None:
                required.append(name)
            properties[name] = self.constrained(*constraints)
        schema: Json = {"type": "object", "properties": properties, "additionalProperties": False}
        return {**schema, "required": required} if required else schema

    def constrained(self, annotation: ast.expr, given: Json) -> Json:
        schema = self.type(annotation)
        which = {"array": 1, "object": 2}.get(str(schema.get("type")), 0)
        for key, value in given.items():
            schema[KEYWORDS[key][which]] = value
        return schema

    def type(self, node: ast.expr) -> Json:
        if isinstance(node, ast.BinOp):
            sides = [side for side in alternatives(node) if not is_none(side)]
            found = [self.type(side) for side in sides]
            return found[0] if len(found) == 1 else {"anyOf": found}
        if isinstance(node, ast.Name):
            if node.id == "Any":
                return {}
            return {"type": SCALARS[node.id]} if node.id in SCALARS else self.reference(node.id)
        if not isinstance(node, ast.Subscript):
            raise TypeError(ast.dump(node))
        around = ast.unparse(node.value)
        if around == "Annotated":
            return self.constrained(*annotated(node))
        if around == "Literal":
            values = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
            return {"enum": [ast.literal_eval(value) for value in values]}
        if around == "list":
            return {"type": "array", "items": self.type(node.slice)}
        if around != "dict" or not isinstance(node.slice, ast.Tuple):
            raise TypeError(ast.dump(node))
        return {"type": "object", "additionalProperties": self.type(node.slice.elts[1])}


def fields(node: ast.ClassDef) -> Iterator[ast.AnnAssign]:
    for line in node.body:
        if isinstance(line, ast.AnnAssign) and "ClassVar" not in ast.dump(line.annotation):
            yield line


def annotated(node: ast.expr) -> tuple[ast.expr, Json]:
    """(the type, the constraints) of a field."""
    is_annotated = isinstance(node, ast.Subscript) and getattr(node.value, "id", "") == "Annotated"
    if not is_annotated or not isinstance(node, ast.Subscript) or not isinstance(node.slice, ast.Tuple):
        return node, {}
    inner, field = node.slice.elts
    if not isinstance(field, ast.Call):
        raise TypeError(ast.dump(field))
    given = {word.arg: ast.literal_eval(word.value) for word in field.keywords if word.arg}
    return inner, {
        key: value for key, value in given.items() if key not in ("title", "description", "examples")
    }


def alternatives(node: ast.expr) -> list[ast.expr]:
    if isinstance(node, ast.BinOp):
        return [*alternatives(node.left), *alternatives(node.right)]
    return [node]


def is_none(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is None


def main(wheel: str) -> None:
    if hashlib.sha256(Path(wheel).read_bytes()).hexdigest() != WHEEL:
        raise SystemExit(f"{wheel} is not the file that the schemas are made of")
    FOLDER.mkdir(exist_ok=True)
    with zipfile.ZipFile(wheel) as archive:
        sources = {
            v: archive.read(f"cloudcoil/models/prometheus_operator/{v}.py").decode()
            for v in set(KINDS.values())
        }
    documents: dict[str, Json] = dict(OWN)
    for kind, version in KINDS.items():
        classes = Classes(sources[version])
        body = classes.model(classes.nodes[kind])
        body["properties"] = {
            "apiVersion": {"const": f"monitoring.coreos.com/{version}"},
            "kind": {"const": kind},
            "metadata": {"$ref": "#/$defs/ObjectMeta"},
            **body["properties"],
        }
        for name, definition in classes.definitions.items():
            # No definition can contain itself there: routes below a route are anything, until they are read.
            if "routes" in definition.get("properties", {}):
                definition["properties"]["routes"]["items"] = {"$ref": f"#/$defs/{name}"}
        documents[kind] = {
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "title": kind,
            "description": f"{kind} of the Prometheus Operator, as defined by v0.93.1 (Apache-2.0).",
            **body,
            "required": sorted({"apiVersion", "kind", "metadata", *body.get("required", ())}),
            "$defs": dict(sorted({**classes.definitions, "ObjectMeta": METADATA}.items())),
        }
    for kind, document in documents.items():
        path = FOLDER / f"{kind.lower()}.json"
        path.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1])
