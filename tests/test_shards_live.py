"""Two shards that send what they collect to a third Prometheus, in place of a ruler: three real servers.

No machine answers, and the alert asks for more of them than a shard has.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import date
from pathlib import Path
from typing import Any

from mac import files, measure, render, servers, shards, templates
from mac.access_model import ServerAccess
from mac.bind import bind
from mac.model import Scrape, StandardRecording, Text
from mac.shard_model import CellSize, RemoteWrite, Scale, Sharding
from tests import builders
from tests.builders import instance, snapshot, standard

CELL = "main-us-east-1"
MACHINES = 16
ADDRESSES = [f"127.88.0.{n}" for n in range(1, MACHINES + 1)]
EXPR = 'sum by (service, environment) (up{job="web",<< scope >>} == bool 0)'
PATIENCE = 90.0  # seconds; it takes about seven

TEMPLATES, _ = templates.read(files.shipped_root(), (o.template for o in render.OUTPUTS))
# Prometheus sends after five seconds, if there is not more to send before.
SOON = {
    "prometheus/prometheus.yml.j2": TEMPLATES["prometheus/prometheus.yml.j2"].replace(
        "  - << write | yaml(4) >>\n",
        "  - << write | yaml(4) >>\n    queue_config: {batch_send_deadline: 100ms}\n",
    )
}


@contextmanager
def refusing() -> Iterator[int]:
    """A port that every machine's address has for itself, and at which nothing listens."""
    with ExitStack() as stack:
        port = 0
        for machine in ADDRESSES:
            taken = stack.enter_context(socket.socket())
            taken.bind((machine, port))
            port = taken.getsockname()[1]
        yield port


def generated(receiver: str, port: int) -> render.Rendered:
    scale = Scale(
        Sharding(cells={CELL: CellSize(shards=2)}), remote_write=RemoteWrite(f"{receiver}/api/v1/write")
    )
    per_resource = StandardRecording(
        "resource:web_up:bool",
        Text('max by (service, environment, resource_id) (up{job="web",<< scope >>})'),
    )
    many_down = builders.alert("ManyDown", f"{EXPR} > {MACHINES - 1}", for_=Text("0s"), summary=Text("many"))
    chosen = builders.catalog(
        standard(recording=(per_resource,), alerts=(many_down,), scrape=Scrape("web", port)),
        scale=scale,
        scrape_interval="1s",
        evaluation_interval="1s",
    )
    machines = [instance(n, addresses=(address,)) for n, address in enumerate(ADDRESSES)]
    found = bind(chosen, snapshot(*machines), date(2026, 11, 23))
    return render.render(chosen, shards.divide(chosen, found), {**TEMPLATES, **SOON}, "sha256:0")


def within(condition: Callable[[], Any], what: Callable[[], object]) -> Any:
    """What the condition is when it holds; `what` tells how things stand when it does not."""
    deadline = time.monotonic() + PATIENCE
    while not (found := condition()):
        assert time.monotonic() < deadline, f"not within {PATIENCE:g} seconds: {what()}"
        time.sleep(0.1)
    return found


def test_an_alert_over_two_shards_fires_where_the_series_of_both_arrive(
    generation: str, tmp_path: Path
) -> None:
    receiving = tmp_path / "receiving.yml"
    start = 'global: {evaluation_interval: 1s}\nrule_files: ["rules/*.yml"]\n'
    receiving.write_text(start, encoding="utf-8")
    with ExitStack() as stack:
        ruler = stack.enter_context(
            servers.prometheus(receiving, arguments=["--web.enable-remote-write-receiver"])
        )
        result = generated(ruler.url, stack.enter_context(refusing()))
        for path, content in result.files.items():
            target = tmp_path / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
        (tmp_path / "rules").mkdir()
        for path, content in result.files.items():
            if path.startswith(f"cells/{CELL}/rules/"):
                (tmp_path / "rules" / path.replace("/", "_")).write_bytes(content)
        ruler.reload()
        parts = [
            stack.enter_context(servers.prometheus(tmp_path / f"cells/{CELL}-shard-{n}/prometheus.yml"))
            for n in (0, 1)
        ]

        def asked(query: str) -> list[Any]:
            return list(ruler.query(query)["result"])

        def state() -> object:
            return {
                "the ruler has": [asked("count(up)"), asked("shard:alive:bool"), ruler.alerts()],
                "shards have": [part.query('count by (job) (up{job="web"})')["result"] for part in parts],
                "rules": [(g["file"], [r["health"] for r in g["rules"]]) for g in ruler.rule_groups()],
            }

        (alert,) = within(lambda: [a for a in ruler.alerts() if a["state"] == "firing"], state)
        assert float(alert["value"]) == MACHINES
        assert (alert["labels"]["alertname"], alert["labels"]["cell"]) == ("ManyDown", CELL)
        assert alert["labels"]["account"] == builders.ACCOUNT

        expr = EXPR.replace("<< scope >>", 'service="web"')
        for part in parts:
            assert part.alerts() == ()
            ((_, down),) = [series["value"] for series in part.query(expr)["result"]]
            assert 0 < float(down) < MACHINES

        settings = Sharding(max_series=1, measure=ServerAccess(parts[0].url))
        counted, unknown = measure.series(settings, [CELL], {})
        assert unknown == ()
        assert counted[CELL] > MACHINES  # `up` and three more series of each of its machines
        machines = asked('up{job="web"}')
        assert len(machines) == MACHINES
        assert all(series["metric"]["cell"] == CELL for series in machines)
        assert not any("shard" in series["metric"] for series in machines)
        recorded = within(
            lambda: len(found := asked("resource:web_up:bool")) == MACHINES and found,
            state,
        )
        assert {frozenset(series["metric"]) for series in recorded} == {
            frozenset({"__name__", "service", "environment", "resource_id"})
        }
        alive = within(lambda: len(found := asked("shard:alive:bool")) == 2 and found, state)
        assert sorted(series["metric"]["shard"] for series in alive) == ["0", "1"]
        assert [a["labels"]["alertname"] for a in ruler.alerts()] == ["ManyDown"]
