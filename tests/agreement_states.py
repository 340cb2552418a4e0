"""The state machine of alerting rules beside Prometheus' own: random series and rules, read from `ALERTS`.

A rule's expression is just a metric's name, so that the series are what promtool was told. It is asked for
`ALERTS` at each evaluation; an alert that ended is told apart from one that is only not evaluated any more,
since Prometheus marks a series of its own rules as stale.
"""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mac import durations
from mac.engines import Engine
from mac.forecast.model import Labels, labels
from mac.forecast.states import AlertingRule, Replay, Series, Stretch, replay

EVALUATIONS = 40

_TEMPLATES = (
    "plain",
    "{{ $labels.instance }}",
    "on {{ .Labels.instance }} of {{ $labels.job }}{{ $labels.missing }}",
    "{{ $value }}",
    "{{ if gt $value 2.0 }}critical{{ else }}warning{{ end }}",
    '{{ if and (ge $value 1.0) (eq $labels.job "a") -}} one {{- else if lt $value 3.0 }}two{{ end }}',
    '{{ printf "%.1f" $value }} and {{ printf "%s/%v" $labels.job $value }}',
    '{{ "{{" }} braces }} {{ `raw` }}',
    '{{ $labels.job | toUpper | printf "%q" }}',
    "{{/* nothing */}}{{ not (ne $labels.job `b`) }}",
    "{{ $externalLabels.cell }}",
)


@dataclass(frozen=True)
class Case:
    """A rule, and the values of its series at each evaluation (None: no value)."""

    rule: AlertingRule
    interval: float
    values: Sequence[tuple[Labels, Sequence[float | None]]]

    @property
    def stretch(self) -> Stretch:
        """The series as a range query would give them."""
        series = [
            Series(own, [(n * self.interval, value) for n, value in enumerate(values) if value is not None])
            for own, values in self.values
        ]
        return Stretch(self.rule, series, 0.0, (EVALUATIONS - 1) * self.interval, self.interval)


def case(seed: int) -> Case:
    dice = random.Random(seed)
    interval = dice.choice((15.0, 30.0, 60.0))
    own = {
        name: dice.choice(_TEMPLATES) for name in dice.sample(("severity", "job", "zone"), dice.randrange(3))
    }
    rule = AlertingRule(
        f"Alert{seed}",
        hold=dice.choice((0, 0, 1, 2, 3.5, 7)) * interval,
        keep=dice.choice((0, 0, 0, 1, 2.5, 6)) * interval,
        labels=labels(own),
    )
    values = []
    for number in range(dice.randrange(1, 4)):
        series = labels({"__name__": f"m{seed}", "instance": f"i{number}", "job": dice.choice("ab")})
        values.append((series, _values(dice)))
    return Case(rule, interval, values)


def _values(dice: random.Random) -> list[float | None]:
    """Values that come and go, for long or for a moment."""
    found: list[float | None] = []
    stays = dice.choice((0.5, 0.8, 0.95))
    present = dice.random() < 0.6
    value = 1.0
    while len(found) < EVALUATIONS:
        if dice.random() > stays:
            present = not present
        if dice.random() < 0.2:
            value = dice.choice(
                (0.0, 1.0, 1.5, 2.25, 3.0, 1e-7, 0.00012, 123456.0, 1234567.0, 123456789.0, 1e22, -0.25)
            )
        found.append(value if present else None)
    return found


EXTERNAL = labels({"cell": "here"})


def modelled(found: Replay, case: Case) -> list[list[tuple[Labels, str]]]:
    """Evaluation → the alerts that are active there, with their states."""
    states: list[list[tuple[Labels, str]]] = [[] for _ in range(EVALUATIONS)]
    for span in found.spans:
        first, last = round(span.first / case.interval), round(span.last / case.interval)
        for step in range(first, last + 1):
            states[step].append((span.labels, str(span.state)))
    return [sorted(at) for at in states]


def promtool_files(cases: Sequence[Case], folder: Path) -> tuple[list[str], int]:
    """Writes a test for each case, which expects what the model says. Returns the names, and how many states
    they compare.
    """
    names, compared = [], 0
    for number, case in enumerate(cases):
        rules = folder / f"rules-{number}.yml"
        rules.write_text(json.dumps({"groups": [_group(case)]}))
        states = modelled(replay([case.stretch], EXTERNAL), case)
        compared += sum(len(at) for at in states) + sum(not at for at in states)
        test = folder / f"test-{number}.yml"
        test.write_text(
            json.dumps(
                {
                    "rule_files": [rules.name],
                    "evaluation_interval": _spelt(case.interval),
                    "tests": [
                        {
                            "interval": _spelt(case.interval),
                            "name": case.rule.alert,
                            "external_labels": dict(EXTERNAL),
                            "input_series": [_input(own, values) for own, values in case.values],
                            "promql_expr_test": [
                                {
                                    "expr": "ALERTS",
                                    "eval_time": _spelt(step * case.interval),
                                    "exp_samples": [
                                        {"labels": _selector(case.rule, own, state), "value": 1}
                                        for own, state in at
                                    ],
                                }
                                for step, at in enumerate(states)
                            ],
                        }
                    ],
                }
            )
        )
        names.append(test.name)
    return names, compared


def _group(case: Case) -> dict[str, Any]:
    rule = case.rule
    return {
        "name": rule.alert,
        "interval": _spelt(case.interval),
        "rules": [
            {
                "alert": rule.alert,
                "expr": dict(case.values[0][0])["__name__"],
                "for": _spelt(rule.hold),
                **({"keep_firing_for": _spelt(rule.keep)} if rule.keep else {}),
                "labels": dict(rule.labels),
            }
        ],
    }


def _input(own: Labels, values: Sequence[float | None]) -> dict[str, str]:
    # Without a mark promtool goes on to see a series for five minutes after its last value.
    marked = ["_" if v is None else repr(v) for v in values]
    for n in range(1, len(values)):
        if values[n] is None and values[n - 1] is not None:
            marked[n] = "stale"
    return {"series": _written(own), "values": " ".join(marked)}


def _written(own: Labels) -> str:
    return "{" + ", ".join(f"{name}={json.dumps(value)}" for name, value in own) + "}"


def _selector(rule: AlertingRule, own: Labels, state: str) -> str:
    # `ALERTS` has a label that came to nothing as it is written in the rule; the alert that is sent does not.
    return _written(labels({**dict(rule.labels), **dict(own), "__name__": "ALERTS", "alertstate": state}))


def _spelt(seconds: float) -> str:
    return durations.spell(round(seconds * 1000))


def disagreements(cases: Sequence[Case], folder: Path, promtool: Engine) -> tuple[str, int]:
    """What promtool says against the model ("" when it agrees), and how many states were compared."""
    names, compared = promtool_files(cases, folder)
    done = promtool.test_rules(folder, names, timeout=500)
    return "" if done.returncode == 0 else f"{done.stdout}\n{done.stderr}", compared
