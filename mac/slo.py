"""What an SLO becomes: a Standard of recording rules, burn-rate alerts and panels, rendered like any other.

The windows and factors are those of "Alerting on SLOs" in Google's Site Reliability Workbook: a page when 2 %
of a 30-day budget went within an hour or 5 % within six, a ticket when 10 % went within one or three days.
A factor is the share of the budget times the SLO's window over the alert's window. Windows of more than 30
days keep the shares, so their factors grow; shorter ones keep the factors, since the same shares of a small
budget would tell of failures that last seconds.

Ranges up to six hours are queried; of stretches of time, only five minutes are. Longer ones, which are dear
to query, add up what was recorded for every five minutes, weighted by traffic.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import replace

from mac import conventions, durations
from mac.model import (
    AlertSeverity,
    AppliesTo,
    BurnRate,
    Indicator,
    Panel,
    Slo,
    Standard,
    StandardAlert,
    StandardRecording,
)
from mac.text import Text

NAMES = ("seconds", "window")
"""What the queries of an indicator see beside what every template of a standard sees."""

WORKBOOK_WINDOW = "30d"
PAGE = (BurnRate(14.4, "1h", "5m"), BurnRate(6, "6h", "30m"))
TICKET = (BurnRate(3, "1d", "2h"), BurnRate(1, "3d", "6h"))

_BASE = "5m"
_QUERIED = "6h"  # up to here a range is queried, beyond it is added up from _BASE
_NONE = Text("")  # of an indicator that lacks a query, which is told where it is written
_PAGE_TIMES = ("1m", "5m")
_TICKET_TIMES = ("15m", "30m")


def find(slo: Slo, standards: Mapping[str, Standard]) -> Indicator | None:
    """The indicator of an SLO; None when the standard or its indicator does not exist."""
    if slo.own is not None:
        return slo.own
    standard = standards.get(slo.standard)
    return standard.indicators.get(slo.indicator) if standard else None


def scaled(levels: tuple[BurnRate, ...], window: str) -> tuple[BurnRate, ...]:
    """The burn rates of a 30-day window for another one."""
    times = max(1.0, _length(window) / _length(WORKBOOK_WINDOW))
    return tuple(BurnRate(round(level.factor * times, 6), level.long, level.short) for level in levels)


def levels(slo: Slo) -> dict[AlertSeverity, tuple[BurnRate, ...]]:
    """Severity → the burn rates that raise it. One that even an outage does not reach is left out."""
    given = {AlertSeverity.PAGE: (slo.page, PAGE), AlertSeverity.TICKET: (slo.ticket, TICKET)}
    return {
        severity: tuple(
            level
            for level in (scaled(usual, slo.window) if own is None else own)
            if level.factor * slo.budget < 1
        )
        for severity, (own, usual) in given.items()
    }


def minimum_traffic(slo: Slo, indicator: Indicator) -> float:
    """The least number of events in an alert's long window; 0: no limit.

    By default as many as make one failure no more than the budget.
    """
    if not indicator.countable:
        return 0
    given = indicator.minimum_traffic if slo.minimum_traffic is None else slo.minimum_traffic
    return math.ceil(round(1 / slo.budget, 6)) if given is None else given


def standard(slo: Slo, indicator: Indicator, standards: Mapping[str, Standard]) -> Standard:
    """The rules and panels of an SLO. Templates see the parameters of the standard whose indicator it is."""
    base = standards.get(slo.standard)
    built = _Built(slo, indicator)
    return Standard(
        name=conventions.slo_standard(slo.name),
        title=slo.title or f"SLO: {slo.name}",
        applies_to=AppliesTo(base.applies_to.kind if base else ""),
        description=slo.description,
        runbook=slo.runbook,
        parameters=base.parameters if base else {},
        recording=tuple(built.recordings()),
        alerts=tuple(built.alerts()),
        panels=tuple(built.panels()),
        depends_on=(base.name, *base.depends_on) if base else (),
        location=slo.location,
    )


def collected(standard: Standard, standards: Mapping[str, Standard]) -> Standard | None:
    """The standard with what says which metrics it may read: an SLO's are those of what it measures.

    None for an SLO on queries of its own, which says nothing of the sort.
    """
    if standard.name in standards:
        return standard
    base = standards.get(standard.depends_on[0]) if standard.depends_on else None
    return base and replace(
        standard,
        scrape=base.scrape,
        exporters=base.exporters,
        cloudwatch=base.cloudwatch,
        probe=base.probe,
    )


def origins(slo: Slo, indicator: Indicator) -> dict[str, Text]:
    """Rule → the user's text that it comes from: the query, or for what is mac's own the SLO's name."""
    own = Text("", slo.location)
    total, failing = indicator.total or own, indicator.errors or indicator.good or indicator.ratio or own
    found: dict[str, Text] = {}
    for rule in _Built(slo, indicator).recordings():
        word = rule.record.partition(":")[2]
        found[rule.record] = (
            total
            if word.startswith("slo_events")
            else failing
            if word.startswith(("slo_error:", "slo_errors:"))
            else own
        )
    return {**found, **dict.fromkeys(conventions.SLO_ALERTS, own)}


