"""What the documents say is what happens: examples are run, pages that are made from the code have it all."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
import yaml
from click.testing import Result

from mac import engines, kinds, servers
from mac import snapshot as snapshots
from mac.answers import Cause
from mac.probe_model import MODULES
from mac.problems import CODES
from tests.builders import instance, snapshot

PROJECT = Path(__file__).resolve().parent.parent
DOCS = PROJECT / "docs"
Mac = Callable[..., Result]

_NAMED = re.compile(r"<!-- example: (\S+) -->\n```yaml\n(.*?)```", re.DOTALL)
_HEADED = re.compile(r"```yaml\n# (\S+\.yaml)\n(.*?)```", re.DOTALL)
_LINK = re.compile(r"\]\(([^)\s]+)\)")


@pytest.fixture
def repository(tmp_path: Path, mac: Mac) -> Path:
    root = tmp_path / "monitoring"
    assert mac("init", root).exit_code == 0
    return root


def examples(page: Path, pattern: re.Pattern[str]) -> Mapping[str, str]:
    return dict(pattern.findall(page.read_text(encoding="utf-8")))


def write(root: Path, files: Mapping[str, str]) -> None:
    for path, text in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text, encoding="utf-8")


def test_the_example_of_a_standard_validates_and_passes_its_tests(repository: Path, mac: Mac) -> None:
    found = examples(DOCS / "standards.md", _NAMED)
    assert sorted(found) == ["standards/data/redis.test.yaml", "standards/data/redis.yaml"]
    write(repository, found)
    validated = mac("validate", "-C", repository)
    assert validated.exit_code == 0, validated.output
    assert "no problems" in validated.output
    tested = mac("test", "-C", repository, repository / "standards/data/redis.test.yaml")
    assert tested.exit_code == 0, tested.output
    assert "5 passed, 0 failed" in tested.output


def test_the_example_of_a_standard_is_bound_and_generates(repository: Path, mac: Mac) -> None:
    write(repository, examples(DOCS / "standards.md", _NAMED))
    found = repository.parent / "snapshot.jsonl"
    machine = instance(1, {"service": "cart", "role": "redis+cache", "mac:memory_ratio": "0.95"})
    found.write_bytes(snapshots.to_bytes(snapshot(machine)))
    made = mac("generate", "-C", repository, "--snapshot", found)
    assert made.exit_code == 0, made.output
    rules = (repository / "cells/main-us-east-1/rules/production/cart.yml").read_text(encoding="utf-8")
    assert "RedisMemoryFull" in rules
    assert 'override="memory_ratio=0.95"' in rules


def test_every_key_of_a_standard_and_of_its_tests_is_explained(mac: Mac) -> None:
    page = (DOCS / "standards.md").read_text(encoding="utf-8")
    for name in ("standard", "standard-test"):
        schema = yaml.safe_load((PROJECT / f"mac/schemas/{name}.json").read_text(encoding="utf-8"))
        keys = {key for part in _objects(schema) for key in part.get("properties", ())}
        missing = {key for key in keys if not re.search(rf"\b{key}\b", page)}
        assert missing == set()


def _objects(schema: object) -> list[dict[str, dict[str, object]]]:
    if isinstance(schema, list):
        return [found for part in schema for found in _objects(part)]
    if not isinstance(schema, dict):
        return []
    return [schema, *(found for part in schema.values() for found in _objects(part))]


def test_what_init_says_comes_next_is_there_to_do(tmp_path: Path, mac: Mac) -> None:
    told = mac("init", tmp_path / "monitoring").stderr
    steps = [line.split("   ")[0].strip() for line in told.partition("Next:\n")[2].splitlines()]
    files = [part for step in steps if not step.startswith(("mac ", "git ")) for part in step.split(", ")]
    assert files == ["inventory/aws.yaml", "mac.yaml", "standards/services", "teams"]
    assert all((tmp_path / "monitoring" / name).exists() for name in files[:-1])
    for command in (step.split()[1] for step in steps if step.startswith("mac ")):
        assert mac(command, "--help").exit_code == 0


def test_the_examples_of_the_readme_validate(repository: Path, mac: Mac) -> None:
    found = examples(PROJECT / "README.md", _HEADED)
    assert set(found) >= {
        "inventory/aws.yaml",
        "standards/services/orders.yaml",
        "standards/teams/shop.yaml",
    }
    write(repository, found)
    validated = mac("validate", "-C", repository)
    assert validated.exit_code == 0, validated.output


def test_the_settings_that_are_shipped_give_a_true_example() -> None:
    text = (PROJECT / "mac.yaml").read_text(encoding="utf-8")
    (example,) = re.findall(r"^ +#   (staging: .*)$", text, re.MULTILINE)
    for standard, values in yaml.safe_load(example)["staging"]["parameters"].items():
        (path,) = (PROJECT / "standards").glob(f"*/{standard}.yaml")
        known = yaml.safe_load(path.read_text(encoding="utf-8"))["spec"]["parameters"]
        assert set(values) <= set(known)


def test_the_page_of_kinds_explains_every_kind() -> None:
    page = (DOCS / "kinds.md").read_text(encoding="utf-8")
    assert all(f"\n## {name}\n" in page for name in kinds.names())


@pytest.mark.parametrize(
    "page", [PROJECT / "README.md", PROJECT / "CONTRIBUTING.md", *sorted(DOCS.rglob("*.md"))], ids=str
)
def test_links_within_the_project_lead_somewhere(page: Path) -> None:
    for link in _LINK.findall(page.read_text(encoding="utf-8")):
        path, _, anchor = link.partition("#")
        if "://" in link:
            continue
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), link
        if anchor and target.suffix == ".md":
            headings = re.findall(r"^#+ (.+)$", target.read_text(encoding="utf-8"), re.MULTILINE)
            assert anchor in {_anchor(heading) for heading in headings}, link


def _anchor(heading: str) -> str:
    return re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")


def test_problem_codes_that_the_pages_name_exist() -> None:
    named = set(
        re.findall(r"\[`?([a-z]+(?:-[a-z]+)+)`?\]\(problems\.md", (DOCS / "operations.md").read_text())
    )
    assert named
    assert named <= set(CODES)


def test_prometheus_follows_targets_without_a_reload(repository: Path, mac: Mac, generation: str) -> None:
    """docs/operations.md says so: `generate` exchanges whole folders, and Prometheus must not lose them."""

    def generate(numbers: range) -> None:
        found = repository.parent / "snapshot.jsonl"
        tags = {"service": "hdfs", "role": "hdfs-datanode"}
        found.write_bytes(snapshots.to_bytes(snapshot(*(instance(n, tags) for n in numbers))))
        made = mac("generate", "-C", repository, "--snapshot", found, "--allow-shrink")
        assert made.exit_code == 0, made.output

    generate(range(20))
    config = repository / "cells/main-us-east-1/prometheus.yml"
    with servers.prometheus(config, engine=engines.require("prometheus")) as api:
        for numbers in (range(20), range(30), range(15, 60)):
            generate(numbers)
            _until_targets(api, {instance(n).addresses[0] + ":9404" for n in numbers})


def _until_targets(api: servers.Prometheus, expected: set[str]) -> None:
    """Waits as long as a refresh_interval and the manager's five seconds may take, and half as long again."""
    deadline = time.monotonic() + 50
    while True:
        answer = api.get("/api/v1/targets", state="active")
        active = answer["data"]["activeTargets"]  # type: ignore[index,call-overload]
        found = {t["labels"]["instance"] for t in active if t["labels"]["job"] == "hdfs-datanode"}  # type: ignore[index,call-overload,union-attr]
        if found == expected:
            return
        assert time.monotonic() < deadline, found ^ expected
        time.sleep(0.1)


