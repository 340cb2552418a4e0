import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

from mac import emit, engines, schema, source
from mac.problems import CODES

ROOT = Path(__file__).resolve().parent.parent
NAMES = schema.names()

STANDARD = """\
apiVersion: mac/v1
kind: Standard
metadata: {name: store, title: Store}
spec:
  applies_to: {kind: ec2-instance}
  scrape: {job: store, port: 9404}
"""
COUNT = "{type: count, default: 1, description: x}"
ALERT = "alert: A, expr: up, severity: page, summary: s, description: d"


def documents() -> Iterator[Path]:
    yield ROOT / "mac.yaml"
    yield ROOT / "inventory/aws.yaml"
    yield from sorted((ROOT / "standards").rglob("*.yaml"))


def told(text: str, name: str = "standard") -> list[tuple[str, str, str]]:
    """(what a caret stands under, code, message and hint) of each problem."""
    document, problems = source.parse(text.encode(), "f")
    assert problems == ()
    assert document is not None
    found = []
    for problem in schema.problems(document, name):
        place = problem.location
        under = document.lines[place.line - 1][place.column - 1 : place.column - 1 + place.length]
        found.append((under, problem.code, f"{problem.message} | {problem.hint}"))
    return found


def only(text: str, name: str = "standard") -> tuple[str, str, str]:
    (one,) = told(text, name)
    return one


# --- the schemas themselves --------------------------------------------------------------------------


def test_every_kind_of_document_has_a_schema():
    files = {path.stem for path in (ROOT / "mac/schemas").glob("*.json")}
    assert files == set(NAMES) == set(schema.KINDS.values())


@pytest.mark.parametrize("name", NAMES)
def test_a_schema_is_one_by_its_own_rules(name: str):
    jsonschema_rs.meta.validate(json.loads(schema.text(name)))


@pytest.mark.parametrize("name", NAMES)
def test_a_schema_says_where_it_is_published(name: str):
    parsed = json.loads(schema.text(name))
    assert parsed["$id"].endswith(f"/mac/schemas/{name}.json")
    assert parsed["$schema"] == "https://json-schema.org/draft/2020-12/schema"


def _properties(node: Any, at: str = "") -> Iterator[tuple[str, Mapping[str, Any]]]:
    if isinstance(node, dict):
        for key, inner in node.get("properties", {}).items():
            if "$ref" not in inner:
                yield f"{at}.{key}", inner
        for key, inner in node.items():
            if key not in ("examples", "required", "enum", "if"):
                yield from _properties(inner, f"{at}.{key}")
    elif isinstance(node, list):
        for number, inner in enumerate(node):
            yield from _properties(inner, f"{at}[{number}]")


@pytest.mark.parametrize("name", NAMES)
def test_every_property_has_a_title_a_description_and_examples_that_fit(name: str):
    whole = json.loads(schema.text(name))
    properties = list(_properties(whole))
    assert properties
    for where, inner in properties:
        assert inner.get("title"), where
        assert inner.get("description"), where
        assert inner.get("examples"), where
        part = {**inner, "$defs": whole.get("$defs", {})}
        for example in inner["examples"]:
            jsonschema_rs.Draft202012Validator(part).validate(example)


@pytest.mark.parametrize("name", NAMES)
def test_no_object_takes_keys_that_it_does_not_know(name: str):
    for where, inner in _properties(json.loads(schema.text(name))):
        if inner.get("type") == "object":
            assert "additionalProperties" in inner, where
            assert inner["additionalProperties"] is not True, where


@pytest.mark.parametrize("name", NAMES)
def test_the_example_of_a_document_fits(name: str):
    for example in json.loads(schema.text(name))["examples"]:
        assert schema.check(example, name) == ()


@pytest.mark.parametrize("path", list(documents()), ids=lambda path: path.name)
def test_every_document_that_is_shipped_fits(path: Path):
    document, problems = source.read(path, ROOT)
    assert problems == ()
    assert document is not None
    assert schema.problems(document, schema.KINDS[document.data["kind"]]) == ()


