"""Who is told, and what is not said: Alertmanager's routes, receivers, time intervals and inhibition."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from mac import conventions, intervals, watchers
from mac.kinds import monitoring
from mac.model import AlertSeverity, Catalog, Maintenance, MuteTime, Project, Receiver, Standard, Team

Document = dict[str, Any]

# Only within one Prometheus: an outage in one region says nothing about the other.
_SAME_PLACE = [conventions.ENVIRONMENT, conventions.CELL]
_ABSENT = re.compile(r"\babsent(_over_time)?\s*\(")
_SAME_SERVICE = [conventions.SERVICE, *_SAME_PLACE]

# What a person reads first: the service, what is wrong in words, where runbook and dashboard are. A team's
# own fields win over these.
_HEADLINE = (
    "{{ .CommonLabels.service }} ({{ .CommonLabels.environment }}): "
    "{{ range .Alerts.Firing }}{{ .Annotations.summary }} {{ else }}resolved{{ end }}"
)
_DETAILS = (
    "{{ range .Alerts }}{{ .Status }}: {{ .Annotations.summary }}\n{{ .Annotations.description }}\n"
    "{{ .Annotations.runbook_url }}\n{{ with .Annotations.dashboard_url }}{{ . }}\n{{ end }}{{ end }}"
)
_WORDING: Mapping[str, Mapping[str, str]] = {
    "pagerduty": {"description": _HEADLINE},
    "slack": {"title": _HEADLINE, "text": _DETAILS},
    "opsgenie": {"message": _HEADLINE, "description": _DETAILS},
    "msteamsv2": {"title": _HEADLINE, "text": _DETAILS},
}


def alertmanager(catalog: Catalog) -> Document:
    """`alertmanager.yml`: it depends on what engineers wrote, never on the inventory."""
    teams = [catalog.teams[name] for name in sorted(catalog.teams)]
    windows = catalog.project.maintenance
    receivers: dict[str, Document] = {}
    route = _root(catalog.project, teams, receivers, _reminders(catalog))
    return {
        "global": {},
        "route": route,
        "time_intervals": [
            *(
                intervals.working(conventions.working_hours(t.name), hours)
                for t in teams
                if (hours := t.working_hours)
            ),
            *(intervals.weekly(_interval_name(t, mute), mute) for t in teams for mute in t.mute_times),
            *(intervals.window(conventions.maintenance(w.name), w) for w in windows),
        ],
        "inhibit_rules": [
            *_outages_mute_details(catalog),
            *_one_blindness_is_told(catalog),
            *_explanations(catalog),
            *_dependents_wait(
                conventions.STANDARD,
                [
                    *((name, standard.depends_on) for name, standard in catalog.standards.items()),
                    *_objectives(catalog),
                ],
                _SAME_SERVICE,
            ),
            *_dependents_wait(
                conventions.SERVICE,
                ((name, service.depends_on) for name, service in catalog.services.items()),
                _SAME_PLACE,
            ),
        ],
        "receivers": [receivers[name] for name in sorted(receivers)],
    }


def _reminders(catalog: Catalog) -> Reminders:
    """A page may become a ticket, where its service's tier does not page."""
    found: set[tuple[AlertSeverity, str]] = set()
    slos = [slo for service in catalog.services.values() for slo in service.slos]
    if slos:
        found.add((AlertSeverity.TICKET, conventions.SLO_REMINDER))
    for standard in catalog.standards.values():
        for alert in standard.alerts:
            if alert.reminder:
                found.add((alert.severity, alert.reminder))
                if alert.severity is AlertSeverity.PAGE:
                    found.add((AlertSeverity.TICKET, alert.reminder))
    return sorted(found)


# --- routes and receivers ----------------------------------------------------------------------------


Reminders = Sequence[tuple[AlertSeverity, str]]
"""Severities of alerts with a reminder of their own, and how often it comes."""


