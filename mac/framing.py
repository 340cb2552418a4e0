"""Values to the text of a file: framed by a template, read back, compared with what was meant.

Pure: templates come in as texts. What a template adds is the user's own affair; what it loses or changes of
what was meant is a Problem, so no value of a tag can become syntax.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from mac import conventions, emit, readback, sensors, templating
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
MANIFEST = Output("operator/manifest.yaml.j2", emit.read_yaml)

SENSOR_SCRIPT = Output(conventions.SENSOR_TEMPLATE, sensors.read_script)
SENSOR_DOCUMENT = Output("sensors/document.json.j2", emit.read_json)
SENSOR_TEMPLATE = Output("sensors/template.json.j2", emit.read_json)
SENSOR_CLOUD_INIT = Output("sensors/cloud-init.yaml.j2", emit.read_yaml)
SENSOR_ANSIBLE = Output("sensors/ansible.yaml.j2", emit.read_yaml)

OUTPUTS = (
    *(RULES, PROMETHEUS, TARGETS, ALERTMANAGER, CLOUDWATCH, BLACKBOX, DASHBOARD, PROVIDER, MANIFEST),
    *(SENSOR_SCRIPT, SENSOR_DOCUMENT, SENSOR_TEMPLATE, SENSOR_CLOUD_INIT, SENSOR_ANSIBLE),
)


READERS = {output.template: output.read for output in OUTPUTS}
"""Template → how what it framed is read."""


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

    def read(self, path: str) -> Json:
        """The value of a file that is there, with what its template added."""
        return READERS[self.entries[path]["template"]](self.files[path].decode())

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
            missing = readback.lost(document, output.read(text))
        except ValueError as error:
            missing = f"it cannot be read back: {error}"
        if missing:
            self.problems.append(Problem(place, "template-output", f"{path}: {missing}"))
            return None
        return text