def test_a_schema_that_does_not_exist_is_a_key_error():
    with pytest.raises(KeyError):
        schema.text("gone")
    with pytest.raises(KeyError):
        schema.check({}, "gone")


def _filled(node: Mapping[str, Any], definitions: Mapping[str, Any]) -> Any:
    """A value with every key that a schema knows, made of its examples."""
    if "$ref" in node:
        node = definitions[node["$ref"].rpartition("/")[2]]
    if "properties" in node:
        return {key: _filled(inner, definitions) for key, inner in node["properties"].items()}
    return node["examples"][0]


def test_every_field_of_a_receiver_is_taken_by_all_supported_alertmanagers(generation: str, tmp_path: Path):
    definitions = json.loads(schema.text("team"))["$defs"]
    receiver: dict[str, Any] = {"name": "all"}
    for kind, integration in definitions["integration"]["properties"].items():
        if generation == "bookworm" and kind == "msteamsv2":  # it came with Alertmanager 0.28
            continue
        fields = _filled(integration, definitions)
        if kind == "pagerduty":
            del fields["service_key_file"]  # one of the two keys
        if kind == "webhook":
            # One of the two addresses; that by a file came with Alertmanager 0.26.
            del fields["url_file" if generation == "bookworm" else "url"]
        if "http_config" in fields:
            del fields["http_config"]["basic_auth"]  # one of the two authentications
        receiver[f"{kind}_configs"] = [fields]
    path = tmp_path / "alertmanager.yml"
    path.write_text(emit.yaml({"route": {"receiver": "all"}, "receivers": [receiver]}) + "\n")
    amtool = engines.find("amtool")
    assert amtool is not None
    assert amtool.check_config(path) == ()


# --- what is told ------------------------------------------------------------------------------------


def test_the_smallest_standard_fits():
    assert told(STANDARD) == []


@pytest.mark.parametrize(
    ("old", "new", "under", "code", "words"),
    [
        ("title: Store", "titel: Store", "titel", "unknown-key", 'did you mean "title"?'),
        (", title: Store", "", "metadata", "missing-key", '"title" is missing'),
        ("title: Store", "title: 5", "5", "wrong-type", 'put it in quotes: "5"'),
        ("title: Store", "title: ~", "title", "wrong-type", "nothing stands behind this key"),
        ("title: Store", "title: [x]", "[x]", "wrong-type", "expected text, found a list"),
        ("title: Store", "title: ''", "''", "wrong-value", "the text is empty"),
        ("port: 9404", "port: '9404'", "'9404'", "wrong-type", "without quotes"),
        ("port: 9404", "port: 0x24bc", "0x24bc", "wrong-type", 'expected a whole number, found "0x24bc"'),
        ("port: 9404", "port: 0", "0", "wrong-value", "0 is below the minimum 1"),
        ("port: 9404", "port: 70000", "70000", "wrong-value", "above the maximum 65535"),
        ("port: 9404", "port: 1.5", "1.5", "wrong-type", "whole number"),
        ("port: 9404", "port: 1, scheme: htps", "htps", "wrong-value", 'did you mean "https"?'),
        ("port: 9404", "port: 1, interval: 30", "30", "wrong-type", "a duration such as 30s"),
        ("port: 9404", "port: 1, interval: 30 s", "30 s", "wrong-value", "a duration such as 30s"),
        ("name: store", "name: Store", "Store", "wrong-value", "lower-case letters"),
        ("scrape: {job: store, port: 9404}", "runbook: https://x", "spec", "missing-key", 'or "probe"'),
        ("scrape:", "for: 5m\n  scrape:", "for", "unknown-key", "it belongs under spec.alerts[]"),
        ("scrape:", "depends_on: [a, b, a]\n  scrape:", "[a, b, a]", "wrong-value", '"a" stands twice'),
        ("scrape:", "depends_on: a\n  scrape:", "a", "wrong-type", 'write it as a list: ["a"]'),
        ("scrape:", "alerts: [x]\n  scrape:", "x", "wrong-type", "expected a mapping"),
        ("scrape:", f"parameters: {{Bad: {COUNT}}}\n  scrape:", "Bad", "wrong-value", "must be"),
    ],
)  # fmt: skip
def test_a_departure_is_told_at_its_place_in_plain_words(
    old: str, new: str, under: str, code: str, words: str
):
    assert old in STANDARD
    found = only(STANDARD.replace(old, new))
    assert found[:2] == (under, code)
    assert words in found[2]


