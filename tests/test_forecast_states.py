"""What a rule's series make of its alerts: beside promtool, and where promtool cannot be asked."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import agreement_states
import pytest
from conftest import engine_path

from mac import engines
from mac.forecast import gotemplate
from mac.forecast.model import Labels, labels
from mac.forecast.states import AlertingRule, Replay, Series, Span, State, Stretch, replay

NAN = math.nan


def series(*values: float | None, start: int = 0, **own: str) -> Series:
    """Values at 0 s, 30 s and so on; None where there is none."""
    points = [(30.0 * (n + start), value) for n, value in enumerate(values) if value is not None]
    return Series(labels(own), points)


def played(rule: AlertingRule, *found: Series, evaluations: int = 10, external: Labels = ()) -> Replay:
    return replay([Stretch(rule, found, 0.0, 30.0 * (evaluations - 1), 30.0)], external)


def spans(replayed: Replay) -> list[tuple[str, float, float]]:
    return [(str(span.state), span.first / 30, span.last / 30) for span in replayed.spans]


def episodes(replayed: Replay) -> list[tuple[float, float | None]]:
    return [(e.start / 30, None if e.end is None else e.end / 30) for e in replayed.episodes]


# --- beside the real engine --------------------------------------------------------------------------


@pytest.mark.parametrize("generation", ["trixie", "sid"])
def test_random_rules_have_the_states_that_promtool_says(generation: str, tmp_path: Path) -> None:
    promtool = engines.at("promtool", engine_path(generation, "promtool"))
    cases = [agreement_states.case(seed) for seed in range(50)]
    said, compared = agreement_states.disagreements(cases, tmp_path, promtool)
    assert said == ""
    assert compared > 2000


def test_promtool_notices_a_state_that_is_wrong(tmp_path: Path) -> None:
    """Else the comparison would say nothing."""
    promtool = engines.at("promtool", engine_path("sid", "promtool"))
    case = agreement_states.case(0)
    agreement_states.promtool_files([case], tmp_path)
    path = tmp_path / "test-0.yml"
    path.write_text(path.read_text().replace('"firing', '"pending', 1).replace('firing\\"', 'pending\\"', 1))
    assert promtool.test_rules(tmp_path, [path.name]).returncode == 1


# --- for and keep_firing_for -------------------------------------------------------------------------


def test_an_alert_is_pending_until_it_lasted_and_is_resolved_when_its_series_goes() -> None:
    found = played(AlertingRule("Down", hold=60), series(1, 1, 1, 1, None, None))
    assert spans(found) == [("pending", 0, 1), ("firing", 2, 3)]
    assert episodes(found) == [(2, 4)]


def test_an_alert_that_goes_before_it_lasted_never_fires() -> None:
    found = played(AlertingRule("Down", hold=60), series(1, 1, None, 1, 1, 1))
    assert spans(found) == [("pending", 0, 1), ("pending", 3, 4), ("firing", 5, 5)]
    assert episodes(found) == [(5, 6)]


def test_nan_is_a_value_and_zero_too() -> None:
    assert episodes(played(AlertingRule("Odd"), series(NAN, 0.0, None))) == [(0, 2)]


def test_what_still_fires_at_the_horizon_has_no_end() -> None:
    found = played(AlertingRule("Down"), series(None, 1, 1, 1), evaluations=4)
    assert episodes(found) == [(1, None)]


def test_keep_firing_for_bridges_gaps_that_are_shorter_than_it() -> None:
    rule = AlertingRule("Flaps", keep=60)
    assert episodes(played(rule, series(1, None, None, 1, None, 1))) == [(0, 8)]
    assert episodes(played(rule, series(1, None, None, None, 1))) == [(0, 3), (4, 7)]


def test_a_pending_alert_is_not_kept() -> None:
    found = played(AlertingRule("Flaps", hold=30, keep=300), series(1, None, 1, 1, None))
    assert spans(found) == [("pending", 0, 0), ("pending", 2, 2), ("firing", 3, 9)]


# --- labels ------------------------------------------------------------------------------------------


def test_the_rule_s_labels_win_over_the_series_and_the_alert_s_over_the_external_ones() -> None:
    rule = AlertingRule("Down", labels=labels({"job": "rule", "zone": "{{ $labels.az }}"}))
    own = series(1, __name__="up", job="host", az="a", instance="i")
    [episode] = played(rule, own, external=labels({"cell": "here", "az": "external"})).episodes
    assert dict(episode.labels) == {
        "alertname": "Down",
        "az": "a",
        "cell": "here",
        "instance": "i",
        "job": "rule",
        "zone": "a",
    }


def test_a_label_with_the_value_makes_another_alert_whenever_it_changes() -> None:
    rule = AlertingRule("Level", hold=30, labels=(("level", "{{ $value }}"),))
    found = played(rule, series(1, 1, 2, 2, 2, None))
    assert [(dict(e.labels)["level"], e.start / 30, (e.end or 0) / 30) for e in found.episodes] == [
        ("1", 1, 2),
        ("2", 3, 5),
    ]


def test_an_evaluation_with_two_alerts_of_the_same_labels_changes_nothing() -> None:
    rule = AlertingRule("Same", labels=(("instance", "all"),))
    found = played(rule, series(1, 1, None, None, instance="a"), series(None, 1, 1, None, instance="b"))
    assert found.failed == 1
    # At 1 it fails, and at 2 the other series has taken over.
    assert episodes(found) == [(0, 3)]
    failing_end = played(rule, series(1, 1, instance="a"), series(None, 1, instance="b"), evaluations=3)
    assert episodes(failing_end) == [(0, 2)]


def test_a_label_that_cannot_be_known_is_said_and_not_guessed() -> None:
    rule = AlertingRule("Asks", labels=(("other", '{{ query "up" | first | value }}'),))
    found = played(rule, series(1))
    assert found.episodes == ()
    assert found.unsupported.startswith("Asks: ")


def test_annotations_are_expanded_where_it_begins_to_fire() -> None:
    rule = AlertingRule(
        "Down",
        hold=30,
        annotations=labels({"summary": "{{ $value }} of {{ $labels.job }}", "odd": "{{ humanize $value }}"}),
    )
    [episode] = played(rule, series(1, 2, 3, job="host")).episodes
    assert dict(episode.annotations) == {"summary": "2 of host", "odd": "{{ humanize $value }}"}


@pytest.mark.parametrize(
    "text",
    [
        "{{ range query `up` }}{{ end }}",
        "{{ $x := 1 }}",
        "{{ if }}",
        "{{ if true }}",
        "{{ end }}",
        "{{ $labels }}",
        "{{ gt $value 1 }}",  # Go compares no float with a whole number
        "{{ toUpper $value }}",
        '{{ printf "%d" $value }}',
        "{{ $value",
        "{{ humanize $value }}",
        "{{ 1 | 2 }}",
        "{{ }}",
    ],
)
def test_templates_outside_of_the_subset_are_refused(text: str) -> None:
    with pytest.raises(gotemplate.Unsupported):
        gotemplate.parse(text).expand(gotemplate.Data({}, value=1.0))


# --- reloads -----------------------------------------------------------------------------------------


def stretches(first: AlertingRule, second: AlertingRule, *found: Series) -> Sequence[Stretch]:
    return [Stretch(first, found, 0.0, 120.0, 30.0), Stretch(second, found, 150.0, 300.0, 30.0)]


def test_a_reload_keeps_the_state_of_a_rule_of_the_same_name_and_labels() -> None:
    before = AlertingRule("Down", hold=120, group="a / b", labels=(("severity", "page"),))
    whole = series(*[1] * 8)
    found = replay(stretches(before, AlertingRule("Down", 120, 60, before.labels, group="a / b"), whole))
    assert episodes(found) == [(4, 10)]
    assert spans(found) == [("pending", 0, 3), ("firing", 4, 9)]


def test_a_reload_drops_the_alerts_of_a_rule_with_other_labels() -> None:
    """Nobody says that they are resolved: Alertmanager gives them up by itself."""
    before = AlertingRule("Down", group="a / b", labels=(("severity", "page"),))
    after = AlertingRule("Down", group="a / b", labels=(("severity", "ticket"),))
    found = replay(stretches(before, after, series(*[1] * 11)))
    told = [(dict(e.labels)["severity"], e.start, e.end, e.repeated_until) for e in found.episodes]
    # Sent at 0 and at 90 s, and valid for four minutes from there.
    assert told == [("page", 0.0, 330.0, 330.0), ("ticket", 150.0, None, None)]


def test_a_pending_alert_of_a_dropped_rule_is_forgotten() -> None:
    before = AlertingRule("Down", hold=600, group="a")
    after = AlertingRule("Down", hold=600, group="b")
    found = replay(stretches(before, after, series(*[1] * 11)))
    assert found.spans == (
        Span((("alertname", "Down"),), State.PENDING, 0.0, 120.0),
        Span((("alertname", "Down"),), State.PENDING, 150.0, 300.0),
    )