def _root(
    project: Project, teams: Iterable[Team], receivers: dict[str, Document], reminders: Reminders
) -> Document:
    """What no route takes is somebody else's alert; it goes where a person sees it at once.

    `receivers` takes up those that a route names, so that there are no others.
    """
    listed = list(teams)
    routes = [_Routes(team, project.maintenance, receivers, reminders).tree() for team in listed]
    return {
        "receiver": conventions.receiver(project.default_team, AlertSeverity.PAGE),
        "group_by": [conventions.SERVICE, conventions.ENVIRONMENT],
        "group_wait": project.group_wait,
        "group_interval": project.group_interval,
        "repeat_interval": project.repeat_interval,
        "routes": [*_heartbeats(project, listed, receivers), *routes],
    }


def _heartbeats(project: Project, teams: Iterable[Team], receivers: dict[str, Document]) -> list[Document]:
    """One route for each team that wants to hear that monitoring works; each cell is told by itself."""
    found = []
    for team in teams:
        if team.heartbeat:
            name = conventions.receiver(team.name, conventions.HEARTBEAT_RECEIVER)
            receivers[name] = {"name": name, **_configs(team.heartbeat, resolved=False)}
            found.append(
                {
                    "receiver": name,
                    "matchers": [
                        _equals("alertname", conventions.HEARTBEAT),
                        _equals(conventions.STANDARD, conventions.HEARTBEAT_STANDARD),
                    ],
                    # Of a cell that is divided each shard sends one, and so does the ruler.
                    "group_by": [conventions.CELL, *([conventions.SHARD] if project.scale.sharding else [])],
                    "group_wait": "0s",
                    "group_interval": project.heartbeat_interval,
                    "repeat_interval": project.heartbeat_interval,
                    "continue": True,
                }
            )
    if found:
        del found[-1]["continue"]  # nobody else is to hear it
    return found


class _Routes:
    """The routes of one team. Receivers that they name are added to `receivers`."""

    def __init__(
        self,
        team: Team,
        windows: Iterable[Maintenance],
        receivers: dict[str, Document],
        reminders: Reminders,
    ) -> None:
        self._team, self._receivers, self._reminders = team, receivers, reminders
        own = [(_interval_name(team, mute), dict(mute.match)) for mute in team.mute_times]
        shared = [(conventions.maintenance(w.name), dict(w.match)) for w in windows]
        self._mutes = [
            (name, {label: values for label, values in match.items() if label != conventions.TEAM})
            for name, match in (*own, *shared)
            if team.name in match.get(conventions.TEAM, (team.name,))
        ]

    def tree(self) -> Document:
        always = tuple(name for name, match in self._mutes if not match)
        return {
            "receiver": self._receiver(AlertSeverity.PAGE),
            "matchers": [_equals(conventions.TEAM, self._team.name)],
            "routes": self._branches([(n, m) for n, m in self._mutes if m], always, {}),
        }

    def _branches(
        self,
        mutes: Sequence[tuple[str, Mapping[str, Sequence[str]]]],
        muted: tuple[str, ...],
        chosen: Mapping[str, frozenset[str]],
    ) -> list[Document]:
        """Alertmanager takes the first route that matches, and mutes by that one alone. So what several mute
        times match at once has a route of its own, below that of the first of them.
        """
        found = []
        for n, (name, match) in enumerate(mutes):
            both = _both(chosen, match)
            if both is not None:
                found.append(
                    {
                        "receiver": self._receiver(AlertSeverity.PAGE),
                        "matchers": [_any_of(label, values) for label, values in sorted(match.items())],
                        "routes": self._branches(mutes[n + 1 :], (*muted, name), both),
                    }
                )
        apart = [
            {
                "receiver": self._receiver(AlertSeverity.PAGE),
                "matchers": [_equals(conventions.ENVIRONMENT, environment)],
                "routes": self._leaves(muted, environment),
            }
            for environment in sorted(self._team.environments)
        ]
        return [*found, *apart, *self._leaves(muted)]

    def _leaves(self, muted: tuple[str, ...], environment: str = "") -> list[Document]:
        return [leaf for severity in AlertSeverity for leaf in self._leaf(severity, muted, environment)]

    def _leaf(self, severity: AlertSeverity, muted: tuple[str, ...], environment: str) -> Iterator[Document]:
        """Who is told of a severity: in working hours, and otherwise if that is somebody else."""
        team = self._team
        special = severity in team.environments.get(environment, ())
        matchers = [_equals(conventions.SEVERITY, severity)]
        route: Document = {
            "receiver": self._receiver(severity, environment if special else ""),
            "matchers": matchers,
        }
        hours = [conventions.working_hours(team.name)] if team.working_hours else []
        later = severity in team.after_hours and not special
        if hours and (later or severity is not AlertSeverity.PAGE):
            route["active_time_intervals"] = hours
        if muted:
            route["mute_time_intervals"] = list(muted)
        if later:
            route["continue"] = True
        yield self._reminding(route, severity)
        if later:
            night: Document = {
                "receiver": self._after_hours(severity),
                "matchers": matchers,
                "mute_time_intervals": [*hours, *muted],
            }
            yield self._reminding(night, severity)

    def _reminding(self, route: Document, severity: AlertSeverity) -> Document:
        """The route, with one below it for each reminder. What stands for days is told apart from the rest:
        whatever joins a group is told with all that is in it.
        """
        # Alertmanager does not hand down times to the routes below.
        times = {key: value for key, value in route.items() if key.endswith("_time_intervals")}
        below = [
            {
                "receiver": route["receiver"],
                "matchers": [_equals(conventions.REMINDER, reminder)],
                "group_by": [conventions.SERVICE, conventions.ENVIRONMENT, "alertname"],
                "repeat_interval": reminder,
                **times,
            }
            for of, reminder in self._reminders
            if of is severity
        ]
        return {**route, "routes": below} if below else route

    def _receiver(self, severity: AlertSeverity, environment: str = "") -> str:
        team = self._team
        integrations = team.receivers.get(severity, ())
        name = conventions.receiver(team.name, severity)
        if environment:
            integrations = team.environments[environment][severity]
            name = conventions.receiver(team.name, severity, f"in {environment}")
        return self._named(name, integrations)

    def _after_hours(self, severity: AlertSeverity) -> str:
        name = conventions.receiver(self._team.name, severity, conventions.AFTER_HOURS)
        return self._named(name, self._team.after_hours[severity])

    def _named(self, name: str, integrations: Sequence[Receiver]) -> str:
        """Its name among the receivers. One receiver stands for all that have no integration."""
        if not integrations:
            name = conventions.NOBODY
        self._receivers[name] = {"name": name, **_configs(integrations)}
        return name


