"""Who is told, and when: Alertmanager's routes, receivers and time intervals."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from mac import conventions, inhibition, intervals
from mac.matchers import any_of, equals
from mac.model import AlertSeverity, Catalog, MuteTime, Project, Receiver, Team

Document = dict[str, Any]

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
        "inhibit_rules": inhibition.rules(catalog),
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
    routes = [_Routes(team, project, receivers, reminders).tree() for team in listed]
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
                        equals("alertname", conventions.HEARTBEAT),
                        equals(conventions.STANDARD, conventions.HEARTBEAT_STANDARD),
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
        project: Project,
        receivers: dict[str, Document],
        reminders: Reminders,
    ) -> None:
        self._team, self._receivers, self._reminders = team, receivers, reminders
        self._ticket_interval = project.ticket_interval
        own = [(_interval_name(team, mute), dict(mute.match)) for mute in team.mute_times]
        shared = [(conventions.maintenance(w.name), dict(w.match)) for w in project.maintenance]
        self._mutes = [
            (name, {label: values for label, values in match.items() if label != conventions.TEAM})
            for name, match in (*own, *shared)
            if team.name in match.get(conventions.TEAM, (team.name,))
        ]

    def tree(self) -> Document:
        always = tuple(name for name, match in self._mutes if not match)
        return {
            "receiver": self._receiver(AlertSeverity.PAGE),
            "matchers": [equals(conventions.TEAM, self._team.name)],
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
                        "matchers": [any_of(label, values) for label, values in sorted(match.items())],
                        "routes": self._branches(mutes[n + 1 :], (*muted, name), both),
                    }
                )
        apart = [
            {
                "receiver": self._receiver(AlertSeverity.PAGE),
                "matchers": [equals(conventions.ENVIRONMENT, environment)],
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
        taken: Document = {"matchers": [equals(conventions.SEVERITY, severity)]}
        if severity is AlertSeverity.TICKET:
            taken["group_interval"] = self._ticket_interval
        route: Document = {"receiver": self._receiver(severity, environment if special else ""), **taken}
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
                **taken,
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
                "matchers": [equals(conventions.REMINDER, reminder)],
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
