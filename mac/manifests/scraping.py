"""The scrape jobs of a cell as ScrapeConfigs, and those that ask a blackbox exporter as Probes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from mac import conventions, emit, splitting
from mac.manifests import objects
from mac.manifests.objects import Manifest
from mac.model import Json
from mac.operator_model import OperatorSettings

SCRAPE_CONFIG = ("monitoring.coreos.com/v1alpha1", "ScrapeConfig")
PROBE = ("monitoring.coreos.com/v1", "Probe")

_ROOM = 4_000  # bytes of an object around its targets

# Setting of a scrape job → field of a ScrapeConfig that means the same.
_FIELDS = {
    "scrape_interval": "scrapeInterval",
    "scrape_timeout": "scrapeTimeout",
    "metrics_path": "metricsPath",
    "params": "params",
    "honor_labels": "honorLabels",
    "honor_timestamps": "honorTimestamps",
    "track_timestamps_staleness": "trackTimestampsStaleness",
    "enable_compression": "enableCompression",
    "enable_http2": "enableHTTP2",
    "scrape_protocols": "scrapeProtocols",
    "fallback_scrape_protocol": "fallbackScrapeProtocol",
    "scrape_classic_histograms": "scrapeClassicHistograms",
    "convert_classic_histograms_to_nhcb": "convertClassicHistogramsToNHCB",
    "native_histogram_bucket_limit": "nativeHistogramBucketLimit",
    "body_size_limit": "bodySizeLimit",
    "sample_limit": "sampleLimit",
    "target_limit": "targetLimit",
    "label_limit": "labelLimit",
    "label_name_length_limit": "labelNameLengthLimit",
    "label_value_length_limit": "labelValueLengthLimit",
    "keep_dropped_targets": "keepDroppedTargets",
    "proxy_url": "proxyUrl",
    "no_proxy": "noProxy",
    "proxy_from_environment": "proxyFromEnvironment",
}
_RELABELING = {
    "source_labels": "sourceLabels",
    "separator": "separator",
    "target_label": "targetLabel",
    "regex": "regex",
    "modulus": "modulus",
    "replacement": "replacement",
    "action": "action",
}
_RELABELINGS = {"relabel_configs": "relabelings", "metric_relabel_configs": "metricRelabelings"}
_DISCOVERY = ("static_configs", "file_sd_configs", "http_sd_configs")
_PROBE_SETTINGS = frozenset({
    *("job_name", "scrape_interval", "scrape_timeout", "metrics_path", "params", "scheme"),
    *("file_sd_configs", "relabel_configs"),
})  # fmt: skip


class InexpressibleError(ValueError):
    """What the operator's objects have no place for."""


def manifests(
    settings: OperatorSettings,
    scrape: Mapping[str, Any],
    entry: Mapping[str, Any],
    targets: Mapping[str, Json],
) -> Iterator[Manifest]:
    """The objects of one scrape job. `targets`: name of a file that jobs read, as they call it → its content.

    Raises InexpressibleError.
    """
    groups, elsewhere = _found(scrape, targets)
    prober = _prober(scrape)
    if prober and not elsewhere:
        yield from _probes(settings, scrape, entry, prober, groups)
        return
    spec = _spec(scrape)
    if elsewhere:
        if groups:
            raise InexpressibleError("it finds targets in several ways")
        yield _scrape_config(settings, scrape, entry, "", {**spec, **elsewhere})
        return
    static = {emit.json_escaped(group): group for group in groups}
    sizes = {text: len(text.encode()) for text in static}
    for mark, within in splitting.parts(sizes, objects.LARGEST - _ROOM).items():
        if within:
            part = {**spec, "staticConfigs": [static[text] for text in within]}
            yield _scrape_config(settings, scrape, entry, mark, part)


# --- targets -----------------------------------------------------------------------------------------


