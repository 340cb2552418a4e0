"""The sensors of standards and their downloads: read from documents, and what a schema cannot say of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from mac import emit
from mac.model import Download, Project, Sensor, SensorCheck, SensorRun, Standard
from mac.problems import Problem, Severity, did_you_mean
from mac.source import Document, Pointer

Raw = Mapping[str, Any]

_AT: Pointer = ("spec", "sensors")
_MACHINES = ("ec2-instance", "machine")
_INSTALLED = ("program", "release", "version")
# What each way to run has no use for.
_USELESS = {
    SensorRun.SERVICE: (),
    SensorRun.JAVA_AGENT: ("flags", "config_flag"),
    SensorRun.BUILT_IN: (*_INSTALLED, "flags", "config", "config_flag"),
}


def sensors(document: Document) -> tuple[Sensor, ...]:
    return tuple(
        Sensor(
            **{
                **raw,
                "run": SensorRun(raw["run"]),
                "flags": tuple(raw.get("flags", ())),
                "check": SensorCheck(**raw.get("check", {})),
            },
            location=document.location((*_AT, n, "name")),
        )
        for n, raw in enumerate(document.data["spec"].get("sensors", ()))
    )


def downloads(document: Document) -> dict[str, Download]:
    """Those that `mac.yaml` names, by the sensor's name."""
    given: Raw = document.data["spec"].get("sensors", {})
    return {
        name: Download(**raw, location=document.location((*_AT, name), key=True))
        for name, raw in given.items()
    }


def check(standard: Standard, document: Document) -> Iterator[Problem]:
    """What is wrong with the sensors of one standard."""
    if not standard.sensors:
        return
    kind = standard.applies_to.kind
    if kind not in _MACHINES:
        message = f"sensors run on machines, not on resources of the kind {kind}"
        yield Problem(document.location(_AT, key=True), "wrong-value", message, "remove them")
    seen: set[str] = set()
    for n, sensor in enumerate(standard.sensors):
        plain = sensor.name.replace("-", "")  # names of parameters in AWS have no dashes
        if plain in seen:
            message = f"a sensor above has the name {sensor.name} already, but for dashes"
            yield Problem(sensor.location, "duplicate-name", message, "give it another name")
        seen.add(plain)
        yield from _keys(sensor, document, (*_AT, n))
        yield from _config(sensor, document, (*_AT, n))
    ports = {sensor.port for sensor in standard.sensors}
    if standard.scrape and standard.scrape.port not in ports:
        message = f"no sensor answers on the port {standard.scrape.port}, which is scraped"
        hint = f"the sensors answer on {', '.join(map(str, sorted(ports)))}"
        place = document.location(("spec", "scrape", "port"))
        # An exporter that came there by other means may answer on it.
        yield Problem(place, "wrong-value", message, hint, Severity.WARNING)


def _keys(sensor: Sensor, document: Document, at: Pointer) -> Iterator[Problem]:
    if sensor.run is not SensorRun.BUILT_IN:
        for key in _INSTALLED:
            if not getattr(sensor, key):
                message = f'"{key}" is missing: the sensor is installed, so mac must know it'
                yield Problem(sensor.location, "missing-key", message)
    for key in _USELESS[sensor.run]:
        if getattr(sensor, key):
            message = f'"{key}" has no meaning for a sensor that runs as {sensor.run}'
            yield Problem(document.location((*at, key), key=True), "wrong-value", message, "remove it")
    if sensor.run is SensorRun.SERVICE and bool(sensor.config) is not bool(sensor.config_flag):
        message = "a configuration and the flag that takes its path go together"
        yield Problem(sensor.location, "missing-key", message, "as in config_flag: --config.file")


def _config(sensor: Sensor, document: Document, at: Pointer) -> Iterator[Problem]:
    if sensor.run is not SensorRun.JAVA_AGENT:
        return
    if not sensor.config:
        message = '"config" is missing: a Java agent needs the rules of the JMX exporter'
        yield Problem(sensor.location, "missing-key", message, "{} takes everything, by its default names")
        return
    place = document.text_location((*at, "config"))
    try:
        rules = emit.read_yaml(sensor.config)
    except ValueError as error:
        yield Problem(place, "yaml-syntax", f"the JMX exporter could not read its rules: {error}")
        return
    if not isinstance(rules, dict):
        message = "the configuration of the JMX exporter is a mapping"
        yield Problem(place, "wrong-value", message, "as in rules: [{pattern: …, name: …}]")


def check_downloads(project: Project, standards: Iterable[Standard]) -> Iterator[Problem]:
    """Downloads of sensors that no standard has."""
    known = {sensor.name for standard in standards for sensor in standard.sensors}
    for name, download in project.downloads.items():
        if name not in known:
            message = f"no standard has a sensor named {name}"
            hint = did_you_mean(name, known)
            yield Problem(download.location, "unknown-key", message, hint, Severity.WARNING)