@pytest.mark.parametrize(
    ("word", "hint"),
    [("yes", "true"), ("On", "true"), ("off", "false"), ("True", "true"), ('"false"', "false")],
)
def test_words_for_booleans_are_translated(word: str, hint: str):
    assert only(STANDARD + f"  alerts: [{{{ALERT}, outage: {word}}}]\n")[2].endswith(f"write {hint}")


@pytest.mark.parametrize(("word", "hint"), [("10%", "write it as a share: 0.1"), ("2.5%", "0.025")])
def test_a_percentage_is_translated_to_a_share(word: str, hint: str):
    text = f"apiVersion: mac/v1\nkind: Project\nspec: {{guards: {{removed_rules: {word}}}}}\n"
    assert hint in only(text, "project")[2]


def test_a_misspelt_key_is_not_told_as_missing_too():
    found = told(STANDARD + f"  alerts: [{{{ALERT.replace('expr', 'exprr')}}}]\n")
    assert [(under, code) for under, code, _ in found] == [("exprr", "unknown-key")]


def test_everything_that_is_missing_in_one_mapping_is_one_problem():
    found = only(STANDARD + "  alerts:\n    - {alert: A, severity: page}\n")
    assert '"expr", "summary" and "description" are missing in alert' in found[2]


def test_a_label_that_mac_sets_is_refused_at_its_key():
    assert only(STANDARD + f"  alerts: [{{{ALERT}, labels: {{tier: '1'}}}}]\n")[:2] == ("tier", "wrong-value")


def test_two_ways_of_which_one_is_wanted_are_named():
    team = (
        "apiVersion: mac/v1\nkind: Team\nmetadata: {name: t}\nspec:\n  receivers:\n    page:\n"
        "      - pagerduty: {routing_key_file: /a, service_key_file: /b}\n"
    )
    assert 'only one of "routing_key_file" and "service_key_file"' in only(team, "team")[2]


def test_two_authentications_exclude_each_other():
    http = "{authorization: {credentials_file: /a}, basic_auth: {username: u, password_file: /b}}"
    team = (
        "apiVersion: mac/v1\nkind: Team\nmetadata: {name: t}\nspec:\n  receivers:\n"
        f"    page: [{{webhook: {{url: 'https://x', http_config: {http}}}}}]\n"
    )
    assert "exclude each other" in only(team, "team")[2]


def test_every_code_that_a_schema_error_may_have_is_declared():
    text = Path(schema.__file__).read_text(encoding="utf-8")
    used = {
        code for code in ("unknown-key", "missing-key", "wrong-type", "wrong-value") if f'"{code}"' in text
    }
    assert used == {"unknown-key", "missing-key", "wrong-type", "wrong-value"} <= set(CODES)


def test_alternatives_are_judged_by_the_one_that_was_meant(monkeypatch: pytest.MonkeyPatch):
    alternatives = {
        "anyOf": [
            {"type": "string"},
            {
                "type": "object",
                "properties": {"kind": {"const": "a"}, "x": {"type": "integer"}},
                "required": ["kind"],
            },
            {
                "type": "object",
                "properties": {"kind": {"const": "b"}, "y": {"type": "integer"}},
                "required": ["kind"],
            },
        ]
    }
    monkeypatch.setattr(schema, "_load", lambda name: alternatives)
    monkeypatch.setattr(schema, "_validator", lambda name: jsonschema_rs.Draft202012Validator(alternatives))
    (error,) = schema.check({"kind": "b", "y": "z"}, "any")
    assert (error.pointer, error.code) == (("y",), "wrong-type")
    (error,) = schema.check(5, "any")
    assert error.message == "expected text or a mapping, found the number 5"
