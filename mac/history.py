"""The past of series, from any server with Prometheus' query API: range queries that do it no harm.

Each question is asked once, in chunks below the server's limit of points, a few at a time, until the time is
over. A chunk that is too much for the server is asked in halves. Chunks lie at fixed multiples of their
length, so that a later question finds those of an earlier one in the cache.
"""

from __future__ import annotations

import threading
import time
from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from mac.access_model import ServerAccess
from mac.history_cache import Cache
from mac.http import Server, ServerError
from mac.model import Json
from mac.signing import signer

POINTS = 11_000
"""Steps of one query that Prometheus still answers (`maximum resolution of 11,000 points per timeseries`)."""

_DAY = 86_400
_CHUNKS = (7 * _DAY, 3 * _DAY, _DAY, _DAY // 2, _DAY // 4, 7_200, 3_600)
_HALVINGS = 4
_LOST = 3  # failures in a row to reach the server, after which it is not asked any more
_TOO_MUCH = (422, 503, 504)
_PASSING = (0, 429, 500, 502, 503, 504)
_FORM = {"Content-Type": "application/x-www-form-urlencoded"}

Told = Callable[[int, int], None]
"""(queries that are done, of how many)"""


@dataclass(frozen=True, slots=True)
class Range:
    """Every `step` seconds from `start` to `end`, both included: Unix seconds, multiples of the step."""

    start: float
    end: float
    step: float

    @property
    def steps(self) -> int:
        return max(0, round((self.end - self.start) / self.step) + 1)


@dataclass(frozen=True, slots=True)
class Series:
    """One series of a matrix: the times at which it has a value (Unix seconds, ascending), and the values."""

    labels: tuple[tuple[str, str], ...]
    times: array[float]
    values: array[float]


Matrix = tuple[Series, ...]


@dataclass(frozen=True, slots=True)
class Question:
    expr: str
    range: Range


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a question has no answer. A part of an answer is none: what is missing would read as quiet."""

    reason: str


@dataclass(frozen=True, slots=True)
class Asked:
    """One query, for the log. `samples`: what the server says that it read, 0 when it does not say.

    `points`: what it returned. Seconds are those of the client.
    """

    expr: str
    start: float
    end: float
    step: float
    seconds: float
    samples: int
    points: int
    error: str = ""


@dataclass(frozen=True, slots=True)
class Cost:
    """What asking took of the server. `kept`: chunks that were in the cache; `span`: seconds by the clock."""

    queries: int = 0
    kept: int = 0
    failed: int = 0
    samples: int = 0
    points: int = 0
    seconds: float = 0.0
    longest: float = 0.0
    span: float = 0.0

    def __add__(self, other: Cost) -> Cost:
        """Of two servers, one asked after the other."""
        return Cost(
            self.queries + other.queries,
            self.kept + other.kept,
            self.failed + other.failed,
            self.samples + other.samples,
            self.points + other.points,
            self.seconds + other.seconds,
            max(self.longest, other.longest),
            self.span + other.span,
        )


def connect(access: ServerAccess, *, connections: int = 4) -> Server:
    """The server, with AWS's signature where its access says so."""
    sign = signer(access.sigv4) if access.sigv4 else None
    return Server(access, sign=sign, connections=connections)


class History:
    """Questions to one server. `seconds`: the time that all may take; `at_once`: queries at a time."""

    def __init__(
        self, server: Server, *, cache: Cache | None = None, seconds: float = 600.0, at_once: int = 2
    ) -> None:
        self._server = server
        self._cache = cache
        self._at_once = at_once
        self._began = time.monotonic()
        self._until = self._began + seconds
        self._lock = threading.Lock()
        self._log: list[Asked] = []
        self._kept = 0
        self._unreached = 0
        self._stopped = False

    @property
    def log(self) -> tuple[Asked, ...]:
        with self._lock:
            return tuple(self._log)

    def cost(self) -> Cost:
        log = self.log
        return Cost(
            queries=len(log),
            kept=self._kept,
            failed=sum(bool(asked.error) for asked in log),
            samples=sum(asked.samples for asked in log),
            points=sum(asked.points for asked in log),
            seconds=round(sum(asked.seconds for asked in log), 3),
            longest=round(max((asked.seconds for asked in log), default=0.0), 3),
            span=round(time.monotonic() - self._began, 3),
        )

    def check(self) -> None:
        """Whether the server answers at all, and lets us ask. Raises ServerError."""
        answer = self._server.call("POST", "/api/v1/query", body=b"query=1", headers=_FORM, again=True)
        _data(answer.json(), answer.url)

    def ask(
        self, questions: Iterable[Question], told: Told = lambda done, of: None
    ) -> Mapping[Question, Matrix | Failure]:
        """The answer to each question. What fails is told with its reason, and the rest goes on."""
        wanted = {question: tuple(chunks(question.range)) for question in questions}
        found = self._each(
            [(question, part) for question, parts in wanted.items() for part in parts],
            lambda item: self._chunk(item[0].expr, item[1], _HALVINGS),
            told,
        )
        return {q: _joined([found[q, part] for part in parts]) for q, parts in wanted.items()}

    def existing(
        self, selectors: Iterable[str], start: float, end: float, told: Told = lambda done, of: None
    ) -> Mapping[str, bool | Failure]:
        """Whether any series fits a selector in that time: the index is asked, no samples are read."""
        return self._each(list(dict.fromkeys(selectors)), lambda each: self._exists(each, start, end), told)

    def instant(self, expr: str, time: float) -> tuple[tuple[tuple[tuple[str, str], ...], float], ...]:
        """(labels, value) of each series that an expression has at a time. Raises ServerError."""
        moment = Range(time, time, 1.0)
        data = self._post("/api/v1/query", {"query": expr, "time": _time(time)}, expr, moment)
        return tuple(
            (tuple(sorted(each["metric"].items())), float(each["value"][1]))
            for each in data.get("result") or ()
        )

    # --- one question --------------------------------------------------------------------------------

    def _each(self, items: Sequence[Any], do: Callable[[Any], Any], told: Told) -> dict[Any, Any]:
        """`do` of each item, a few at a time; the time's end and failures are Failures."""
        pool = ThreadPoolExecutor(self._at_once, thread_name_prefix="history")
        found = {}
        try:
            running: dict[Any, Future[Any]] = {item: pool.submit(self._done, do, item) for item in items}
            for n, (item, future) in enumerate(running.items(), 1):
                found[item] = future.result()
                told(n, len(items))
        except BaseException:
            self._stopped = True
            raise
        finally:
            pool.shutdown(cancel_futures=True)
        return found

    def _done(self, do: Callable[[Any], Any], item: Any) -> Any:
        try:
            return do(item)
        except ServerError as error:
            return Failure(error.message)

    def _chunk(self, expr: str, part: Range, halvings: int) -> list[Json] | Failure:
        key = f"range {part.start:.3f} {part.end:.3f} {part.step:.3f} {expr}"
        kept = self._cache.get(key) if self._cache else None
        if kept is not None:
            with self._lock:
                self._kept += 1
            return list(kept)
        form = {"query": expr, "start": _time(part.start), "end": _time(part.end), "step": _time(part.step)}
        try:
            data = self._post("/api/v1/query_range", {**form, "stats": "all"}, expr, part)
        except ServerError as error:
            if error.status in _TOO_MUCH and halvings and part.steps > 1 and _is_too_much(error):
                return _both([self._chunk(expr, half, halvings - 1) for half in halves(part)])
            raise
        if data.get("resultType") not in ("matrix", None):
            return Failure(f"the server answers with a {data['resultType']} where a matrix was expected")
        result = list(data.get("result") or ())
        if self._cache:
            self._cache.put(key, result)
        return result

    def _exists(self, selector: str, start: float, end: float) -> bool:
        key = f"series {start:.3f} {end:.3f} {selector}"
        kept = self._cache.get(key) if self._cache else None
        if kept is not None:
            with self._lock:
                self._kept += 1
            return bool(kept)
        form = {"match[]": selector, "start": _time(start), "end": _time(end), "limit": "1"}
        data = self._post("/api/v1/series", form, selector, Range(start, end, max(end - start, 1.0)))
        there = bool(data)
        if self._cache and there:
            self._cache.put(key, there)
        return there

    def _post(
        self, path: str, form: Mapping[str, str], expr: str, part: Range, *, patient: bool = False
    ) -> Any:
        """The answer's `data`. What fails in passing is asked once more, with patience."""
        self._go_on()
        began = time.perf_counter()
        try:
            body = urlencode(form).encode()
            answer = self._server.call("POST", path, body=body, headers=_FORM, again=patient)
            data = _data(answer.json(), answer.url)
        except ServerError as error:
            self._note(expr, part, time.perf_counter() - began, {}, error)
            if patient or error.status not in _PASSING or _is_too_much(error):
                raise
            return self._post(path, form, expr, part, patient=True)
        self._note(expr, part, time.perf_counter() - began, data, None)
        return data

    def _go_on(self) -> None:
        if self._stopped:
            raise ServerError("interrupted")
        if time.monotonic() > self._until:
            raise ServerError("the time for asking was over before this was asked", hint="give it more time")
        if self._unreached >= _LOST:
            raise ServerError(f"{self._server.url} does not answer any more")

    def _note(self, expr: str, part: Range, seconds: float, data: Any, error: ServerError | None) -> None:
        result = data.get("result") or () if isinstance(data, dict) else ()
        stats = (data.get("stats") or {}).get("samples") or {} if isinstance(data, dict) else {}
        asked = Asked(
            expr,
            part.start,
            part.end,
            part.step,
            round(seconds, 4),
            int(stats.get("totalQueryableSamples") or 0),
            sum(len(series.get("values") or ()) for series in result),
            error.message if error else "",
        )
        with self._lock:
            self._log.append(asked)
            self._unreached = self._unreached + 1 if error and not error.status else 0


# --- ranges and chunks -------------------------------------------------------------------------------


def aligned(start: float, end: float, step: float) -> Range:
    """The multiples of `step` that lie between two times."""
    first = -(-start // step) * step
    return Range(first, max(first, end // step * step), step)


def chunks(whole: Range) -> Iterator[Range]:
    """Parts of a range that a server answers, at multiples of their length; first and last are cut."""
    length = next(
        (each for each in _CHUNKS if each / whole.step <= POINTS and not each % whole.step),
        whole.step * (POINTS - 1),
    )
    start = whole.start
    while start <= whole.end:
        following = (start // length + 1) * length
        yield Range(start, min(following - whole.step, whole.end), whole.step)
        start = following


def halves(part: Range) -> tuple[Range, Range]:
    middle = part.start + part.steps // 2 * part.step
    return Range(part.start, middle - part.step, part.step), Range(middle, part.end, part.step)


def _both(parts: Sequence[list[Json] | Failure]) -> list[Json] | Failure:
    found: list[Json] = []
    for part in parts:
        if isinstance(part, Failure):
            return part
        found += part
    return found


def _joined(parts: Sequence[list[Json] | Failure]) -> Matrix | Failure:
    """The chunks of an answer, in the order of time, as one matrix."""
    found: dict[tuple[tuple[str, str], ...], tuple[array[float], array[float]]] = {}
    for part in parts:
        if isinstance(part, Failure):
            return part
        for series in part:
            if "values" not in series:
                continue  # histograms: no alert is made of one
            labels = tuple(sorted(series["metric"].items()))
            times, values = found.setdefault(labels, (array("d"), array("d")))
            for moment, value in series["values"]:
                times.append(moment)
                values.append(float(value))
    return tuple(Series(labels, *points) for labels, points in sorted(found.items()))


# --- answers -----------------------------------------------------------------------------------------


def _data(answer: Json, url: str) -> Any:
    """What stands under `data` of a successful answer."""
    if not isinstance(answer, dict) or answer.get("status") != "success" or "data" not in answer:
        raise ServerError(f"{url} answers, but not as Prometheus does", hint="is the address right?")
    return answer["data"]


def _is_too_much(error: ServerError) -> bool:
    said = error.message.lower()
    return any(word in said for word in ("too many samples", "timed out", "timeout", "limit", "too large"))


def _time(seconds: float) -> str:
    return f"{seconds:.3f}".rstrip("0").rstrip(".")
