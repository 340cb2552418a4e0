"""A Prometheus that reads prometheus.yml, with rules and targets beside it, from a folder."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any

from mac import durations, emit, http
from mac.deploy import changes
from mac.deploy.running import Reloading
from mac.deploy_model import DeployError, ScrapedTarget, Scraping
from mac.model import Json

CONFIG = "prometheus.yml"

ASKED = (
    *("GET /api/v1/status/config", "GET /api/v1/rules", "GET /api/v1/targets"),
    "GET /api/v1/query",
)
"""Requests beside those of every server that reads files."""

_GLOB = re.compile(r"[*?\[]")
_HIDDEN = "<secret>"
_NO_PAST = (403, 404, 405, 422)  # of a Prometheus that only sends on, or of a proxy that lets no queries by
# Written by Prometheus in another place or form than they were given.
_RESPELLED = frozenset(["bearer_token", "bearer_token_file"])

_QUERY = re.compile(r"\?[^\s\"]*")  # of an address in an error: parameters may be secret

Labels = tuple[tuple[str, str], ...]

Rule = tuple[str, str, float, tuple[tuple[str, str], ...]]
"""Type, name, seconds of `for`, labels."""


@dataclass(frozen=True, slots=True)
class Prometheus(Reloading):
    def faults(self, folder: Path, files: Mapping[str, bytes]) -> Iterator[str]:
        """Its configuration, rule groups and targets against those of the files, or why these are none."""
        try:
            config = _yaml(files, CONFIG)
            groups = dict(_groups_in(files, str(folder)))
            targets, jobs = _targets_in(config, files)
        except DeployError as error:
            yield error.message
            return
        except (LookupError, TypeError, AttributeError) as error:
            yield f"the files in {folder} are none that Prometheus reads: {error}"
            return
        with changes.answering(self.server.url, "Prometheus"):
            yield from self._configuration(folder, config)
            yield from self._rules(folder, groups)
            yield from self._targets(targets, jobs)

    def scraping(self, grace: float) -> Scraping:
        """Its targets. One counts as down when it has not answered for `grace` seconds."""
        since = self.gauge("process_start_time_seconds")
        data = self._data("/api/v1/targets", ("state", "active"))
        with changes.answering(self.server.url, "Prometheus"):
            found = [_scraped(entry) for entry in data["activeTargets"]]
        if any(target.is_down for target in found):
            answered = self._answered(grace)
            found = [
                replace(target, is_down=target.is_down and _labels_of(target) not in answered)
                for target in found
            ]
        return Scraping(since, tuple(found))

    def _answered(self, grace: float) -> set[Labels]:
        """The labels of what is down and answered within `grace` seconds. None where no past is kept."""
        window = durations.spell(int(max(grace, 1.0) * 1000))
        query = f"up == 0 and max_over_time(up[{window}]) == 1"
        try:
            found = self._data("/api/v1/query", ("query", query))["result"]
        except http.ServerError as error:
            if error.status in _NO_PAST:
                return set()
            raise
        with changes.answering(self.server.url, "Prometheus"):
            return {
                tuple(sorted((name, value) for name, value in series["metric"].items() if name != "__name__"))
                for series in found
            }

    def _configuration(self, folder: Path, config: Json) -> Iterator[str]:
        runs = emit.read_yaml(str(self._data("/api/v1/status/config")["yaml"]))
        if where := departs(config, runs, str(folder)):
            by_path = (
                f" (was it started on {folder / CONFIG}, by this path?)" if "rule_files" in where else ""
            )
            yield f"{self.server.url} runs another configuration, at {where}{by_path}"

    def _rules(self, folder: Path, wanted: Mapping[tuple[str, str], list[Rule]]) -> Iterator[str]:
        runs = {
            (group["file"], group["name"]): [_rule_that_runs(rule) for rule in group["rules"]]
            for group in self._data("/api/v1/rules")["groups"]
            if group["file"].startswith(f"{folder}/")
        }
        for key in sorted(wanted.keys() | runs.keys()):
            if wanted.get(key) != runs.get(key):
                says = (
                    "does not run" if key not in runs else "runs" if key not in wanted else "runs otherwise"
                )
                yield f"{self.server.url} {says} the rule group {key[1]!r} of {key[0]}"

    def _targets(self, wanted: set[tuple[str, str]], jobs: set[str]) -> Iterator[str]:
        data = self._data("/api/v1/targets", ("state", "any"))
        found = {
            (labels.get("job", ""), labels.get("__address__", ""))
            for entry in [*data["activeTargets"], *data["droppedTargets"]]
            if (labels := entry["discoveredLabels"]).get("job", "") in jobs
        }
        if found != wanted:
            job, address = min(found ^ wanted)
            says = "has a target that is gone" if (job, address) in found else "does not have the target"
            yield f"{self.server.url} {says}: {address} of the job {job} ({len(found ^ wanted)} differ)"

    def _data(self, path: str, *query: tuple[str, str]) -> Any:
        answer = self.server.get(path, query).json()
        if not isinstance(answer, dict) or answer.get("status") != "success":
            raise DeployError(f"{self.server.url}{path} does not answer as Prometheus does")
        return answer["data"]


def _scraped(raw: Mapping[str, Any]) -> ScrapedTarget:
    error = _QUERY.sub("", str(raw.get("lastError", "")))
    address = str(raw["discoveredLabels"]["__address__"])
    return ScrapedTarget(address, dict(raw["labels"]), raw["health"] == "down", error)


def _labels_of(target: ScrapedTarget) -> Labels:
    return tuple(sorted(target.labels.items()))


def departs(given: Json, runs: Json, folder: str, at: str = "the top") -> str:
    """Where a configuration that runs lacks what was given; "" when nowhere.

    Prometheus adds its defaults, leaves out what is empty, spells durations its own way, hides secrets, and
    completes relative paths by `folder`.
    """
    if isinstance(given, dict) and isinstance(runs, dict | None):
        inner = runs or {}
        for key, value in given.items():
            if key not in _RESPELLED and (where := departs(value, inner.get(key), folder, key)):
                return where if at == "the top" else f"{at}.{where}"
        return ""
    if isinstance(given, list) and isinstance(runs, list | None):
        others = runs or []
        if len(given) != len(others):
            return f"{at} ({len(others)} instead of {len(given)})"
        for n, (value, other) in enumerate(zip(given, others, strict=True)):
            if where := departs(value, other, folder, f"{at}[{n}]"):
                return where
        return ""
    return "" if _same(given, runs, folder) else at


def _same(given: Json, runs: Json, folder: str) -> bool:
    if runs in (given, _HIDDEN) or (not given and runs is None):
        return True
    one, other = str(given), str(runs)
    if one == other or (isinstance(given, bool) and one.lower() == other.lower()):
        return True
    length = durations.milliseconds(one)
    if length is not None and length == durations.milliseconds(other):
        return True
    return other == f"{folder}/{one.removeprefix('./')}"


def _groups_in(files: Mapping[str, bytes], folder: str) -> Iterator[tuple[tuple[str, str], list[Rule]]]:
    patterns = _yaml(files, CONFIG).get("rule_files") or []
    for path in sorted(_matching(files, patterns)):
        for group in _yaml(files, path).get("groups") or []:
            yield (
                (f"{folder}/{path}", str(group["name"])),
                [_rule_of(rule) for rule in group.get("rules") or []],
            )


def _rule_of(raw: Mapping[str, Any]) -> Rule:
    kind, name = ("alerting", raw["alert"]) if "alert" in raw else ("recording", raw["record"])
    length = durations.seconds(str(raw.get("for") or "0")) or 0.0
    return kind, str(name), length, _labels(raw)


def _rule_that_runs(raw: Mapping[str, Any]) -> Rule:
    return raw["type"], raw["name"], float(raw.get("duration", 0)), _labels(raw)


def _labels(raw: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    return tuple(sorted((str(name), str(value)) for name, value in (raw.get("labels") or {}).items()))


def _targets_in(config: Json, files: Mapping[str, bytes]) -> tuple[set[tuple[str, str]], set[str]]:
    """(job, address) of what files alone decide, and the jobs of which that is all."""
    wanted: set[tuple[str, str]] = set()
    jobs: set[str] = set()
    for scrape in config.get("scrape_configs") or []:
        others = [key for key in scrape if key.endswith("_sd_configs") and key != "file_sd_configs"]
        if others or "keep_dropped_targets" in {*scrape, *(config.get("global") or {})}:
            continue  # what another discovery finds, and what is dropped unseen, cannot be known
        if any(_GLOB.search(path) for path in _absolute(scrape)):
            continue
        jobs.add(scrape["job_name"])
        groups = list(scrape.get("static_configs") or [])
        for discovery in scrape.get("file_sd_configs") or []:
            for path in _matching(files, discovery["files"]):
                groups += _yaml(files, path) or []
            for path in discovery["files"]:
                groups += _outside(path) if path.startswith("/") else []
        for group in groups:
            job = str((group.get("labels") or {}).get("job", scrape["job_name"]))
            jobs.add(job)
            wanted |= {(job, str(address)) for address in group["targets"]}
    return wanted, jobs


def _absolute(scrape: Mapping[str, Any]) -> Iterator[str]:
    """The files outside of the version in which a job finds its targets."""
    for discovery in scrape.get("file_sd_configs") or []:
        yield from (path for path in discovery["files"] if path.startswith("/"))


def _outside(path: str) -> list[Json]:
    """The targets in such a file as it is now, none where it is not there. Raises DeployError."""
    try:
        data = Path(path).read_bytes()
    except FileNotFoundError:
        return []
    except OSError as error:
        raise DeployError(
            f"{path} cannot be read: {error.strerror}", "mac deploy compares targets with it"
        ) from error
    return _yaml({path: data}, path) or []


def _matching(files: Mapping[str, bytes], patterns: Iterable[str]) -> set[str]:
    """As Go's globs do it: a star stands for no slash."""
    found = set()
    for pattern in patterns:
        parts = PurePosixPath(pattern).parts
        for path in files:
            names = PurePosixPath(path).parts
            if len(names) == len(parts) and all(map(fnmatch.fnmatchcase, names, parts)):
                found.add(path)
    return found


def _yaml(files: Mapping[str, bytes], path: str) -> Any:
    if path not in files:
        raise DeployError(f"{path} is not there")
    text = files[path].decode("utf-8", "replace")
    try:
        return emit.read_json(text) if path.endswith(".json") else emit.read_yaml(text)
    except ValueError as error:
        raise DeployError(f"{path} cannot be read: {error}") from error
