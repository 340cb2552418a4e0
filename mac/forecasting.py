"""Composes a forecast: what `generate` renders now and what it rendered before, over a server's past.

render     what is written, and the snapshot that the repository keeps; AWS is not asked
base       the generated files of a revision, or those on disk
ask        the expression of every alert, of the server that has the history
replay     pure: alerts, then Alertmanager, then figures
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from mac import (
    bind,
    conventions,
    forecast_input,
    forecast_recorded,
    forecast_replay,
    history_cache,
    known_incidents,
    pipeline,
    render,
    silences,
    snapshot,
    snapshot_source,
    substitution,
    templates,
    unbound,
    what_if,
)
from mac.access_model import ServerAccess
from mac.forecast.model import Silence
from mac.forecast_figures import (
    Forecast,
    Judged,
    Overrun,
    Proposal,
    Sent,
    judge,
    lasting,
    overruns,
    proposals,
    zones,
)
from mac.forecast_input import Configured
from mac.forecast_recorded import Rewritten
from mac.forecast_replay import Replayed, Window
from mac.history import Cost, Failure, History, Matrix, Question, connect
from mac.http import ServerError
from mac.model import Catalog
from mac.problems import AwsError, Location, Problem, ProblemsError, Severity, UsageError, errors
from mac.run import Built, Judge, Progress, silent

_HOUR = 3600.0
_SETTLED = 300.0  # seconds after which a server has what was scraped
_CELL = "{cell}"
_SENT = "alertmanager_notifications_total"


@dataclass(frozen=True, slots=True)
class Request:
    """What to forecast. `base`: a revision; "": the generated files on disk. `days` of history until `until`
    (Unix seconds; 0: the last full hour). `server` and `alertmanager` take the place of mac.yaml's.

    `seconds`: how long the server may be asked; `at_once`: how many queries at a time. `cache`: the folder,
    None for none. `actual`: ask too what Alertmanager really sent. `lasting`: how many seconds a page of the
    base must last to count as an incident.
    """

    root: Path
    base: str = ""
    snapshot: snapshot_source.Source | None = None
    output: Path | None = None
    server: ServerAccess | None = None
    alertmanager: ServerAccess | None = None
    days: float = 14.0
    until: float = 0.0
    what_if: tuple[str, ...] = ()
    known: Path | None = None
    actual: bool = False
    seconds: float = 600.0
    at_once: int = 2
    cache: Path | None = field(default_factory=history_cache.default_folder)
    clear_cache: bool = False
    lasting: float = 600.0
    now: datetime = field(default_factory=lambda: datetime.now(UTC))


@dataclass(frozen=True, slots=True)
class Done:
    """A forecast, and what the past of each alert suggests."""

    forecast: Forecast
    proposals: tuple[Proposal, ...] = ()


def forecast(request: Request, progress: Progress = silent) -> Done:
    """Raises ProblemsError when the input has problems, MacError when a server cannot be asked at all."""
    catalog = what_if.applied(pipeline.load(request.root), request.what_if)
    access = request.server or catalog.project.query
    if access is None:
        hint = "write prometheus.query.url in mac.yaml, or give --prometheus URL"
        raise UsageError("nothing says which server has the history", hint)
    progress("render", "what is written now")
    after = _configured(_rendered(request, catalog))
    base = _base(request)
    before = _configured(base) if base is not None else None
    return over(request, catalog, access, after=after, before=before, progress=progress)


def by_budget(request: Request) -> Judge:
    """What stops `generate` where mac.yaml has `guards.forecast`: a budget that the plan breaks.

    A server that cannot be asked stops nothing, and is told: monitoring must not depend on the monitored.
    """

    def judged(built: Built, progress: Progress) -> tuple[Problem, ...]:
        catalog = built.catalog
        access = catalog.project.query
        if not catalog.project.guards.forecast or access is None:
            return ()
        try:
            after = _configured(built.rendered.documents)
            found = over(request, catalog, access, after=after, progress=progress).forecast
        except (ServerError, AwsError) as error:
            message = f"budgets were not checked: {error.message}"
            place = access.location
            return (Problem(place, "forecast-failed", message, error.hint, Severity.WARNING),)
        return tuple(_over_budget(each) for each in found.overruns)

    return judged


def _over_budget(each: Overrun) -> Problem:
    words = each.limit.replace("_", " ").replace(" per ", " a ")
    message = f"the forecast for the {each.kind} {each.name} is {each.forecast:.1f} {words}"
    hint = f"{each.allowed:g} are allowed; `mac forecast` names the causes, --allow forecast opens the guard"
    return Problem(each.location, "over-budget", message, hint)


def over(
    request: Request,
    catalog: Catalog,
    access: ServerAccess,
    *,
    after: Configured,
    before: Configured | None = None,
    progress: Progress = silent,
) -> Done:
    """The forecast of configurations that are known."""
    sides = [after, *([before] if before else [])]
    until = request.until or (request.now.timestamp() - _SETTLED) // _HOUR * _HOUR
    window = forecast_replay.window(sides, until - request.days * 86_400, until)
    incidents = known_incidents.read(request.known, request.root) if request.known else ()
    told, notes = _silences(request, catalog, window)
    cells = {rule.cell for each in sides for rule in each.alerts}
    past = _Past(access, request, cells=cells, configured=after, progress=progress)
    past.check()
    asked_after, asked_before = past.rewritten(after, before, window)
    asked = [asked_after, *([asked_before] if asked_before else [])]
    questions = {item for each in asked for item in forecast_replay.wanted(each, window)}
    answers = past.ask(questions)
    doubtful = {item for each in asked for item in forecast_replay.doubtful(each, window, answers)}
    existing = past.existing(doubtful, window)
    progress("replay", f"{len(after.alerts)} alerts over {window.days:g} days")

    def side(asked: Rewritten) -> Replayed:
        return forecast_replay.side(asked, window, answers, existing, zones=zones(catalog), silences=told)

    new, old = side(asked_after), side(asked_before) if asked_before else None
    running = old or new
    sent, more = past.sent(window, running.messages) if request.actual else ((), ())
    found = Forecast(
        window.start,
        window.end,
        access.url,
        new.side,
        old.side if old else None,
        request.base or ("the generated files" if old else ""),
        overruns=overruns(catalog, new.side, window.days),
        cost=past.cost(),
        sent=sent,
        notes=(*notes, *more),
    )
    known = incidents or (lasting(old.side, window.start, window.end, request.lasting) if old else ())
    waits = (route.group_wait for route in after.routing.root.walk()) if after.routing else ()
    judged = judge(known, old.side if old else None, new.side, grace=max(waits, default=0.0))
    if not incidents:
        judged = tuple(each for each in judged if each.before is not None)
    found = replace(found, judged=_in_time(judged, window))
    return Done(found, proposals(running.side, running.silenced))


def _in_time(judged: Iterable[Judged], window: Window) -> tuple[Judged, ...]:
    """Those of the time that is replayed."""
    return tuple(j for j in judged if j.incident.end > window.start and j.incident.start < window.end)


# --- what is written, and what was -------------------------------------------------------------------


def _rendered(request: Request, catalog: Catalog) -> Mapping[str, Any]:
    """The generated files' values, as `generate` would write them with the snapshot that is kept."""
    source = request.snapshot or request.root / conventions.SNAPSHOT_DIR
    state = snapshot_source.read(source, request.root)
    texts, found = templates.read(request.root, (output.template for output in render.OUTPUTS))
    if errors(found):
        raise ProblemsError(found)
    bindings = bind.bind(catalog, state, request.now.date())
    if not bindings.bindings:
        raise ProblemsError([*bindings.problems, unbound.nothing_bound(catalog, bindings.unbound)])
    bindings = pipeline.divided(catalog, bindings, pipeline.present(request.root, request.output)[1])
    rendered = render.render(catalog, bindings, texts, snapshot.digest(state))
    if errors([*bindings.problems, *rendered.problems]):
        raise ProblemsError([*bindings.problems, *rendered.problems])
    return rendered.documents


