"""`mac explain`: who set a value, and what a line of a file comes from or leads to, in a small repository."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from mac import generating
from mac import snapshot as snapshots
from mac.explain import known as reading
from mac.explain import locating, places, report
from mac.run import Request
from tests.builders import instance, snapshot

Mac = Callable[..., Result]

RULES = "cells/main-us-east-1/rules/production/shop.yml"
TARGETS = "cells/main-us-east-1/targets/web.json"
STANDARD = "standards/web.yaml"
SERVICE = "standards/services/shop.yaml"
DATABASES = "standards/databases.yaml"
EXPORTER = "cells/main-us-east-1/exporters/cloudwatch.yml"
DATABASE = instance(
    7,
    {"service": "shop"},
    kind="rds-instance",
    arn="arn:aws:rds:us-east-1:123456789012:db:shop",
    id="shop",
    name="shop",
    addresses=(),
    state="available",
)
TOPIC = instance(
    8,
    {"service": "shop"},
    kind="sns-topic",
    arn="arn:aws:sns:us-east-1:123456789012:alarms",
    id="alarms",
    name="alarms",
    addresses=(),
    state="",
)

DOCUMENTS = {
    "mac.yaml": """\
apiVersion: mac/v1
kind: Project
spec:
  page_tiers: [1, 2]
  undeclared_services: bind
  environments:
    staging:
      parameters:
        web:
          floor: 0.5
""",
    "inventory/aws.yaml": """\
apiVersion: mac/v1
kind: Inventory
spec:
  accounts: [{id: "123456789012", name: main}]
  regions: [us-east-1]
""",
    "standards/teams/platform.yaml": """\
apiVersion: mac/v1
kind: Team
metadata: {name: platform}
spec:
  receivers:
    page:
      - pagerduty: {routing_key_file: /etc/alertmanager/secrets/pagerduty}
    ticket:
      - slack: {api_url_file: /etc/alertmanager/secrets/slack, channel: "#ops"}
""",
    SERVICE: """\
apiVersion: mac/v1
kind: Service
metadata: {name: shop}
spec:
  owner: platform
  tier: 1

  parameters:
    web:
      # Sales weeks.
      floor: 0.8
  slo:
    - name: answers
      objective: 99.5
      window: 30d
      indicator:
        ratio: 1 - avg(avg_over_time(up{job="web",<< scope >>}[<< window >>]))
""",
    "standards/alarms.yaml": """\
apiVersion: mac/v1
kind: Standard
metadata: {name: alarms, title: Topics}
spec:
  applies_to: {kind: sns-topic}
  runbook: https://example.com/alarms
  cloudwatch:
    namespace: AWS/SNS
    metrics:
      - {name: NumberOfNotificationsFailed, statistics: [Sum]}
""",
    DATABASES: """\
apiVersion: mac/v1
kind: Standard
metadata: {name: databases, title: Databases}
spec:
  applies_to: {kind: rds-instance}
  runbook: https://example.com/databases
  cloudwatch:
    namespace: AWS/RDS
    metrics:
      - {name: CPUUtilization, statistics: [Average]}
      - {name: FreeableMemory, statistics: [Average]}
""",
    "standards/services/blog.yaml": """\
apiVersion: mac/v1
kind: Service
metadata: {name: blog}
spec:
  owner: platform
  tier: 4
""",
    STANDARD: """\
apiVersion: mac/v1
kind: Standard
metadata: {name: web, title: Web}
spec:
  applies_to:
    kind: ec2-instance
    any:
      - {role: [web]}
  runbook: https://example.com/web
  parameters:
    floor:
      type: ratio
      default: 0.9
      description: The share that must answer.
      tag: true
    patience: {type: duration, default: 5m, description: How long it may last.}
  scrape: {job: web, port: 9100}
  recording:
    - record: service:web_up:ratio
      expr: avg by (service, environment) (up{job="web",<< scope >>})
  alerts:
    - alert: WebDown
      expr: |
        service:web_up:ratio{<< scope >>}
        < << p.floor >>
      for: << p.patience >>
      severity: page
      outage: true
      summary: Too few answer
      description: Below << p.floor >> of << service >> answers.
""",
}


@pytest.fixture(scope="module")
def generated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two services of one standard in two environments, which set its parameter in every way there is."""
    root = tmp_path_factory.mktemp("monitoring")
    fleet = [
        instance(1, {"service": "shop", "Role": "web"}),
        instance(2, {"service": "shop", "role": "web", "mac:floor": "0.25"}),
        instance(3, {"service": "blog", "role": "web"}),
        instance(4, {"service": "shop", "role": "web", "env": "staging"}),
        instance(5, {"service": "blog", "role": "web", "env": "staging"}),
        DATABASE,
        TOPIC,
    ]
    files = {path: text.encode() for path, text in DOCUMENTS.items()}
    for path, content in {**files, **snapshots.stored_files(snapshot(*fleet))}.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(content)
    generating.generate(Request(root, snapshot=root / "inventory/snapshot"))
    return root


