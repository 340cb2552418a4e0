"""Deployment: what is generated → a destination that runs it, or that has back what it ran before.

Each destination is planned, applied, verified and read back in the same way. A plan is only read from what is
there; `deliver` executes it, and tells every failure as a value, so that one destination's does not stop the
others.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from mac import http
from mac.amp import Workspace
from mac.deploy.alertmanager import CONFIG as ALERTMANAGER_CONFIG
from mac.deploy.alertmanager import Alertmanager
from mac.deploy.alertmanager_api import AlertmanagerApi
from mac.deploy.amp import AmpAlertmanager, AmpRules
from mac.deploy.files import Checked, FilesDestination
from mac.deploy.grafana import Grafana
from mac.deploy.prometheus import ASKED, Prometheus
from mac.deploy.prometheus import CONFIG as PROMETHEUS_CONFIG
from mac.deploy.ruler import Ruler
from mac.deploy_model import (
    AmpSettings,
    ApiSettings,
    Delivered,
    DeployPlan,
    DestinationSettings,
    DestinationType,
    FilesSettings,
    Needs,
    Observed,
    Release,
    RolledBackError,
    Scraping,
    State,
)
from mac.problems import MacError, ProblemsError


class Destination(Protocol):
    """Every method raises a MacError when the destination, or the way to it, fails."""

    def plan(self, release: Release) -> DeployPlan:
        """What would change; nothing does."""

    def apply(self, release: Release) -> str:
        """Deploys and verifies, else puts back what was there. Returns the name of what runs now, if any."""

    def meant(self, release: Release) -> Mapping[str, bytes]:
        """What a release puts there, thing → content. Nothing there is asked."""

    def read_back(self) -> Observed:
        """What is there and runs, whoever put it there."""

    def needs(self) -> Needs:
        """The least that all of this takes."""


def destination(settings: DestinationSettings) -> Destination:
    """What can be done with a destination."""
    if isinstance(settings, AmpSettings):
        workspace = Workspace(
            settings.workspace, settings.region, settings.role_arn, external_id=settings.external_id
        )
        rules = settings.type is DestinationType.AMP
        return AmpRules(settings, workspace) if rules else AmpAlertmanager(settings, workspace)
    if isinstance(settings, ApiSettings):
        server = http.Server(settings.server)
        if settings.type is DestinationType.RULER:
            return Ruler(settings, server)
        if settings.type is DestinationType.GRAFANA_API:
            return Grafana(settings, server)
        return AlertmanagerApi(settings, server)
    if settings.server is None:
        return FilesDestination(settings, "dashboards/", None, None)
    server = http.Server(settings.server)
    if settings.type is DestinationType.PROMETHEUS_FILES:
        running = Prometheus(server, "prometheus", settings.pid_file, settings.settle)
        check = Checked("promtool", PROMETHEUS_CONFIG)
        return FilesDestination(settings, f"cells/{settings.cell}/", check, running, ASKED)
    alertmanager = Alertmanager(server, "alertmanager", settings.pid_file, settings.settle)
    return FilesDestination(settings, "alertmanager/", Checked("amtool", ALERTMANAGER_CONFIG), alertmanager)


def scraping(settings: DestinationSettings, grace: float) -> Scraping | None:
    """What the Prometheus of a destination scrapes; None when it is none. A target counts as down when it has
    not answered for `grace` seconds. Raises DeployError and ServerError.
    """
    if settings.type is not DestinationType.PROMETHEUS_FILES or not isinstance(settings, FilesSettings):
        return None
    if settings.server is None:
        return None
    return Prometheus(http.Server(settings.server), "prometheus").scraping(grace)


def deliver(settings: DestinationSettings, release: Release, *, dry_run: bool = False) -> Delivered:
    """Brings a release to a destination, or with `dry_run` says what that would change. Raises nothing of
    what may go wrong there: it is told in the answer.
    """
    plan = None

    def told(state: State, *, version: str = "", error: MacError | None = None) -> Delivered:
        return Delivered(
            settings.name,
            settings.type,
            state,
            plan,
            version,
            error.message if error else "",
            error.hint if error else "",
            error.problems if isinstance(error, ProblemsError) else (),
        )

    try:
        target = destination(settings)
        plan = target.plan(release)
        if dry_run or not plan:
            return told(State.PLANNED if plan else State.UNCHANGED)
        return told(State.DEPLOYED, version=target.apply(release))
    except ProblemsError as error:
        return told(State.REFUSED, error=error)
    except RolledBackError as error:
        return told(State.ROLLED_BACK, error=error)
    except MacError as error:
        return told(State.FAILED, error=error)