def test_every_cause_of_a_scope_that_is_not_read_is_explained() -> None:
    section = (DOCS / "inventory.md").read_text().split("## When a scope is not read\n")[1].split("\n## ")[0]
    assert set(re.findall(r"^\| `([a-z-]+)` \|", section, re.MULTILINE)) == {cause.value for cause in Cause}


def test_the_examples_of_endpoints_generate_probes_that_have_no_problems(repository: Path, mac: Mac) -> None:
    page = DOCS / "endpoints.md"
    found = examples(page, _HEADED)
    assert sorted(found) == ["standards/compute/web-answers.yaml", "standards/services/shop.yaml"]
    write(repository, found)
    (modules,) = re.findall(r"```yaml\nspec:\n.*?\n(  probe_modules:\n.*?)```", page.read_text(), re.DOTALL)
    with (repository / "mac.yaml").open("a") as project:
        project.write(modules)
    validated = mac("validate", "-C", repository)
    assert validated.exit_code == 0, validated.output
    assert "web-answers" not in validated.output  # its metrics are checked, its test is not missing here


def test_the_page_of_endpoints_has_every_module_and_every_kind_that_is_probed() -> None:
    text = (DOCS / "endpoints.md").read_text(encoding="utf-8")
    rows = set(re.findall(r"^\| `([a-z0-9_-]+)` \|", text, re.MULTILINE))
    assert rows - {"url", "module", "environment", "cell"} == {
        *MODULES,
        *(name for name in kinds.names() if kinds.has_endpoints(name)),
    }
