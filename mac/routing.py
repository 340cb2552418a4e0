"""Who is told, and what is not said: Alertmanager's routes, receivers, time intervals and inhibition."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from mac import conventions
from mac.model import AlertSeverity, Catalog, Project, Receiver, Team, WorkingHours

Document = dict[str, Any]

# Only within one Prometheus: an outage in one region says nothing about the other.
_SAME_PLACE = [conventions.ENVIRONMENT, conventions.CELL]
_SAME_SERVICE = [conventions.SERVICE, *_SAME_PLACE]

# What a person reads first: the service, what is wrong in words, and where the runbook is. A team's own
# fields win over these.
_HEADLINE = (
    "{{ .CommonLabels.service }} ({{ .CommonLabels.environment }}): "
    "{{ range .Alerts.Firing }}{{ .Annotations.summary }} {{ else }}resolved{{ end }}"
)
_DETAILS = (
    "{{ range .Alerts }}{{ .Status }}: {{ .Annotations.summary }}\n{{ .Annotations.description }}\n"
    "{{ .Annotations.runbook_url }}\n{{ end }}"
)
_WORDING: Mapping[str, Mapping[str, str]] = {
    "pagerduty": {"description": _HEADLINE},
    "slack": {"title": _HEADLINE, "text": _DETAILS},
    "opsgenie": {"message": _HEADLINE, "description": _DETAILS},
}


def alertmanager(catalog: Catalog) -> Document:
    """`alertmanager.yml`: it depends on what engineers wrote, never on the inventory."""
    teams = [catalog.teams[name] for name in sorted(catalog.teams)]
    return {
        "global": {},
        "route": _root(catalog.project, teams),
        "time_intervals": [_interval(t.name, hours) for t in teams if (hours := t.working_hours)],
        "inhibit_rules": [
            _outage_mutes_details(),
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
        "receivers": [receiver for team in teams for receiver in _receivers(team)],
    }


# --- routes and receivers ----------------------------------------------------------------------------


def _root(project: Project, teams: Iterable[Team]) -> Document:
    """What no route takes is somebody else's alert; it goes where a person sees it at once."""
    return {
        "receiver": conventions.receiver(project.default_team, AlertSeverity.PAGE),
        "group_by": [conventions.SERVICE, conventions.ENVIRONMENT],
        "group_wait": project.group_wait,
        "group_interval": project.group_interval,
        "repeat_interval": project.repeat_interval,
        "routes": [_team_route(team) for team in teams],
    }


def _team_route(team: Team) -> Document:
    return {
        "receiver": conventions.receiver(team.name, AlertSeverity.PAGE),
        "matchers": [_equals(conventions.TEAM, team.name)],
        "routes": [_severity_route(team, severity) for severity in AlertSeverity],
    }


def _severity_route(team: Team, severity: AlertSeverity) -> Document:
    route: Document = {
        "receiver": conventions.receiver(team.name, severity),
        "matchers": [_equals(conventions.SEVERITY, severity)],
    }
    if team.working_hours and severity is not AlertSeverity.PAGE:
        route["active_time_intervals"] = [_interval_name(team.name)]
    return route


def _receivers(team: Team) -> list[Document]:
    """One receiver a severity. A severity without integrations is kept by Alertmanager, told to nobody."""
    return [
        {"name": conventions.receiver(team.name, severity), **_integrations(team.receivers.get(severity, ()))}
        for severity in AlertSeverity
    ]


def _integrations(receivers: Iterable[Receiver]) -> Mapping[str, list[Document]]:
    configs: dict[str, list[Document]] = {}
    for receiver in receivers:
        configs.setdefault(f"{receiver.type}_configs", []).append(
            {"send_resolved": True, **_WORDING.get(receiver.type, {}), **receiver.fields}
        )
    return configs


def _interval_name(team: str) -> str:
    return f"{team} / working hours"


def _interval(team: str, hours: WorkingHours) -> Document:
    return {
        "name": _interval_name(team),
        "time_intervals": [
            {
                "times": [{"start_time": hours.start, "end_time": hours.end}],
                "weekdays": list(hours.days),
                "location": hours.timezone,
            }
        ],
    }


# --- inhibition --------------------------------------------------------------------------------------


def _outage_mutes_details() -> Document:
    """While a service is down, its tickets wait; pages and outages themselves are never muted by this."""
    return {
        "source_matchers": [_equals(conventions.OUTAGE, "true")],
        "target_matchers": [
            _one_of(conventions.SEVERITY, [AlertSeverity.TICKET, AlertSeverity.INFO]),
            f'{conventions.OUTAGE}!="true"',
        ],
        "equal": _SAME_SERVICE,
    }


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


def _one_of(label: str, values: Iterable[str]) -> str:
    # Names of standards, services and severities are plain words, so nothing needs escaping for RE2.
    return f'{label}=~"{"|".join(sorted(_escaped(str(v)) for v in values))}"'


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
