"""What `mac sync` writes to its log: one line an event, for people or as JSON. Never a secret."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from mac import credentials, emit, git_text
from mac.model import Scope, ScopeState, ScopeStatus
from mac.sync_model import Failure, Round

INFO, WARNING, ERROR = "info", "warning", "error"

_PROBLEMS = 20  # of one failure that are told one by one


class Log:
    """`write` takes a line without its end. `as_json`: one JSON object a line."""

    def __init__(self, write: Callable[[str], None], *, as_json: bool = False) -> None:
        self._write, self._as_json = write, as_json
        self._scopes: dict[Scope, ScopeStatus] = {}  # that are not complete

    def event(self, name: str, level: str = INFO, **fields: Any) -> None:
        """One line: when, how bad, what, and its fields; what is empty is left out."""
        told = {key: _safe(value) for key, value in fields.items() if value not in ("", None, {}, [], ())}
        at = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        if self._as_json:
            self._write(emit.json_escaped({"time": at, "level": level, "event": name, **told}))
            return
        words = " ".join(f"{key}={_word(value)}" for key, value in _flat(told))
        self._write(f"{at} {level:<7} {name}" + (f" {words}" if words else ""))

    def round(self, done: Round) -> None:
        """What a round did: its failures, then what has changed, then the round itself."""
        for failure in done.failures:
            self._failure(failure)
        figures = done.figures
        if figures:
            self._scopes_that_changed(
                {s.scope: s for s in figures.scopes if s.state is not ScopeState.COMPLETE}
            )
        for one in done.delivered:
            if one.plan:
                changes = len(one.plan.changes)
                self.event("deployment", destination=one.name, state=one.state.value, version=one.version,
                           changes=changes, pending=one.plan.pending)  # fmt: skip
        self.event(
            "round",
            INFO if done.good else ERROR,
            reading="full" if done.full else "partial",
            result="success" if done.good else "failure",
            seconds=round(done.seconds, 3),
            scopes=len(done.only) if done.only is not None else None,
            resources=sum(figures.resources.values()) if figures else None,
            targets=sum(figures.targets.values()) if figures else None,
            changes=sum(figures.plan.values()) if figures else None,
            commit=done.commit[:12],
            pushed=done.pushed or None,
            waiting=list(done.waiting),
            stages={stage.name: stage.seconds for stage in done.stages},
        )

    def _failure(self, failure: Failure) -> None:
        problems = [p for p in failure.problems if p.severity == "error"]
        for problem in problems[:_PROBLEMS]:
            self.event("problem", ERROR, stage=failure.stage, code=problem.code, place=str(problem.location),
                       message=problem.message, hint=problem.hint)  # fmt: skip
        self.event("failure", ERROR, stage=failure.stage, message=failure.message, hint=failure.hint)

    def _scopes_that_changed(self, now: Mapping[Scope, ScopeStatus]) -> None:
        before = self._scopes
        self._scopes = dict(now)
        for scope, status in sorted(now.items()):
            known = before.get(scope)
            if known is None or (known.state, known.cause) != (status.state, status.cause):
                self.event("scope", WARNING, scope=str(scope), state=status.state.value, reason=status.reason)
        for scope in sorted(before.keys() - now.keys()):
            self.event("scope", scope=str(scope), state="complete, or gone from the inventory")


def _safe(value: Any) -> Any:
    if isinstance(value, str):
        return credentials.masked(git_text.redact(value))
    if isinstance(value, dict):
        return {key: _safe(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_safe(each) for each in value]
    return value


def _flat(fields: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for key, value in fields.items():
        if isinstance(value, dict):
            yield key, ",".join(f"{name}:{each}" for name, each in value.items())
        elif isinstance(value, list):
            yield key, ",".join(map(str, value))
        else:
            yield key, value


def _word(value: Any) -> str:
    text = str(value)
    plain = text and all(c.isprintable() and c not in ' "=' for c in text)
    return text if plain else emit.json_escaped(text)