def _base(request: Request) -> Mapping[str, Any] | None:
    files, provenance = pipeline.present(request.root, request.output, request.base)
    if not provenance:
        return None
    documents, problems = render.read_back(files, provenance)
    if errors(problems):
        raise ProblemsError(problems)
    return documents


def _configured(documents: Mapping[str, Any]) -> Configured:
    try:
        return forecast_input.read(documents)
    except ValueError as error:
        place = Location(conventions.ALERTMANAGER_CONFIG)
        raise ProblemsError([Problem(place, "generated-schema", str(error))]) from error


def _silences(
    request: Request, catalog: Catalog, window: Window
) -> tuple[tuple[Silence, ...], tuple[str, ...]]:
    """Those of an Alertmanager, if one is named."""
    access = request.alertmanager or catalog.project.alertmanager_api
    if access is None:
        return (), ("Silences are not known: no Alertmanager was named.",)
    return silences.read(connect(access), window.lead, window.end), ()


# --- the past ----------------------------------------------------------------------------------------


class _Past:
    """The servers that have the history: one, or one for each cell."""

    def __init__(
        self,
        access: ServerAccess,
        request: Request,
        *,
        cells: Iterable[str],
        configured: Configured,
        progress: Callable[[str, str], None],
    ) -> None:
        self._progress = progress
        self._narrow: dict[str, Mapping[str, str]] = {}
        known = sorted(cells)
        each = _CELL in access.url
        if not each and len(known) > 1:
            # One server has the series of all cells: a rule sees those of its own.
            self._narrow = {cell: _own(configured, cell) for cell in known}
        shared = None if each else self._history(access, request)
        self._of = {
            cell: shared or self._history(replace(access, url=access.url.replace(_CELL, cell)), request)
            for cell in known
        }

    def _history(self, access: ServerAccess, request: Request) -> History:
        cache = None
        if request.cache is not None:
            cache = history_cache.Cache(request.cache, f"{access.url} {access.tenant}")
            if request.clear_cache:
                cache.clear()
            cache.prune()
        server = connect(access, connections=request.at_once)
        return History(server, cache=cache, seconds=request.seconds, at_once=request.at_once)

    def _histories(self) -> tuple[History, ...]:
        return tuple(dict.fromkeys(self._of.values()))

    def check(self) -> None:
        for each in self._histories():
            each.check()

    def cost(self) -> Cost:
        costs = [each.cost() for each in self._histories()]
        return sum(costs[1:], costs[0]) if costs else Cost()

    def ask(self, questions: Iterable[tuple[str, Question]]) -> dict[tuple[str, Question], Matrix | Failure]:
        found: dict[tuple[str, Question], Matrix | Failure] = {}
        asked: dict[tuple[str, Question], Question] = {}
        for item in questions:
            try:
                asked[item] = replace(item[1], expr=self._limited(item[1].expr, item[0]))
            except ValueError as error:
                found[item] = Failure(f"it cannot be limited to the series of its cell: {error}")
        for past in self._histories():
            own = {item: sent for item, sent in asked.items() if self._of[item[0]] is past}
            answers = past.ask(
                sorted(set(own.values()), key=lambda q: (q.expr, q.range.step)), self._told("query")
            )
            found |= {item: answers[sent] for item, sent in own.items()}
        return found

    def existing(
        self, selectors: Iterable[tuple[str, str]], window: Window
    ) -> dict[tuple[str, str], bool | Failure]:
        asked = {item: self._limited(item[1], item[0]) for item in selectors}
        found: dict[tuple[str, str], bool | Failure] = {}
        for past in self._histories():
            own = {item: sent for item, sent in asked.items() if self._of[item[0]] is past}
            there = past.existing(sorted(set(own.values())), window.start, window.end, self._told("series"))
            found |= {item: there[sent] for item, sent in own.items()}
        return found

    def rewritten(
        self, after: Configured, before: Configured | None, window: Window
    ) -> tuple[Rewritten, Rewritten | None]:
        """Both over what history has: what the rules that run record, and what is not recorded."""
        running = before or after
        first = replace(window, start=window.lead, end=window.lead + _HOUR)
        sides = [after, *([before] if before else [])]
        there = self.existing({item for each in sides for item in forecast_recorded.recorded(each)}, first)

        def has(cell: str, selector: str) -> bool:
            return there.get((cell, selector)) is True

        return (
            forecast_recorded.rewritten(after, running, has),
            forecast_recorded.rewritten(before, running, has) if before else None,
        )

    def sent(self, window: Window, forecast: Mapping[str, int]) -> tuple[tuple[Sent, ...], tuple[str, ...]]:
        """What Alertmanager really sent, by its own count, beside the forecast of what runs."""
        expr = f"sum by (integration) (increase({_SENT}[{round(window.end - window.start)}s]))"
        counts: dict[str, float] = {}
        for past in self._histories():
            for labels, value in past.instant(expr, window.end):
                name = dict(labels).get("integration", "")
                counts[name] = counts.get(name, 0.0) + value
        if not counts:
            return (), (f"What was really sent is not known: the server has no {_SENT}.",)
        names = sorted({*forecast, *(name for name, count in counts.items() if count)})
        return tuple(Sent(name, counts.get(name, 0.0), forecast.get(name, 0)) for name in names), ()

    def _limited(self, expr: str, cell: str) -> str:
        own = self._narrow.get(cell)
        return substitution.limited_to(expr, own) if own else expr

    def _told(self, what: str) -> Callable[[int, int], None]:
        return lambda done, of: self._progress("ask", f"{what} {done} of {of}")


def _own(configured: Configured, cell: str) -> Mapping[str, str]:
    """The label by which a cell's series are known where those of all cells are together."""
    external = dict(configured.external.get(cell, ()))
    return {k: v for k, v in external.items() if k == conventions.CELL}
