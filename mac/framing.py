"""Values to the text of a file: framed by a template, read back, compared with what was meant.

Pure: templates come in as texts. What a template adds is the user's own affair; what it loses or changes of
what was meant is a Problem, so no value of a tag can become syntax.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from mac import conventions, emit, sensors, templating
from mac.model import Json
from mac.problems import Location, Problem
from mac.templating import Mode, TemplateError

Document = Any


@dataclass(frozen=True, slots=True)
class Output:
    """One kind of generated file: the template that frames it and how it is read back."""

    template: str
    read: Callable[[str], Json]


RULES = Output("rules/rules.yml.j2", emit.read_yaml)
PROMETHEUS = Output("prometheus/prometheus.yml.j2", emit.read_yaml)
TARGETS = Output("targets/targets.json.j2", emit.read_json)
ALERTMANAGER = Output("alertmanager/alertmanager.yml.j2", emit.read_yaml)
CLOUDWATCH = Output("exporters/cloudwatch.yml.j2", emit.read_yaml)
BLACKBOX = Output("exporters/blackbox.yml.j2", emit.read_yaml)
DASHBOARD = Output("dashboards/dashboard.json.j2", emit.read_json)
PROVIDER = Output("dashboards/provider.yml.j2", emit.read_yaml)

SENSOR_SCRIPT = Output(conventions.SENSOR_TEMPLATE, sensors.read_script)
SENSOR_DOCUMENT = Output("sensors/document.json.j2", emit.read_json)
SENSOR_TEMPLATE = Output("sensors/template.json.j2", emit.read_json)
SENSOR_CLOUD_INIT = Output("sensors/cloud-init.yaml.j2", emit.read_yaml)
SENSOR_ANSIBLE = Output("sensors/ansible.yaml.j2", emit.read_yaml)

OUTPUTS = (
    *(RULES, PROMETHEUS, TARGETS, ALERTMANAGER, CLOUDWATCH, BLACKBOX, DASHBOARD, PROVIDER),
    *(SENSOR_SCRIPT, SENSOR_DOCUMENT, SENSOR_TEMPLATE, SENSOR_CLOUD_INIT, SENSOR_ANSIBLE),
)


@dataclass(slots=True)
class Tree:
    """The files as they come about."""

    templates: Mapping[str, str]
    files: dict[str, bytes] = field(default_factory=dict)
    documents: dict[str, Document] = field(default_factory=dict)
    entries: dict[str, Document] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def add(self, path: str, output: Output, document: Document, **entry: Json) -> None:
        """Frames `document`, reads it back, and notes where it comes from."""
        text = self._frame(path, output, document)
        if text is None:
            return
        content = text.encode()
        self.files[path] = content
        self.documents[path] = document
        digest = hashlib.sha256(content).hexdigest()
        self.entries[path] = {"template": output.template, "sha256": digest, **entry}

    def _frame(self, path: str, output: Output, document: Document) -> str | None:
        place = Location(f"templates/{output.template}")
        source = self.templates.get(output.template)
        if source is None:
            self.problems.append(Problem(place, "template-missing", "this template is missing"))
            return None
        context = document if isinstance(document, dict) else {"groups": document}
        try:
            text = templating.template(source, Mode.FILE).render({**context, "document": document})
        except TemplateError as error:
            code = "template-syntax" if error.syntax else "template-value"
            self.problems.append(
                Problem(Location(place.path, error.line, 1), code, f"{error.message} (for {path})")
            )
            return None
        try:
            lost = _lost(document, output.read(text))
        except ValueError as error:
            lost = f"it cannot be read back: {error}"
        if lost:
            self.problems.append(Problem(place, "template-output", f"{path}: {lost}"))
            return None
        return text


# --- comparing what came out with what was meant -----------------------------------------------------


def _lost(meant: Json, got: Json, path: str = "") -> str:
    """What of `meant` is not in `got`: a sentence, or empty when all of it is.

    Mappings may have more keys and lists more items than meant (a user's template adds them); what was
    meant must be there, unchanged and in order.
    """
    if meant == got or (meant in ({}, []) and got is None):
        return ""
    if isinstance(meant, dict):
        if not isinstance(got, dict):
            return f"{path or 'the document'} is not a mapping"
        for key, value in meant.items():
            if key in got:
                lost = _lost(value, got[key], f"{path}.{key}" if path else key)
                if lost:
                    return lost
            elif value not in ({}, []):
                return f"{path}.{key} is missing".removeprefix(".")
        return ""
    if isinstance(meant, list):
        return _lost_item(meant, got, path)
    return f"{path or 'the document'} is {got!r:.80} where {meant!r:.80} was meant"


def _lost_item(meant: list[Json], got: Json, path: str) -> str:
    if not isinstance(got, list):
        return f"{path or 'the document'} is not a list"
    if len(meant) == len(got):
        for index, (a, b) in enumerate(zip(meant, got, strict=True)):
            lost = _lost(a, b, f"{path}[{index}]")
            if lost:
                return lost
        return ""
    rest = iter(got)
    for index, item in enumerate(meant):
        if not any(not _lost(item, candidate) for candidate in rest):
            return f"{path}[{index}] is missing"
    return ""