@pytest.fixture
def repository(generated: Path, tmp_path: Path) -> Path:
    """The same, for a test that changes it."""
    return Path(shutil.copytree(generated, tmp_path / "monitoring"))


def told(mac: Mac, root: Path, what: str, *options: str) -> dict[str, Any]:
    result = mac("explain", "-C", root, what, *options, "--format", "json")
    assert result.exit_code == 0, result.stderr
    answer: dict[str, Any] = json.loads(result.stdout)
    assert answer["schema_version"] == 1
    return answer


def line_of(root: Path, path: str, text: str, nth: int = 0) -> str:
    lines = (root / path).read_text(encoding="utf-8").split("\n")
    found = [n for n, line in enumerate(lines, 1) if text in line]
    return f"{path}:{found[nth]}"


def decision(found: dict[str, Any], name: str) -> list[tuple[str, str, Any, str]]:
    (chosen,) = [each for each in found["decisions"] if each["name"] == name]
    return [(each["who"], each["name"], each["value"], each["place"]) for each in chosen["chain"]]


# --- who set it ---------------------------------------------------------------------------------------


def test_each_value_of_an_alert_is_told_with_all_who_set_it(generated: Path, mac: Mac) -> None:
    found = {
        (each["service"], each["environment"], each["override"]): each
        for each in told(mac, generated, "WebDown")["found"]
    }
    assert set(found) == {
        ("blog", "production", ""),
        ("blog", "staging", ""),
        ("shop", "production", ""),
        ("shop", "production", "floor=0.25"),
        ("shop", "staging", ""),
    }
    default = ("standard", "web", 0.9, f"{STANDARD}:13:16")
    staging = ("environment", "staging", 0.5, "mac.yaml:10:18")
    shop = ("service", "shop", 0.8, f"{SERVICE}:11:14")
    tag = ("tag", "mac:floor", 0.25, instance(2).id)
    assert decision(found["blog", "production", ""], "floor") == [default]
    assert decision(found["blog", "staging", ""], "floor") == [default, staging]
    assert decision(found["shop", "staging", ""], "floor") == [default, staging, shop]
    assert decision(found["shop", "production", "floor=0.25"], "floor") == [default, shop, tag]
    # What is said is what was generated.
    for each in found.values():
        assert each["expr"].endswith(f"< {decision(each, 'floor')[-1][2]}")
        assert (
            (generated / each["file"]).read_text().split("\n")[each["line"] - 1].endswith('alert: "WebDown"')
        )
        assert each["defined"] == f"{STANDARD}:22:14"
        assert each["template"] == "templates/rules/rules.yml.j2 (mac's own)"
    (floor,) = [d for d in found["blog", "staging", ""]["decisions"] if d["name"] == "floor"]
    assert (floor["value"], floor["used"]) == (0.5, ["expr", "description"])


def test_a_tier_that_does_not_page_is_told_as_what_made_a_ticket_of_a_page(generated: Path, mac: Mac) -> None:
    (found,) = told(mac, generated, "WebDown", "--service", "blog", "--environment", "staging")["found"]
    assert decision(found, "severity") == [
        ("standard", "web", "page", f"{STANDARD}:27:17"),
        ("tier", "4 of blog, which does not page", "ticket", "standards/services/blog.yaml:6:9"),
    ]


def test_the_answer_for_people_begins_with_who_set_the_threshold(generated: Path, mac: Mac) -> None:
    shown = mac("explain", "-C", generated, "WebDown", "--service", "shop", "--environment", "staging").stdout
    lines = [line.split() for line in shown.splitlines()]
    assert lines[0] == ["WebDown", "alert", "of", "shop", "/", "staging"]
    assert lines[2][:7] == ["floor", "=", "0.8", "set", "by", "service", "shop"]
    assert lines[2][7] == f"{SERVICE}:11:14"
    assert lines[3][:5] == ["not", "0.5", "of", "environment", "staging"]
    assert lines[4][:5] == ["not", "0.9", "of", "standard", "web"]
    many = mac("explain", "-C", generated, "WebDown").stdout
    assert "alert of 2 services, 5 rules" in many
    assert "mac explain WebDown --service NAME" in many