class _Built:
    """The rules of one SLO."""

    def __init__(self, slo: Slo, indicator: Indicator) -> None:
        self.slo, self.indicator = slo, indicator
        self.levels = levels(slo)
        self.selector = f'<< scope >>,{conventions.SLO}="{slo.name}"'
        self.labels = {**slo.labels, conventions.SLO: slo.name}
        self.minimum = minimum_traffic(slo, indicator)

    def windows(self) -> list[str]:
        """Every range that is recorded, from short to long."""
        usual = (_BASE, *(w for level in (*PAGE, *TICKET) for w in (level.short, level.long)))
        own = (w for found in self.levels.values() for level in found for w in (level.short, level.long))
        return sorted({*usual, *own, self.slo.window}, key=_length)

    # --- recording rules

    def recordings(self) -> Iterator[StandardRecording]:
        for window in self.windows():
            if self.indicator.total is not None:
                yield self._recording(conventions.slo_events(window), self._events(window))
            if self.indicator.total is not None and window == _BASE:
                yield self._recording(conventions.slo_errors(window), self._errors(window))
            yield self._recording(conventions.slo_ratio(window), self._ratio(window))
        objective = Text(f"vector({_number(self.slo.objective)})", self.slo.location)
        yield StandardRecording(
            conventions.SLO_OBJECTIVE,
            objective,
            {**self.labels, "window": self.slo.window},
            self.slo.location,
        )
        spent = f"{self._recorded(conventions.slo_ratio(self.slo.window))} / {_number(self.slo.budget)}"
        yield self._recording(conventions.SLO_BUDGET_REMAINING, Text(f"1 - {spent}", self.slo.location))
        if self.levels[AlertSeverity.PAGE]:
            fast = self._burns(self.levels[AlertSeverity.PAGE])
            yield self._recording(conventions.SLO_BURNS_FAST, Text(fast, self.slo.location))

    def _recording(self, name: str, expr: Text) -> StandardRecording:
        return StandardRecording(name, expr, self.labels, self.slo.location)

    def _recorded(self, name: str) -> str:
        return f"{name}{{{self.selector}}}"

    def _events(self, window: str) -> Text:
        if self._is_long(window):
            return self._added_up("sum_over_time", conventions.slo_events(_BASE), window)
        return _query("sum((", self.indicator.total or _NONE, ") >= 0)", window)

    def _errors(self, window: str) -> Text:
        """Without a single failure there may be no series of them; then none failed."""
        events = f"sum({self._recorded(conventions.slo_events(window))})"
        if self.indicator.errors is not None:
            return _query("(sum((", self.indicator.errors, f") >= 0) or 0 * {events})", window)
        # Two counters are never read at quite the same time, so a little more than all may seem good.
        before = f"clamp_min({events} - (sum(("
        return _query(before, self.indicator.good or _NONE, f") >= 0) or 0 * {events}), 0)", window)

    def _ratio(self, window: str) -> Text:
        if self.indicator.total is None:
            if self._is_long(window):
                return self._added_up("avg_over_time", conventions.slo_ratio(_BASE), window)
            return _query("max((", self.indicator.ratio or _NONE, ") >= 0)", window)
        # Without events there is no share, neither of good ones nor of others.
        of_events = f" / (sum({self._recorded(conventions.slo_events(window))}) > 0)"
        if window == _BASE:
            errors = Text(f"sum({self._recorded(conventions.slo_errors(_BASE))})", self.slo.location)
        elif self._is_long(window):
            errors = self._added_up("sum_over_time", conventions.slo_errors(_BASE), window)
        else:
            errors = self._errors(window)
        return Text(errors.text + of_events, errors.location)

    def _is_long(self, window: str) -> bool:
        return _length(window) > _length(_BASE if self.indicator.sliced else _QUERIED)

    def _added_up(self, function: str, name: str, window: str) -> Text:
        return Text(f"sum({function}({self._recorded(name)}[{window}:{_BASE}]))", self.slo.location)

    # --- alerts

    def alerts(self) -> Iterator[StandardAlert]:
        percent, window = _number(self.slo.objective * 100), self.slo.window
        kinds = {
            AlertSeverity.PAGE: (conventions.SLO_FAST, _PAGE_TIMES, "fast"),
            AlertSeverity.TICKET: (conventions.SLO_SLOW, _TICKET_TIMES, "steadily"),
        }
        for severity, (name, times, how) in kinds.items():
            found = self.levels[severity]
            if not found:
                continue
            least = min(level.factor for level in found)
            gone = durations.spell(round(_length(window) / least / 60_000) * 60_000)
            yield self._alert(
                name,
                self._since_the_page(found) if severity is AlertSeverity.TICKET else self._burns(found),
                severity,
                times,
                summary="{{ $value | humanizePercentage }} of << service >> fails its SLO "
                f"{self.slo.name}: the error budget goes {how}",
                description=f"The objective is {percent}% over {window} in << environment >>. Failing at "
                f"{_number(least)} times the rate that it allows, or faster, spends the whole error budget "
                f"within {gone}.",
                # What a window of days says does not change within hours.
                reminder=conventions.SLO_REMINDER if severity is AlertSeverity.TICKET else "",
            )
        recorded = conventions.slo_ratio if self.indicator.total is None else conventions.slo_events
        patience = self.slo.absent_after or self.indicator.absent_after
        yield self._alert(
            conventions.SLO_ABSENT,
            f"absent({self._recorded(recorded(_BASE))})",
            AlertSeverity.TICKET,
            (patience, "0s"),
            summary=f"Nothing is known about the SLO {self.slo.name} of << service >>",
            description=f"Its indicator has had no data in << environment >> for {patience}, so its error "
            "budget is not watched.",
        )

    def _burns(self, levels: tuple[BurnRate, ...]) -> str:
        return " or ".join(f"({self._burns_at(level)})" for level in levels)

    def _since_the_page(self, levels: tuple[BurnRate, ...]) -> str:
        """What a page has told is no ticket as well, for as long as a short window sees it."""
        if not self.levels[AlertSeverity.PAGE]:
            return self._burns(levels)
        seen = max((level.short for level in levels), key=_length)
        fast = self._recorded(conventions.SLO_BURNS_FAST)
        return f"({self._burns(levels)}) unless present_over_time({fast}[{seen}])"

    def _burns_at(self, level: BurnRate) -> str:
        threshold = _number(level.factor * self.slo.budget)
        terms = [
            f"{self._recorded(conventions.slo_ratio(window))} > {threshold}"
            for window in (level.long, level.short)
        ]
        if self.minimum and self.indicator.total is not None:
            events = self._recorded(conventions.slo_events(level.long))
            terms.append(f"{events} >= {_number(self.minimum)}")
        return " and ".join(terms)

    def _alert(
        self,
        name: str,
        expr: str,
        severity: AlertSeverity,
        times: tuple[str, str],
        *,
        summary: str,
        description: str,
        reminder: str = "",
    ) -> StandardAlert:
        place = self.slo.location
        return StandardAlert(
            alert=name,
            expr=Text(expr, place),
            severity=severity,
            summary=Text(summary, place),
            description=Text(description, place),
            for_=Text(times[0], place),
            keep_firing_for=Text(times[1], place),
            runbook=f"{self.slo.runbook}#{conventions.alert_anchor(name)}" if self.slo.runbook else "",
            reminder=reminder,
            labels=self.labels,
            location=place,
        )

    # --- panels

    def panels(self) -> Iterator[Panel]:
        name, place = self.slo.name, self.slo.location
        yield Panel(
            title=f"Error budget left: {name}",
            expr=Text(self._recorded(conventions.SLO_BUDGET_REMAINING), place),
            unit="percentunit",
            description=f"Of {_number(self.slo.budget * 100)}% over {self.slo.window}. Below 0 the objective "
            "is missed.",
            threshold=Text("0", place),
        )
        tightest = [level for found in self.levels.values() for level in found][:1]
        yield Panel(
            title=f"Burn rate: {name}",
            expr=Text(f"{self._recorded(conventions.slo_ratio('1h'))} / {_number(self.slo.budget)}", place),
            description="Over an hour. At 1 the error budget lasts just as long as its window.",
            threshold=Text(_number(tightest[0].factor), place) if tightest else None,
        )


def _query(before: str, query: Text, after: str, window: str) -> Text:
    """A user's query over a window. Nothing put before it breaks a line, so that places stay right.

    Around it a comparison with 0 drops NaN, which would spoil every sum for as long as its window.
    """
    text = query.text.strip()
    end = "\n" if "#" in text else ""  # a comment must not swallow what follows
    names = f'<% set window = "{window}" %><% set seconds = {_length(window) // 1000} %>'
    return Text(f"{names}{before}{text}{end}{after}", query.location)


def _length(window: str) -> int:
    length = durations.milliseconds(window)
    if not length:
        raise ValueError(f"{window!r} is not a duration")
    return length


def _number(value: float) -> str:
    return f"{value:.12g}"
