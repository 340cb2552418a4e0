"""Values that try to become syntax: each reaches every generation of Prometheus as the very same value."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import date
from pathlib import Path

from mac import conventions, files, render, servers, templates, validate
from mac.bind import bind
from mac.model import AlertSeverity, Catalog, Service, Text
from tests import builders
from tests.builders import alert, instance, snapshot, standard

VALUES = (
    'double " quote',
    "single ' quote",
    "back \\ slash \\n",
    "new\nline",
    "tab\tand\rreturn",
    "{braces} }{ {{ }} }}",
    "{{ $labels.instance }}",
    '{{ define "x" }}{{ end }}{{ template "x" }}',
    "{{ `raw` }}{{/* comment */}}",
    "<< scope >> <% for %> <# #>",
    'x"} or vector(1) or up{a="',
    '"\n  - record: "evil"\n    expr: "1"\n  #',
    "a: b # c",
    "- item",
    "&anchor *alias !tag",
    "on",
    "null",
    "~",
    "012",
    "1e3",
    "0x1F",
    "1:30",
    "2026-11-23",
    "=",
    "%d %s %1000000d",
    "$1 ${HOME} $__interval `id` $(id)",
    "../../etc/passwd",
    "/absolute",
    "CON",
    ".hidden",
    "..",
    "a" * 256,
    "\U0001f600" * 64,
    "family \U0001f468\u200d\U0001f469\u200d\U0001f467",
    "right \u202e to \u200f left \u2066 marks",
    "line \u2028 and \u2029 separators, \x85 too",
    "bom \ufeff, not a character \ufffe",
    "combining e\u0301 and \u1e9e, \u212b",
    "nul \x00 bell \x07 escape \x1b[31m delete \x7f",
    " leading and trailing ",
    ".*|^$+?()[]",
    '=~"!="',
    "comma, semicolon; colon: equals=",
    'service="web",environment="production"',
    "\ud7ff\ue000\U0010ffff",
)
FOREVER = "100y"


def catalog() -> Catalog:
    chosen = standard(
        alerts=(
            alert(
                "Seen",
                "count by (service, environment) (up{<< scope >>}) > 0",
                severity=AlertSeverity.INFO,
                summary=Text("about << service >>."),
                description=Text("<< service >><< service >>{{ $value }}"),
                for_=Text("0s"),
            ),
        )
    )
    return builders.catalog(
        chosen, services=(Service("x", "platform", 1),), scrape_interval="1s", evaluation_interval="1s"
    )


def machines() -> list[dict[str, str]]:
    return [{"service": value, "role": value} for value in VALUES]


def generated(folder: Path) -> Path:
    wanted = snapshot(*(instance(n, tags=tags) for n, tags in enumerate(machines(), start=1)))
    bindings = bind(catalog(), wanted, date(2026, 11, 23))
    assert bindings.bound == len(VALUES)
    texts, _ = templates.read(files.shipped_root(), (o.template for o in render.OUTPUTS))
    rendered = render.render(catalog(), bindings, texts, "sha256:0")
    assert not rendered.problems
    assert not validate.check(rendered.files, rendered.documents, rendered.provenance)
    assert not validate.check_with_engines(rendered.files, required=True)
    for path, content in rendered.files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)
    (cell,) = bindings.cells
    return folder / conventions.prometheus_file(cell.name)


def eventually(look: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not look():
        assert time.monotonic() < deadline, "it did not come about in time"
        time.sleep(0.1)


def test_every_value_is_a_label_and_a_text_byte_for_byte(generation: str, tmp_path: Path) -> None:
    with servers.prometheus(generated(tmp_path)) as prometheus:
        eventually(lambda: len(prometheus.targets()) == len(VALUES))
        targets = prometheus.targets()
        assert sorted(t["labels"]["service"] for t in targets) == sorted(VALUES)
        assert all(t["labels"]["role"] == t["labels"]["service"] for t in targets)
        eventually(lambda: len(prometheus.alerts()) == len(VALUES))
        alerts = {a["labels"]["service"]: a["annotations"] for a in prometheus.alerts()}
        assert set(alerts) == set(VALUES)
        for value, annotations in alerts.items():
            assert annotations["summary"] == f"about {value}."
            assert annotations["description"] == f"{value}{value}1"
        rules = [rule for group in prometheus.rule_groups() for rule in group["rules"]]
        assert {rule["name"] for rule in rules} == {"Seen", "service:web_up:ratio"}
        assert len(rules) == 2 * len(VALUES)
        assert prometheus.version().startswith(
            {"bookworm": "2.42", "trixie": "2.53", "sid": "3."}[generation]
        )