def test_the_standard_that_an_extension_takes_the_place_of_is_part_of_the_chain(
    repository: Path, mac: Mac
) -> None:
    (repository / "standards/our-web.yaml").write_text(
        "apiVersion: mac/v1\n"
        "kind: Standard\n"
        "metadata: {name: our-web, title: Our web}\n"
        "spec:\n"
        "  extends: web\n"
        "  parameters:\n"
        "    floor: {default: 0.7}\n"
    )
    for path in ("mac.yaml", SERVICE):
        text = (repository / path).read_text().replace("    web:", "    our-web:")
        (repository / path).write_text(text)
    done = mac("generate", "-C", repository, "--snapshot", repository / "inventory/snapshot")
    assert done.exit_code == 0, done.stderr
    (found,) = told(mac, repository, "WebDown", "--service", "blog", "--environment", "production")["found"]
    assert decision(found, "floor") == [
        ("standard", "web", 0.9, f"{STANDARD}:13:16"),
        ("standard", "our-web", 0.7, "standards/our-web.yaml:7:22"),
    ]
    # What the extension does not say is still written in the base, and leads to what it became.
    assert decision(found, "patience") == [("standard", "our-web", "5m", f"{STANDARD}:16:41")]
    line = told(mac, repository, line_of(repository, STANDARD, "default: 0.9"))["line"]
    assert {lead["name"] for lead in line["leads"]} == {"WebDown"}
    assert {each["decision"]["value"] for each in line["values"]} >= {0.7, 0.8}


def test_an_slo_is_what_set_the_thresholds_of_its_alerts(generated: Path, mac: Mac) -> None:
    (found,) = told(mac, generated, "ErrorBudgetBurnFast", "--environment", "staging")["found"]
    assert decision(found, "objective") == [("slo", "answers", "99.5% over 30d", f"{SERVICE}:14:18")]
    assert decision(found, "severity") == [("slo", "answers", "page", f"{SERVICE}:13:13")]
    line = told(mac, generated, f"{SERVICE}:14")["line"]
    assert line["what"] == "the SLO answers of the service shop"
    assert "ErrorBudgetBurnFast" in {lead["name"] for lead in line["leads"]}


# --- lines of generated files -------------------------------------------------------------------------


def test_a_line_of_a_rule_file_is_told_with_the_place_of_that_very_key(generated: Path, mac: Mac) -> None:
    answer = told(mac, generated, line_of(generated, RULES, '  for: "5m"'))
    line, (found,) = answer["line"], answer["found"]
    assert line["owner"] == "mac"
    assert line["what"] == "the for of the alert WebDown of shop / production"
    assert line["at"].endswith(".for")
    assert {"what": "for", "name": "its text", "place": f"{STANDARD}:26:12"} in line["origins"]
    assert found["override"] == ""
    # The second rule of that name is the one for the tag.
    (found,) = told(mac, generated, line_of(generated, RULES, '  for: "5m"', 1))["found"]
    assert found["override"] == "floor=0.25"
    assert told(mac, generated, line_of(generated, RULES, "team:"))["line"]["origins"][0] == {
        "what": "owner",
        "name": "shop",
        "place": f"{SERVICE}:5:10",
    }
    (template,) = [o for o in line["origins"] if o["what"] == "template"]
    assert template["place"] == "templates/rules/rules.yml.j2:4:5 (mac's own)"


def test_a_line_of_an_expression_of_several_lines_belongs_to_its_alert(generated: Path, mac: Mac) -> None:
    answer = told(mac, generated, line_of(generated, RULES, "          < 0.8"))
    assert answer["line"]["what"] == "the expr of the alert WebDown of shop / production"
    assert answer["line"]["origins"][0]["place"] == line_of(generated, STANDARD, "< << p.floor >>") + ":9"
    assert decision(answer["found"][0], "floor")[-1][2] == 0.8


def test_a_line_of_a_target_file_is_a_resource_with_the_tags_that_bound_it(generated: Path, mac: Mac) -> None:
    (found,) = told(mac, generated, line_of(generated, TARGETS, instance(1).id))["found"]
    resource = found["resource"]
    assert (resource["arn"], resource["account"], resource["region"]) == (
        instance(1).arn,
        "123456789012",
        "us-east-1",
    )
    assert resource["because"] == "kind ec2-instance, role web"
    assert resource["labels"] == [
        {"name": "service", "value": "shop", "tag": "service"},
        {"name": "environment", "value": "production", "tag": ""},
        {"name": "role", "value": "web", "tag": "Role"},
    ]
    assert found["defined"] == f"{STANDARD}:17:3"
    assert found["file"] == TARGETS
    assert instance(1).id in (generated / TARGETS).read_text().split("\n")[found["line"] - 1]