def _found(
    scrape: Mapping[str, Any], targets: Mapping[str, Json]
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """(the targets that the generated files have, the fields that say where others are found)."""
    groups = [dict(group) for group in scrape.get("static_configs", ())]
    elsewhere: dict[str, Any] = {}
    for each in scrape.get("file_sd_configs", ()):
        for name in each["files"]:
            if name in targets:
                groups += [dict(group) for group in targets[name]]
            elif not name.startswith("/"):
                raise InexpressibleError(f"it reads {name}, which is not generated")
        beyond = [name for name in each["files"] if name not in targets]
        if beyond:
            taken = {"files": "files", "refresh_interval": "refreshInterval"}
            read = _renamed({**each, "files": beyond}, taken, "file_sd_configs")
            elsewhere.setdefault("fileSDConfigs", []).append(read)
    for each in scrape.get("http_sd_configs", ()):
        taken = {"url": "url", "refresh_interval": "refreshInterval"}
        elsewhere.setdefault("httpSDConfigs", []).append(_renamed(each, taken, "http_sd_configs"))
    named = [{key: value for key, value in group.items() if value} for group in groups if group["targets"]]
    return named, elsewhere


def _renamed(given: Mapping[str, Any], names: Mapping[str, str], where: str) -> dict[str, Any]:
    for key in given:
        if key not in names:
            raise InexpressibleError(f"its {where} have {key}, which mac does not carry over")
    return {names[key]: value for key, value in given.items()}


# --- objects -----------------------------------------------------------------------------------------


def _spec(scrape: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a ScrapeConfig but where it finds its targets."""
    spec: dict[str, Any] = {"jobName": scrape["job_name"]}
    for key, value in scrape.items():
        if key in _FIELDS:
            spec[_FIELDS[key]] = value
        elif key == "scheme":
            spec["scheme"] = str(value).upper()  # what every version of the definition takes
        elif key in _RELABELINGS:
            spec[_RELABELINGS[key]] = [_renamed(each, _RELABELING, key) for each in value]
        elif key != "job_name" and key not in _DISCOVERY:
            raise InexpressibleError(f"it has {key}, which mac does not carry over")
    return spec


def _scrape_config(
    settings: OperatorSettings, scrape: Mapping[str, Any], entry: Mapping[str, Any], mark: str, spec: Json
) -> Manifest:
    cell, job = str(entry["cell"]), str(scrape["job_name"])
    own = objects.name(cell, job)
    named = f"{own}-{mark}" if mark else own
    return Manifest(
        f"{conventions.operator_folder(cell)}/scrape/{named}.yaml",
        objects.document(settings, SCRAPE_CONFIG, named, {"spec": spec}, cell),
        {"cell": cell, "object": SCRAPE_CONFIG[1], "name": named, "job": job},
    )


def _prober(scrape: Mapping[str, Any]) -> str:
    """The address of the blackbox exporter that a job asks, if it is such a job and nothing else."""
    relabeling = scrape.get("relabel_configs", ())
    if scrape.keys() - _PROBE_SETTINGS or len(relabeling) != 3:
        return ""
    address = str(relabeling[2].get("replacement", ""))
    usual = [
        {"source_labels": ["__address__"], "target_label": "__param_target"},
        {"source_labels": ["__param_target"], "target_label": "instance"},
        {"target_label": "__address__", "replacement": address},
    ]
    parameters = scrape.get("params", {})
    one = list(parameters) == ["module"] and len(parameters["module"]) == 1
    return address if one and list(relabeling) == usual else ""


def _probes(
    settings: OperatorSettings,
    scrape: Mapping[str, Any],
    entry: Mapping[str, Any],
    prober: str,
    groups: list[dict[str, Any]],
) -> Iterator[Manifest]:
    """A Probe gives all its targets the same labels, so there is one for each set of labels."""
    cell, job, module = str(entry["cell"]), str(scrape["job_name"]), scrape["params"]["module"][0]
    alike: dict[str, dict[str, Any]] = {}
    for group in groups:
        labels = group.get("labels", {})
        same = alike.setdefault(emit.json_escaped(labels), {"labels": labels, "static": []})
        same["static"] += group["targets"]
    for key, found in alike.items():
        labels = found["labels"]
        service = str(labels.get(conventions.SERVICE, ""))
        named = objects.name(cell, job, service, hashed=key)
        spec = {
            "jobName": job,
            "interval": scrape["scrape_interval"],
            "scrapeTimeout": scrape["scrape_timeout"],
            "module": module,
            "prober": {
                "url": prober,
                "path": scrape["metrics_path"],
                "scheme": str(scrape["scheme"]).upper(),
            },
            "targets": {"staticConfig": {"static": found["static"], "labels": labels}},
        }
        owned = {"cell": cell, "object": PROBE[1], "name": named, "job": job}
        yield Manifest(
            f"{conventions.operator_folder(cell)}/probes/{named}.yaml",
            objects.document(settings, PROBE, named, {"spec": spec}, cell),
            {**owned, "service": service} if service else owned,
        )