def _both(
    chosen: Mapping[str, frozenset[str]], match: Mapping[str, Sequence[str]]
) -> dict[str, frozenset[str]] | None:
    """The values that fit both; None when nothing can."""
    found = dict(chosen)
    for label, values in match.items():
        found[label] = found.get(label, frozenset(values)) & frozenset(values)
        if not found[label]:
            return None
    return found


def _configs(receivers: Iterable[Receiver], *, resolved: bool = True) -> Mapping[str, list[Document]]:
    configs: dict[str, list[Document]] = {}
    for receiver in receivers:
        configs.setdefault(f"{receiver.type}_configs", []).append(
            {"send_resolved": resolved, **_WORDING.get(receiver.type, {}), **receiver.fields}
        )
    return configs


def _interval_name(team: Team, mute: MuteTime) -> str:
    return conventions.mute_time(team.name, mute.name)


# --- inhibition --------------------------------------------------------------------------------------


def _outages_mute_details(catalog: Catalog) -> Iterator[Document]:
    """While a service is down, its tickets wait, and while a part of the cell is, those of all services;
    pages and outages themselves are never muted by this, nor that monitoring works.
    """
    targets = [
        _one_of(conventions.SEVERITY, [AlertSeverity.TICKET, AlertSeverity.INFO]),
        f'{conventions.OUTAGE}!="true"',
        f'{conventions.STANDARD}!="{conventions.HEARTBEAT_STANDARD}"',
    ]
    outage = _equals(conventions.OUTAGE, "true")
    yield {"source_matchers": [outage], "target_matchers": targets, "equal": _SAME_SERVICE}
    if any(alert.whole_cell for standard in catalog.standards.values() for alert in standard.alerts):
        yield {
            "source_matchers": [outage, _equals(conventions.REACH, conventions.CELL)],
            "target_matchers": targets,
            "equal": [conventions.CELL],
        }