CELL_CONFIG, ROUTES = "cells/main-us-east-1/prometheus.yml", "alertmanager/alertmanager.yml"


@pytest.mark.parametrize(
    ("place", "what", "origin"),
    [
        ((CELL_CONFIG, "scrape_interval"), "global", "mac.yaml, which does not say"),
        ((CELL_CONFIG, 'job_name: "web"'), "the scrape job web", f"{STANDARD}:3:18"),
        ((ROUTES, 'name: "platform / ticket"'), "the receiver", "standards/teams/platform.yaml:8"),
        ((ROUTES, 'severity="page"'), "the route of team", "standards/teams/platform.yaml:6"),
    ],
)
def test_a_line_of_configuration_leads_to_the_document_that_settles_it(
    generated: Path, mac: Mac, place: tuple[str, str], what: str, origin: str
) -> None:
    line = told(mac, generated, line_of(generated, *place))["line"]
    assert line["what"].startswith(what)
    assert any(each["place"].startswith(origin) for each in line["origins"]), line["origins"]


def test_what_cloudwatch_tells_of_a_resource_is_its_own_standards(generated: Path, mac: Mac) -> None:
    answer = told(mac, generated, line_of(generated, EXPORTER, "FreeableMemory"))
    (found,) = answer["found"]
    assert (found["standard"], found["defined"]) == ("databases", f"{DATABASES}:7:3")
    assert found["arn"] == DATABASE.arn
    assert answer["line"]["origins"][0] == {
        "what": "metric",
        "name": "FreeableMemory of databases",
        "place": f"{DATABASES}:11:16",
    }
    (found,) = told(mac, generated, TOPIC.arn)["found"]
    assert found["standard"] == "alarms"
    (lead,) = told(mac, generated, line_of(generated, DATABASES, "cloudwatch:"))["line"]["leads"]
    assert (lead["kind"], lead["file"], lead["count"]) == ("target", EXPORTER, 1)


