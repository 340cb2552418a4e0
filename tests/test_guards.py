"""Each guard stops what it is for, says what would go, and is opened by its name for one run."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from mac import guards
from mac import snapshot as snapshots
from mac.model import Guards, Resource, Scope, ScopeState, ScopeStatus, Snapshot
from mac.problems import Problem
from tests import builders
from tests.builders import instance, standard
from tests.test_diff import NOTHING, Generated, fleet, generated, plan

PROJECT = Path(__file__).resolve().parent.parent


def guard(old: Generated, new: Generated, allowed: tuple[str, ...] = (), **limits: Any) -> list[Problem]:
    return list(guards.shrink(plan(old, new), Guards(**limits), old.provenance, allowed))


def test_a_plan_that_removes_too_many_targets_is_held_back() -> None:
    (problem,) = guard(generated(*fleet(0, 40)), generated(*fleet(0, 20)))
    assert problem.code == "guard-shrink"
    assert "20 of 40 targets would go (50%)" in problem.message


@pytest.mark.parametrize(
    ("last", "limits"),
    [(29, {}), (10, {"minimum": 31}), (0, {"removed_targets": 1.0, "removed_rules": 1.0})],
)
def test_a_plan_within_the_guards_goes_on(last: int, limits: dict[str, Any]) -> None:
    kept = [*fleet(0, last), *fleet(40, 41)]
    assert guard(generated(*fleet(0, 41)), generated(*kept), **limits) == []


def test_machines_that_are_replaced_do_not_count() -> None:
    assert guard(generated(*fleet(0, 40)), generated(*fleet(100, 140))) == []


def test_machines_of_another_service_do_not_replace_those_that_go() -> None:
    api = [instance(n, tags={"service": "api", "role": "web"}) for n in range(100, 140)]
    assert guard(generated(*fleet(0, 40)), generated(*fleet(0, 1), *api))


def test_rules_are_guarded_as_targets_are() -> None:
    def services(count: int) -> list[Resource]:
        return [instance(n, tags={"service": f"s{n}", "role": "web"}) for n in range(count)]

    found = guard(generated(*services(20)), generated(*services(8)))
    assert sorted(p.message.split(" would")[0] for p in found) == ["12 of 20 targets", "24 of 40 rules"]


def test_a_first_generation_is_not_guarded() -> None:
    assert guard(NOTHING, generated(*fleet(0, 40))) == []


def test_no_alerting_rules_at_all_is_a_problem() -> None:
    silent = generated(*fleet(0, 3), catalog=builders.catalog(standard(alerts=())))
    assert [p.code for p in guards.zero_rules(silent.provenance)] == ["zero-rules"]
    assert guards.zero_rules(generated(*fleet(0, 3)).provenance) == ()


def test_what_would_go_is_named_with_the_name_that_allows_it() -> None:
    api = [instance(n, tags={"service": "api", "role": "web"}) for n in range(100, 112)]
    (problem,) = guard(generated(*fleet(0, 40), *api), generated(*fleet(0, 20), api[0]))
    assert "20 of web / production / main-us-east-1 / web, 11 of api / production" in problem.message
    assert "--allow shrink-targets" in problem.hint
    assert guard(generated(*fleet(0, 40)), generated(*fleet(0, 20)), (guards.TARGETS,)) == []


def scopes(**states: ScopeState) -> Snapshot:
    return Snapshot(
        tuple(
            ScopeStatus(Scope(builders.ACCOUNT, builders.REGION, kind), state, "throttled", "")
            for kind, state in states.items()
        )
    )


def test_too_many_stale_scopes_stop_and_a_disabled_region_is_none() -> None:
    state = scopes(a=ScopeState.COMPLETE, b=ScopeState.STALE, c=ScopeState.DENIED, d=ScopeState.DISABLED)
    (problem,) = guards.stale(state, Guards(stale_scopes=0.5))
    assert "2 of 3 scopes were not read completely (67%)" in problem.message
    assert "1 of denied: throttled, 1 of stale: throttled" in problem.message
    assert "--allow stale-scopes" in problem.hint
    assert guards.stale(state, Guards(stale_scopes=0.7)) == ()
    assert guards.stale(state, Guards()) == ()
    assert guards.stale(Snapshot(), Guards(stale_scopes=0.0)) == ()


def test_coverage_below_the_floor_names_what_is_not_watched() -> None:
    (problem,) = guards.coverage(94.96, {"rds-instance": 4, "sqs-queue": 12}, Guards(coverage=95))
    assert "95.0 % of the resources" in problem.message
    assert "12 of sqs-queue, 4 of rds-instance" in problem.message
    assert guards.coverage(95, {"rds-instance": 4}, Guards(coverage=95)) == ()


# --- credentials --------------------------------------------------------------------------------------

# Put together here, so that no scanner takes this file for what it tests.
CREDENTIALS = {
    "a token": ["AKIA" + "ABCDEFGHIJKLMNOP", "xoxb-" + "1234567890-abcdef", "ghp_" + "a1" * 18],
    "a token of GitHub": ["github_pat_" + "A1b2" * 15],
    "a token of GitLab": ["glpat-" + "abcdefghij0123456789"],
    "a token of Grafana": ["glsa_" + "A1" * 16 + "_0123abcd"],
    "a key of Stripe": ["sk_live_" + "a1B2" * 6],
    "a JSON web token": ["eyJ" + "hbGciOiJI" + "a" * 5 + ".eyJ" + "zdWIiOiIx" * 2 + "." + "c2ln" * 4],
    "a private key": ["-----BEGIN " + "RSA PRIVATE KEY-----"],
    "an address with a token": ["https://hooks.slack.com/" + "services/T000/B000/XXXXXXXX"],
    "an address with a password": ["postgres://app:" + "hunter2@db.internal/x"],
    "a secret": ['"db_password":"' + 'correct-horse"', "api_key: '" + "0123456789'"],
}
HARMLESS = [
    "password_file: /etc/alertmanager/secrets/mail",
    '"token":"/run/secrets/token"',
    '"secret":"arn:aws:secretsmanager:us-east-1:123456789012:secret:db"',
    '"token-ttl":"30m"',
    '"password":"${DB_PASSWORD}"',
    "https://example.com/a:b@c",
    "ssh://git@example.com/a.git",
    "sha256:" + "0123456789abcdef" * 4,
    "arn:aws:sqs:us-east-1:123456789012:tokens",
    'expr: "sum by (token) (rate(secret_reads_total{secret=~"a|b"}[5m]))"',
]


@pytest.mark.parametrize(("what", "text"), [(w, t) for w, texts in CREDENTIALS.items() for t in texts])
def test_a_credential_is_found_at_its_place_and_never_shown(what: str, text: str) -> None:
    content = f"first: line\n  note: über {text} # end\n".encode()
    (problem,) = guards.secrets({"cells/a.yml": content}, Guards())
    assert (problem.location.line, problem.code) == (2, "guard-secret")
    assert f"looks like {what}," in problem.message
    told = problem.message + problem.hint
    assert all(part not in told for part in text.replace('"', " ").split() if len(part) > 12)
    fingerprint = problem.hint.split("list ")[1].split()[0]
    assert guards.secrets({"cells/a.yml": content}, Guards(harmless=(fingerprint,))) == ()


@pytest.mark.parametrize("text", HARMLESS)
def test_a_reference_to_a_secret_is_none(text: str) -> None:
    assert guards.secrets({"x": text.encode()}, Guards()) == ()


def test_what_mac_ships_has_no_credentials() -> None:
    files = {
        p.relative_to(PROJECT).as_posix(): p.read_bytes()
        for folder in ("standards", "templates", "cells", "alertmanager", "dashboards", "inventory")
        for p in sorted((PROJECT / folder).rglob("*"))
        if p.is_file()
    }
    assert files
    assert guards.secrets(files, Guards()) == ()


# --- the command line ---------------------------------------------------------------------------------


@pytest.fixture
def repository(tmp_path: Path, mac: Callable[..., Result]) -> Path:
    root = tmp_path / "monitoring"
    assert mac("init", root).exit_code == 0
    return root


def seen(root: Path, resources: list[Resource]) -> Path:
    path = root.parent / "fleet.jsonl"
    path.write_bytes(snapshots.to_bytes(builders.snapshot(*resources)))
    return path


def hosts(count: int, **tags: str) -> list[Resource]:
    return [instance(n, tags={"service": "ingest", "role": "ingest", **tags}) for n in range(1, count + 1)]


def codes(answer: Result) -> set[str]:
    return {p["code"] for p in json.loads(answer.stdout) if p["severity"] == "error"}


def test_a_guard_is_opened_by_its_name_and_for_one_run(repository: Path, mac: Callable[..., Result]) -> None:
    def generate(count: int, *options: str) -> Result:
        path = seen(repository, hosts(count))
        return mac("generate", "-C", repository, "--snapshot", path, "--format", "json", *options)

    assert generate(40).exit_code == 0
    stopped = generate(10)
    assert (stopped.exit_code, codes(stopped)) == (1, {"guard-shrink"})
    assert generate(10, "--allow", "shrink-rules").exit_code == 1
    assert generate(10, "--allow", "shrink-targets").exit_code == 0
    assert generate(40).exit_code == 0
    assert generate(10).exit_code == 1
    wrong = generate(10, "--allow", "shrink-target")
    assert wrong.exit_code == 64
    assert 'did you mean "shrink-targets"?' in wrong.stderr


def test_a_credential_in_a_tag_stops_the_run_before_anything_is_written(
    repository: Path, mac: Callable[..., Result]
) -> None:
    role = "AKIA" + "ABCDEFGHIJKLMNOP"
    path = seen(repository, hosts(3, role=role))
    stopped = mac("generate", "-C", repository, "--snapshot", path, "--format", "json")
    assert (stopped.exit_code, codes(stopped)) == (1, {"guard-secret"})
    assert role not in stopped.output
    assert not (repository / "cells").exists()
    found = json.loads(stopped.stdout)
    places = {(p["path"], p["line"] > 0) for p in found if p["code"] == "guard-secret"}
    assert ("cells/main-us-east-1/targets/host.json", True) in places
    assert mac("generate", "-C", repository, "--snapshot", path, "--allow", "secrets").exit_code == 0


def test_an_inventory_that_was_kept_before_is_searched_before_it_is_committed(
    repository: Path, mac: Callable[..., Result]
) -> None:
    secret = "AKIA" + "ABCDEFGHIJKLMNOP"
    found = builders.snapshot(*hosts(3, note=secret))
    kept = repository / "inventory/snapshot"
    for name, data in snapshots.stored_files(found).items():
        (repository / name).parent.mkdir(parents=True, exist_ok=True)
        (repository / name).write_bytes(data)
    stopped = mac("generate", "-C", repository, "--snapshot", kept, "--format", "json")
    assert (stopped.exit_code, codes(stopped)) == (1, {"guard-secret"})


def test_the_floor_of_coverage_stops_until_it_is_allowed(
    repository: Path, mac: Callable[..., Result]
) -> None:
    project = repository / "mac.yaml"
    project.write_text(project.read_text().replace("  guards:\n", "  guards:\n    coverage: 95\n"))
    path = seen(repository, [*hosts(3), instance(9, tags={})])
    stopped = mac("generate", "-C", repository, "--snapshot", path, "--format", "json")
    assert (stopped.exit_code, codes(stopped)) == (1, {"guard-coverage"})
    shown = mac("diff", "-C", repository, "--snapshot", path)
    assert "75.0 % of the resources are watched" in shown.stderr
    assert mac("generate", "-C", repository, "--snapshot", path, "--allow", "coverage").exit_code == 0


def test_every_guard_is_explained_in_the_operations_page() -> None:
    page = (PROJECT / "docs/operations.md").read_text(encoding="utf-8")
    table = page.split("### A guard stops")[1].split("###")[0]
    assert {line.split("`")[1] for line in table.splitlines() if line.startswith("| `")} == set(guards.NAMES)
