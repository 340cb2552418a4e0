"""`mac.history`: a real Prometheus answers, and a double fails in every way."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs

import past
import pytest
from hypothesis import given
from hypothesis import strategies as st
from past import START
from test_http import Double, Reply, said, server

from mac import history, history_cache, http
from mac.access_model import ServerAccess
from mac.history import Failure, History, Question, Range

HOUR = 3600.0


@pytest.fixture(autouse=True)
def _no_long_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "_PAUSE", 0.01)


def matrix(*series: tuple[dict[str, str], list[tuple[float, str]]]) -> Reply:
    result = [{"metric": metric, "values": [list(v) for v in values]} for metric, values in series]
    return said({"status": "success", "data": {"resultType": "matrix", "result": result}})


def failed(status: int, message: str) -> Reply:
    return said({"status": "error", "errorType": "execution", "error": message}, status)


def connected(double: Double, **options: object) -> History:
    return History(history.connect(ServerAccess(double.url)), **options)  # type: ignore[arg-type]


def forms(double: Double) -> list[dict[str, str]]:
    return [{k: v[0] for k, v in parse_qs(asked.body.decode()).items()} for asked in double.asked]


# --- ranges ------------------------------------------------------------------------------------------


@given(
    st.integers(0, 2_000_000_000),
    st.integers(0, 30 * 86_400),
    st.sampled_from([1.0, 7.0, 10.0, 15.0, 30.0, 60.0, 61.0, 300.0]),
)
def test_chunks_hold_every_step_once_and_never_too_many(start: int, length: int, step: float) -> None:
    whole = history.aligned(start, start + length, step)
    parts = list(history.chunks(whole))
    assert sum(part.steps for part in parts) == whole.steps
    assert parts[0].start == whole.start
    assert parts[-1].end == whole.end
    assert all(part.steps <= history.POINTS for part in parts)
    assert all(b.start == a.end + step for a, b in itertools.pairwise(parts))


def test_fourteen_days_at_thirty_seconds_are_few_queries() -> None:
    assert len(list(history.chunks(history.aligned(START, START + 14 * 86_400, 30)))) <= 6


def test_chunks_of_two_days_running_are_the_same_but_for_their_ends() -> None:
    def between(first: float) -> set[Range]:
        return set(history.chunks(history.aligned(first, first + 14 * 86_400, 60)))

    assert between(START) & between(START + 86_400)


@given(st.integers(2, 11_000))
def test_halves_are_the_whole(steps: int) -> None:
    first, second = history.halves(Range(0, (steps - 1) * 30.0, 30))
    assert (first.steps + second.steps, first.end + 30) == (steps, second.start)
    assert first.steps
    assert second.steps


# --- a real server -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    broken = [(START + n * 30, float(not 60 <= n < 120)) for n in range(480)]
    samples = {
        'up{job="a",instance="1"}': broken,
        'up{job="a",instance="2"}': past.steady(1, 4),
        'late{job="a"}': past.steady(7, 1, start=START + 3 * HOUR),
    }
    with past.prometheus(tmp_path_factory.mktemp("past"), samples) as prometheus:
        yield prometheus.url


def ask(url: str, expr: str, step: float = 30.0, hours: float = 4.0) -> history.Matrix:
    asked = History(history.connect(ServerAccess(url)))
    question = Question(expr, history.aligned(START, START + hours * HOUR, step))
    answer = asked.ask([question])[question]
    assert not isinstance(answer, Failure), answer
    return answer


def test_a_matrix_has_the_steps_at_which_the_expression_holds(real: str) -> None:
    (down,) = ask(real, 'up{job="a"} == 0')
    assert dict(down.labels) == {"__name__": "up", "instance": "1", "job": "a"}
    assert (down.times[0], down.times[-1], len(down.times)) == (START + 1800, START + 3570, 60)
    assert set(down.values) == {0.0}


def test_chunks_and_halves_join_to_what_one_query_says(real: str, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = ask(real, "up")
    monkeypatch.setattr(history, "_CHUNKS", (3600,))
    assert ask(real, "up") == whole


def test_a_number_is_a_series_without_labels(real: str) -> None:
    (one,) = ask(real, "vector(1)", hours=1)
    assert (one.labels, len(one.times)) == ((), 121)


def test_the_log_has_the_samples_that_the_server_read(real: str) -> None:
    asking = History(history.connect(ServerAccess(real)))
    question = Question('up{job="a"}', history.aligned(START, START + HOUR, 30))
    asking.ask([question])
    (asked,) = asking.log
    assert asked.samples == asked.points == 242
    assert asking.cost().samples == 242


def test_the_index_says_whether_any_series_fits(real: str) -> None:
    asking = History(history.connect(ServerAccess(real)))
    asked = ['up{job="a"}', 'up{job="b"}', "late", "never"]
    assert asking.existing(asked, START, START + 4 * HOUR) == dict(
        zip(asked, (True, False, True, False), strict=True)
    )


def test_what_is_no_expression_fails_alone(real: str) -> None:
    asking = History(history.connect(ServerAccess(real)))
    good, bad = (Question(expr, history.aligned(START, START + HOUR, 60)) for expr in ("up", "up{"))
    found = asking.ask([good, bad])
    assert isinstance(found[bad], Failure)
    assert "400" in found[bad].reason
    assert not isinstance(found[good], Failure)
    assert asking.cost().failed == 1


def test_a_query_that_is_too_much_is_asked_in_halves(tmp_path: Path) -> None:
    with past.prometheus(tmp_path, {"up": past.steady(1, 2)}, "--query.max-samples=100") as limited:
        asking = History(history.connect(ServerAccess(limited.url)))
        question = Question("up", history.aligned(START, START + 2 * HOUR - 30, 30))
        (series,) = asking.ask([question])[question]  # type: ignore[misc]
    assert len(series.times) == 240
    assert len(asking.log) > 2


# --- a server that fails -----------------------------------------------------------------------------

ONE = Question("a", Range(START, START + 60, 30))
POINTS = matrix(({"x": "1"}, [(START, "1"), (START + 30, "NaN"), (START + 60, "+Inf")]))


def test_questions_are_sent_as_a_form_with_their_step() -> None:
    with server(POINTS) as double:
        connected(double).ask([ONE])
    assert double.asked[0].path == "/api/v1/query_range"
    (form,) = forms(double)
    assert {k: form[k] for k in ("query", "start", "end", "step")} == {
        "query": "a",
        "start": "1700006400",
        "end": "1700006460",
        "step": "30",
    }


def test_equal_questions_are_asked_once() -> None:
    with server(POINTS) as double:
        connected(double).ask([ONE, Question("a", Range(START, START + 60, 30))])
    assert len(double.asked) == 1


def test_a_server_that_stumbles_is_asked_again() -> None:
    with server(failed(503, "starting"), POINTS) as double:
        assert not isinstance(connected(double).ask([ONE])[ONE], Failure)


def test_a_half_that_fails_fails_the_question() -> None:
    with server(failed(422, "too many samples"), POINTS, failed(400, "no")) as double:
        assert isinstance(connected(double, at_once=1).ask([ONE])[ONE], Failure)


def test_halving_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    long = Question("a", Range(START, START + 8 * 3600, 30))
    with server(failed(422, "query processing would load too many samples")) as double:
        found = connected(double, at_once=1).ask([long])[long]
    assert isinstance(found, Failure)
    assert "too many samples" in found.reason
    assert len(double.asked) < 40


def test_when_the_time_is_over_the_rest_is_not_asked() -> None:
    with server(POINTS) as double:
        found = connected(double, seconds=-1).ask([ONE])[ONE]
    assert isinstance(found, Failure)
    assert "time" in found.reason
    assert double.asked == []


def test_a_server_that_is_gone_is_not_asked_for_ever() -> None:
    with server() as double:
        pass
    many = [Question(f"a{n}", ONE.range) for n in range(20)]
    asking = connected(double, at_once=1)
    assert all(isinstance(found, Failure) for found in asking.ask(many).values())
    assert len(asking.log) < 6


def test_a_page_that_is_no_prometheus_is_told_before_anything_is_asked() -> None:
    with (
        server(said({})) as double,
        pytest.raises(http.ServerError, match="not as Prometheus"),
    ):
        connected(double).check()


def test_a_check_needs_no_data(real: str) -> None:
    History(history.connect(ServerAccess(real))).check()


# --- the cache ---------------------------------------------------------------------------------------


def test_what_was_answered_is_not_asked_again(tmp_path: Path) -> None:
    with server(POINTS) as double:
        cache = history_cache.Cache(tmp_path / "cache", double.url)
        first = connected(double, cache=cache).ask([ONE])
        again = connected(double, cache=cache)
        assert repr(first[ONE]) == repr(again.ask([ONE])[ONE])  # NaN is not itself
    assert len(double.asked) == 1
    assert again.cost().kept == 1
    assert again.cost().queries == 0


def test_another_server_has_another_past(tmp_path: Path) -> None:
    history_cache.Cache(tmp_path, "a").put("q", [1])
    assert history_cache.Cache(tmp_path, "b").get("q") is None
    assert history_cache.Cache(tmp_path, "a").get("q") == [1]


def test_failures_are_not_kept(tmp_path: Path) -> None:
    with server(failed(400, "no"), POINTS) as double:
        cache = history_cache.Cache(tmp_path, double.url)
        assert isinstance(connected(double, cache=cache).ask([ONE])[ONE], Failure)
        assert not isinstance(connected(double, cache=cache).ask([ONE])[ONE], Failure)


def test_a_file_that_was_cut_short_is_as_good_as_none(tmp_path: Path) -> None:
    cache = history_cache.Cache(tmp_path, "a")
    cache.put("q", [1])
    (path,) = tmp_path.rglob("*.gz")
    path.write_bytes(path.read_bytes()[:-9])
    assert cache.get("q") is None


def test_the_cache_is_the_owners_alone_and_is_cleared(tmp_path: Path) -> None:
    cache = history_cache.Cache(tmp_path, "a")
    cache.put("q", [1])
    (path,) = tmp_path.rglob("*.gz")
    assert path.stat().st_mode & 0o077 == 0
    assert cache.clear() == 1
    assert cache.get("q") is None


def test_what_is_old_goes(tmp_path: Path) -> None:
    cache = history_cache.Cache(tmp_path, "a")
    cache.put("q", [1])
    assert cache.prune() == 0
    (path,) = tmp_path.rglob("*.gz")
    os.utime(path, (0, 0))
    assert cache.prune() == 1


def test_a_cache_that_cannot_be_written_is_no_failure(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    cache = history_cache.Cache(tmp_path / "file", "a")
    cache.put("q", [1])
    assert cache.get("q") is None


def test_the_cache_lies_where_xdg_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "/caches")
    assert history_cache.default_folder() == Path("/caches/mac/history")
    monkeypatch.setenv("XDG_CACHE_HOME", "")
    assert history_cache.default_folder() == Path.home() / ".cache/mac/history"