def test_a_line_of_a_large_file_is_read_by_its_item_alone(
    generated: Path, mac: Mac, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = line_of(generated, EXPORTER, "FreeableMemory")
    whole = told(mac, generated, place)
    monkeypatch.setattr(places, "_LARGE", 10)
    assert told(mac, generated, place) == whole


def test_a_comment_is_told_as_what_encloses_it(generated: Path, mac: Mac) -> None:
    line = told(mac, generated, f"{RULES}:1")["line"]
    assert line["what"] == "a comment within the rules of shop / production in main-us-east-1"
    assert line["origins"][-1]["place"].startswith("templates/rules/rules.yml.j2:1:1")
    comment = told(mac, generated, line_of(generated, SERVICE, "# Sales weeks"))["line"]
    assert comment["what"] == "a comment within the parameters of the standard web for the service shop"
    blank = told(mac, generated, f"{SERVICE}:7")["line"]
    assert blank["what"].startswith("a blank line within the spec of the service shop")


# --- lines of documents -------------------------------------------------------------------------------


def test_a_line_of_a_parameter_tells_which_value_it_has_for_whom(generated: Path, mac: Mac) -> None:
    line = told(mac, generated, f"{STANDARD}:13:16")["line"]
    assert line["owner"] == "you"
    assert line["what"] == "the default of the parameter floor of the standard web"
    values = {(v["service"], v["environment"], v["override"]): v["decision"]["value"] for v in line["values"]}
    assert values == {
        ("blog", "production", ""): 0.9,
        ("blog", "staging", ""): 0.5,
        ("shop", "production", ""): 0.8,
        ("shop", "production", "floor=0.25"): 0.25,
        ("shop", "staging", ""): 0.8,
    }
    assert {lead["name"] for lead in line["leads"]} == {"WebDown"}
    assert len(line["leads"]) == 5


def test_a_parameter_of_a_service_leads_to_its_own_rules_alone(generated: Path, mac: Mac) -> None:
    line = told(mac, generated, line_of(generated, SERVICE, "floor: 0.8"))["line"]
    assert {lead["service"] for lead in line["leads"]} == {"shop"}
    assert RULES in {lead["file"] for lead in line["leads"]}
    staging = told(mac, generated, line_of(generated, "mac.yaml", "floor: 0.5"))["line"]
    assert {lead["environment"] for lead in staging["leads"]} == {"staging"}


@pytest.mark.parametrize(
    ("text", "what", "kinds"),
    [
        ("alert: WebDown", "the alert WebDown of the standard web", {"alert"}),
        (
            "record: service",
            "the recorded series service:web_up:ratio of the standard web",
            {"alert", "recording"},
        ),
        ("scrape:", "the scrape of the standard web", {"target"}),
        ("kind: ec2-instance", "the spec.applies_to.kind of the standard web", {"target", "file"}),
    ],
)
def test_a_line_of_a_standard_leads_to_all_that_is_made_of_it(
    generated: Path, mac: Mac, text: str, what: str, kinds: set[str]
) -> None:
    line = told(mac, generated, line_of(generated, STANDARD, text))["line"]
    assert line["what"].startswith(what)
    assert {lead["kind"] for lead in line["leads"]} >= kinds
    for lead in line["leads"]:
        assert (generated / lead["file"]).is_file()


def test_a_line_of_the_snapshot_is_a_resource_and_its_targets(generated: Path, mac: Mac) -> None:
    (path,) = (generated / "inventory/snapshot").rglob("ec2-instance.jsonl")
    place = line_of(generated, path.relative_to(generated).as_posix(), instance(3).id)
    (found,) = told(mac, generated, place)["found"]
    assert found["resource"]["arn"] == instance(3).arn


def test_whatever_line_is_asked_for_has_an_answer(generated: Path) -> None:
    known = reading.read(generated)
    written = [path for path in generated.rglob("*") if path.is_file() and ".mac" not in path.parts]
    assert {path.relative_to(generated).as_posix() for path in written} >= set(known.files)
    for path in written:
        lines = path.read_text(encoding="utf-8").removesuffix("\n").split("\n")
        for number in range(1, len(lines) + 1, 7 if path.suffix == ".json" and len(lines) > 300 else 1):
            place = locating.parse(f"{path}:{number}", known, [generated])
            assert place is not None
            answer = locating.answer(place, known)
            assert answer.line is not None
            assert answer.line.text == lines[number - 1]
            assert answer.line.owner in ("mac", "you")
            assert answer.line.what
            assert report.text(answer).startswith(f"{answer.line.path}:{number}")


# --- what is asked in other ways ----------------------------------------------------------------------


def test_a_file_is_found_from_where_one_stands_and_by_its_whole_path(
    generated: Path, mac: Mac, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(generated / "standards")
    assert told(mac, generated, "services/shop.yaml:6")["line"]["path"] == SERVICE
    assert told(mac, generated, f"{generated / RULES}:2:1")["line"]["path"] == RULES
    whole = told(mac, generated, SERVICE)["line"]
    assert (whole["line"], whole["what"]) == (0, "the service shop")


@pytest.mark.parametrize(
    ("what", "words"),
    [
        ("WebDwn", 'did you mean "WebDown"?'),
        ("web", "web is a standard: ask for standards/web.yaml:1"),
        (f"{RULES}:4000", "no line 4000"),
        (f"{RULES}:0", "lines count from 1"),
        ("/etc/prometheus/mac/rules/production/shop.yml:12", f"did you mean {RULES}?"),
        ("standards/wep.yaml:3", f'did you mean "{STANDARD}"?'),
    ],
)
def test_what_is_not_there_is_told_with_what_is_meant(
    generated: Path, mac: Mac, what: str, words: str
) -> None:
    result = mac("explain", "-C", generated, what)
    assert result.exit_code == 64
    assert words in result.stderr


def test_an_alert_that_a_service_does_not_have_is_told_with_where_it_is(generated: Path, mac: Mac) -> None:
    result = mac("explain", "-C", generated, "WebDown", "--service", "shp")
    assert result.exit_code == 64
    assert "WebDown is not generated for shp" in result.stderr
    assert 'did you mean "shop"?' in result.stderr


def test_a_file_that_is_not_macs_is_said_to_be_none(repository: Path, mac: Mac) -> None:
    (repository / "notes.yml").write_text("a: 1\n")
    line = told(mac, repository, "notes.yml:1")["line"]
    assert line["owner"] == ""
    assert "neither wrote this file nor reads it" in line["what"]


def test_what_no_longer_fits_the_documents_is_noted(repository: Path, mac: Mac) -> None:
    assert told(mac, repository, "WebDown")["notes"] == []
    path = repository / SERVICE
    path.write_text(path.read_text().replace("0.8", "0.85"))
    rules = repository / RULES
    rules.write_text(rules.read_text().replace("< 0.8", "< 0.1"))
    notes = told(mac, repository, "WebDown", "--service", "shop")["notes"]
    assert any(f"{RULES} was changed by hand" in note for note in notes)
    assert any(note.startswith("service shop: changed since this was generated") for note in notes)