def _explanations(catalog: Catalog) -> Iterator[Document]:
    """While an alert fires, others of its service that say the same with less right are muted."""
    explained: dict[tuple[str, ...], list[str]] = {}
    for standard in catalog.standards.values():
        for alert in standard.alerts:
            if alert.explained_by:
                explained.setdefault(tuple(sorted(alert.explained_by)), []).append(alert.alert)
    for sources, alerts in sorted(explained.items()):
        yield {
            "source_matchers": [_one_of("alertname", sources)],
            "target_matchers": [_one_of("alertname", alerts)],
            "equal": _SAME_SERVICE,
        }


def _one_blindness_is_told(catalog: Catalog) -> Iterator[Document]:
    """While a cell's CloudWatch exporter is down, no resource is told to lack its metrics.

    What still fires because of a value is told: it may be true.
    """
    source = next((s.name for s in catalog.standards.values() if _watches_cloudwatch(s)), "")
    readers = [s for s in catalog.standards.values() if s.cloudwatch is not None]
    absences = [a.alert for s in readers for a in s.alerts if _ABSENT.search(a.expr.text)]
    read = {standard.name for standard in readers}
    objectives = {
        conventions.slo_standard(slo.name)
        for service in catalog.services.values()
        for slo in service.slos
        if slo.standard in read
    }
    targets = (
        [_one_of("alertname", absences)] if absences else [],
        [_equals("alertname", conventions.SLO_ABSENT), _one_of(conventions.STANDARD, objectives)]
        if objectives
        else [],
    )
    for matchers in targets if source else ():
        if matchers:
            yield {
                "source_matchers": [
                    _equals(conventions.STANDARD, source),
                    _equals(conventions.OUTAGE, "true"),
                ],
                "target_matchers": [*matchers, f'{conventions.STANDARD}!="{_escaped(source)}"'],
                "equal": [conventions.CELL],
            }


def _watches_cloudwatch(standard: Standard) -> bool:
    clauses = standard.applies_to.any_of
    return standard.applies_to.kind == monitoring.NAME and any(
        watchers.CLOUDWATCH_EXPORTER in clause.get(conventions.ROLE, ()) for clause in clauses
    )


def _dependents_wait(
    label: str, depends_on: Iterable[tuple[str, Sequence[str]]], equal: Sequence[str]
) -> list[Document]:
    """While something is down, what depends on it is muted. `label` names both; `equal`: where they meet."""
    return [
        {
            "source_matchers": [_equals(conventions.OUTAGE, "true"), _one_of(label, needed)],
            "target_matchers": [_equals(label, name)],
            "equal": list(equal),
        }
        for name, needed in sorted(depends_on)
        if needed
    ]


def _objectives(catalog: Catalog) -> Iterable[tuple[str, Sequence[str]]]:
    """What is down explains why an error budget goes: SLOs wait for the standards that measure them."""
    needed: dict[str, set[str]] = {}
    for service in catalog.services.values():
        for slo in service.slos:
            base = catalog.standards.get(slo.standard)
            if base is not None:
                names = needed.setdefault(conventions.slo_standard(slo.name), set())
                names.update((base.name, *base.depends_on))
    return [(name, sorted(names)) for name, names in sorted(needed.items())]


def _equals(label: str, value: str) -> str:
    return f'{label}="{_escaped(value)}"'


def _any_of(label: str, values: Sequence[str]) -> str:
    """A matcher for values that people wrote: whatever they hold, it means just them."""
    if len(values) == 1:
        return _equals(label, values[0])
    return f'{label}=~"{_escaped("|".join(re.escape(value) for value in sorted(values)))}"'


def _one_of(label: str, values: Iterable[str]) -> str:
    # Names of standards, services and severities are plain words, so nothing needs escaping for RE2.
    return f'{label}=~"{"|".join(sorted(_escaped(str(v)) for v in values))}"'


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
