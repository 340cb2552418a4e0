"""Golden cases: a sound repository, a case's files over it, and the whole report that a user sees.

`UPDATE_GOLDEN=1 pytest tests/test_standards.py` writes what the reports are now; read the difference.
"""

import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mac import kinds, report, standards
from mac.model import Exemption, LabelSource, Parameter
from mac.problems import Location

GOLDEN = Path(__file__).parent / "golden" / "problems"
BASE = GOLDEN / "_base"
CASES = sorted(path.name for path in GOLDEN.iterdir() if path.name != "_base")
EXPECTED = "expected.txt"
REMOVE = "_remove.txt"


def build(case: str, into: Path) -> Path:
    shutil.copytree(BASE, into, dirs_exist_ok=True)
    folder = GOLDEN / case
    shutil.copytree(folder, into, dirs_exist_ok=True, ignore=shutil.ignore_patterns(EXPECTED, REMOVE))
    if (folder / REMOVE).exists():
        for name in (folder / REMOVE).read_text().split():
            (into / name).unlink()
    return into


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    return build("_base", tmp_path)


def edit(root: Path, path: str, old: str, new: str) -> None:
    text = (root / path).read_text()
    assert old in text
    (root / path).write_text(text.replace(old, new, 1))


def codes(root: Path) -> list[str]:
    return [problem.code for problem in standards.load(root).problems]


def test_a_folder_that_cannot_be_listed_is_not_an_empty_one(repository: Path):
    (repository / "standards/services/more").symlink_to("more")
    assert codes(repository) == []  # no link to a folder is followed
    shutil.rmtree(repository / "standards")
    (repository / "standards").touch()
    first = standards.load(repository).problems[-1]
    assert (first.location, first.code, first.message) == (
        Location("standards"),
        "file-unreadable",
        "is a file, not a folder",
    )
    (repository / "standards").unlink()
    (repository / "standards").symlink_to("standards")
    assert "leads back to itself" in standards.load(repository).problems[-1].message


@pytest.mark.parametrize("case", CASES)
def test_a_mistake_is_reported_as_its_golden_case_says(case: str, tmp_path: Path):
    expected = GOLDEN / case / EXPECTED
    loaded = standards.load(build(case, tmp_path))
    shown = report.text(loaded.problems, loaded.sources)
    if os.environ.get("UPDATE_GOLDEN"):
        expected.write_text(shown, encoding="utf-8")
    assert expected.exists(), "run with UPDATE_GOLDEN=1 and read what it writes"
    assert shown == expected.read_text(encoding="utf-8")
    assert loaded.problems


@pytest.mark.parametrize("case", CASES)
def test_a_golden_case_has_an_input_of_its_own(case: str):
    names = {path.name for path in (GOLDEN / case).rglob("*") if path.is_file()}
    assert names - {EXPECTED}, "a stale expected.txt"


def test_the_base_of_the_golden_cases_is_sound(repository: Path):
    loaded = standards.load(repository)
    assert loaded.problems == ()
    assert loaded.catalog is not None


# --- what is loaded ----------------------------------------------------------------------------------


def test_a_repository_becomes_a_catalog(repository: Path):
    catalog = standards.load(repository).catalog
    assert catalog is not None
    assert sorted(catalog.standards) == ["database", "store"]
    assert sorted(catalog.services) == ["billing", "shop"]
    assert sorted(catalog.teams) == ["platform", "sales"]
    store = catalog.standards["store"]
    assert store.applies_to.any_of == ({"role": ("store",)}, {"emr_role": ("core",)})
    assert store.parameters["down_ratio"] == Parameter(
        "down_ratio",
        "ratio",
        0.1,
        "",
        0.01,
        1,
        "Share that may be down.",
        False,
        Location("standards/data/store.yaml", 15, 5, 10),
    )
    assert store.scrape is not None
    assert (store.scrape.job, store.scrape.port, store.scrape.path) == ("store", 9404, "/metrics")
    assert store.alerts[0].outage
    assert store.alerts[0].keep_firing_for.text == "0s"
    shop = catalog.services["shop"]
    assert shop.parameters == {"store": {"down_ratio": 0.2}}
    assert shop.exemptions == (
        Exemption(
            "store",
            "It is being rebuilt.",
            "2099-12-31",
            "StoreDown",
            "",
            Location("standards/services/shop.yaml", 14, 16, 12),
        ),
    )
    assert catalog.services["billing"].tier == 3
    assert catalog.teams["sales"].receivers["page"][0].type == "pagerduty"
    assert catalog.project.environments == {"staging": {"store": {"patience": "30m"}}}


def test_an_expression_of_several_lines_is_placed_at_its_first(repository: Path):
    loaded = standards.load(repository)
    assert loaded.catalog is not None
    text = loaded.catalog.standards["store"].recording[0].expr
    lines = loaded.sources[text.location.path]
    for offset, line in enumerate(text.text.splitlines()):
        assert lines[text.location.line - 1 + offset][text.location.column - 1 :] == line


def test_a_project_may_leave_everything_out(repository: Path):
    (repository / "mac.yaml").write_text("apiVersion: mac/v1\nkind: Project\nspec: {}\n")
    catalog = standards.load(repository).catalog
    assert catalog is not None
    project = catalog.project
    assert project.labels == (
        LabelSource("service", ("service",)),
        LabelSource("role", ("role",)),
        LabelSource("environment", ("environment", "env"), "production"),
        LabelSource("team", ("team", "owner")),
    )
    assert (project.default_team, project.default_tier, project.undeclared_services) == (
        "platform",
        3,
        "bind",
    )
    assert (project.scrape_interval, project.group_wait, project.output) == ("30s", "30s", ".")


@pytest.mark.parametrize(
    ("given", "read"),
    [
        ("", {*kinds.DEFAULT, "sns-topic"}),
        ("kinds: all", set()),
        ("kinds: [sqs-queue]", {"sqs-queue"}),
    ],
)
def test_an_inventory_reads_the_kinds_that_are_named_or_watched(repository: Path, given: str, read: set[str]):
    edit(repository, "standards/aws/database.yaml", "rds-instance", "sns-topic")
    edit(repository, "inventory/aws.yaml", "kinds: [ec2-instance, rds-instance]", given)
    loaded = standards.load(repository)
    assert loaded.catalog is not None, loaded.problems
    assert set(loaded.catalog.inventory.kinds) == read


def test_settings_of_the_project_reach_the_catalog(repository: Path):
    (repository / "mac.yaml").write_text(
        "apiVersion: mac/v1\nkind: Project\nspec:\n"
        "  labels: {environment: {tags: [stage], aliases: {prod: production}}}\n"
        "  default_tier: 2\n  undeclared_services: report\n  output: out\n"
        "  prometheus:\n    scrape_interval: 15s\n    alertmanagers: ['127.0.0.1:9093']\n"
        "    cloudwatch_exporter: 'yace:5000'\n"
        "  alertmanager: {group_wait: 10s, repeat_interval: 1d}\n"
        "  guards: {removed_targets: 0.5, minimum: 3}\n"
    )
    catalog = standards.load(repository).catalog
    assert catalog is not None
    project = catalog.project
    assert project.labels[2] == LabelSource("environment", ("stage",), "production", {"prod": "production"})
    assert (project.default_tier, project.undeclared_services, project.output) == (2, "report", "out")
    assert (project.scrape_interval, project.alertmanagers) == ("15s", ("127.0.0.1:9093",))
    assert (project.cloudwatch_exporter, project.group_wait) == ("yace:5000", "10s")
    assert (project.repeat_interval, project.group_interval) == ("1d", "5m")
    assert (project.guards.removed_targets, project.guards.removed_rules, project.guards.minimum) == (
        0.5,
        0.3,
        3,
    )


def test_a_service_without_a_tier_has_the_projects(repository: Path):
    edit(repository, "mac.yaml", "spec:\n", "spec:\n  default_tier: 4\n")
    catalog = standards.load(repository).catalog
    assert catalog is not None
    assert catalog.services["billing"].tier == 4


def test_tests_are_loaded_beside_the_catalog(repository: Path):
    (test,) = standards.load(repository).tests
    assert (test.standard, test.cases[0].alerts[0].alert) == ("store", "StoreDown")


# --- digests -----------------------------------------------------------------------------------------


def digests(root: Path) -> dict[str, str]:
    catalog = standards.load(root).catalog
    assert catalog is not None
    return dict(catalog.digests)


def test_every_document_that_feeds_the_output_has_a_digest(repository: Path):
    assert sorted(digests(repository)) == [
        "service/billing",
        "service/shop",
        "settings",
        "standard/database",
        "standard/store",
        "team/platform",
        "team/sales",
    ]


def test_a_comment_changes_no_digest_and_a_value_changes_one(repository: Path):
    before = digests(repository)
    edit(repository, "standards/services/shop.yaml", "spec:\n", "spec: # ours\n")
    assert digests(repository) == before
    edit(repository, "standards/services/shop.yaml", "tier: 1", "tier: 2")
    after = digests(repository)
    assert {name for name in before if before[name] != after[name]} == {"service/shop"}


# --- one mistake is told once ------------------------------------------------------------------------


def test_a_document_that_does_not_fit_keeps_its_name(repository: Path):
    edit(repository, "standards/data/store.yaml", "port: 9404", "port: none")
    assert codes(repository) == ["wrong-type"]


def test_a_document_that_cannot_be_read_keeps_its_name(repository: Path):
    (repository / "standards/aws/database.yaml").write_text("a: [")
    (repository / "standards/services/billing.yaml").unlink()
    (repository / "standards/services/billing.yaml").symlink_to("gone")
    assert codes(repository) == ["yaml-syntax", "file-missing"]


def test_warnings_alone_leave_a_catalog(repository: Path):
    edit(repository, "standards/data/store.yaml", "      for: << p.patience >>\n", "")
    loaded = standards.load(repository)
    assert [p.code for p in loaded.problems] == ["parameter-unused"]
    assert loaded.catalog is not None


@pytest.mark.parametrize("use", ["p.patience", "p['patience']", 'p["patience"]', "p . patience"])
def test_a_parameter_is_used_however_it_is_written(repository: Path, use: str):
    edit(
        repository,
        "standards/data/store.yaml",
        "for: << p.patience >>",
        f"for: '<< {use} >>'".replace("p['patience']", "p[''patience'']"),
    )
    assert codes(repository) == []


# --- files -------------------------------------------------------------------------------------------


def _fifo(path: Path) -> None:
    os.mkfifo(path)


def _huge(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(100_000_000)


@pytest.mark.parametrize(
    ("make", "code"),
    [
        (Path.mkdir, "file-unreadable"),
        (_fifo, "file-unreadable"),
        (_huge, "file-too-large"),
        (lambda path: path.symlink_to("nowhere.yaml"), "file-missing"),
        (lambda path: path.symlink_to(path.name), "file-unreadable"),
    ],
    ids=["directory", "pipe", "huge", "dangling link", "link to itself"],
)
@pytest.mark.parametrize("path", ["mac.yaml", "inventory/aws.yaml", "standards/data/odd.yaml"])
def test_what_is_no_document_is_a_problem(
    repository: Path, path: str, make: Callable[[Path], None], code: str
):
    (repository / path).unlink(missing_ok=True)
    make(repository / path)
    loaded = standards.load(repository)
    assert loaded.catalog is None
    assert code in [p.code for p in loaded.problems if p.location.path == path]


def with_page(root: Path, runbook: str) -> standards.Loaded:
    edit(root, "standards/data/store.yaml", "https://example.org/store", runbook)
    return standards.load(root)


def test_a_runbook_of_the_repository_is_linked_where_people_read_it(repository: Path):
    page = repository / "standards/runbooks/store.md"
    page.parent.mkdir(parents=True)
    page.touch()
    edit(repository, "mac.yaml", "spec:", "spec:\n  runbooks: https://git.example/runbooks/\n")
    loaded = with_page(repository, "store.md")
    assert loaded.problems == ()
    assert loaded.catalog is not None
    standard = loaded.catalog.standards["store"]
    assert standard.runbook == "https://git.example/runbooks/store.md"
    for alert in standard.alerts:
        assert alert.runbook == f"{standard.runbook}#{alert.alert.lower()}"


def test_a_runbook_that_is_not_there_is_told(repository: Path):
    loaded = with_page(repository, "store.md")
    assert [(p.code, p.severity) for p in loaded.problems] == [("file-missing", "warning")]


def test_a_runbook_elsewhere_is_linked_as_it_is(repository: Path):
    loaded = with_page(repository, "https://wiki.example/store")
    assert loaded.catalog is not None
    assert loaded.catalog.standards["store"].runbook == "https://wiki.example/store"
    assert {alert.runbook for alert in loaded.catalog.standards["store"].alerts} == {""}


def test_hidden_files_and_other_endings_are_left_alone(repository: Path):
    (repository / "standards/.cache").mkdir()
    (repository / "standards/.cache/x.yaml").write_text("[")
    (repository / "standards/data/.swap.yaml").write_text("[")
    (repository / "standards/data/README.md").write_text("[")
    assert codes(repository) == []


def test_the_other_yaml_ending_is_read_too(repository: Path):
    (repository / "standards/data/store.yaml").rename(repository / "standards/data/store.yml")
    (repository / "standards/data/store.test.yaml").rename(repository / "standards/data/store.test.yml")
    assert codes(repository) == []


def test_a_file_name_that_is_not_utf8_can_be_reported(repository: Path):
    folder = os.fsencode(repository / "standards/data")
    with open(folder + b"/caf\xe9.yaml", "wb") as file:
        file.write(b"a: [")
    loaded = standards.load(repository)
    report.text(loaded.problems, loaded.sources).encode()
    report.as_json(loaded.problems).encode()
    report.github(loaded.problems).encode()


def test_a_long_chain_of_dependencies_is_no_circle(repository: Path):
    for n in range(1500):
        depends_on = f"[chain-{n + 1}]" if n < 1499 else "[]"
        (repository / f"standards/services/chain-{n}.yaml").write_text(
            f"apiVersion: mac/v1\nkind: Service\nmetadata: {{name: chain-{n}}}\n"
            f"spec: {{owner: sales, depends_on: {depends_on}}}\n"
        )
    assert codes(repository) == []
    edit(repository, "standards/services/chain-1499.yaml", "[]", "[chain-0]")
    assert codes(repository) == ["dependency-cycle"]


@pytest.mark.parametrize(
    ("extra", "code"),
    [
        ("outage: true\n      reach: cell\n      reminder: 1d", None),
        ("explained_by: [StoreDwn]", "unknown-alert"),
        ("explained_by: [StoreDown]", "unknown-alert"),  # by itself
        ("reach: cell", "wrong-value"),
        ("reminder: often", "wrong-value"),
        ("labels: {reach: cell}", "wrong-value"),
    ],
)
def test_what_mutes_an_alert_exists_and_only_outages_reach_a_cell(
    repository: Path, extra: str, code: str | None
):
    edit(
        repository,
        "standards/data/store.yaml",
        "severity: page\n      outage: true",
        f"severity: page\n      {extra}",
    )
    assert codes(repository) == ([code] if code else [])


# --- properties --------------------------------------------------------------------------------------

_JUNK = (
    "[]",
    "{}",
    "~",
    "5",
    "-1",
    "x",
    "true",
    "[x]",
    "{a: b}",
    "''",
    "0.5",
    "[[x]]",
    "|\n",
    "&a x",
    "'",
    "{{",
)


@settings(max_examples=150)
@given(st.data())
def test_whatever_stands_behind_a_key_is_loaded_or_told(data: st.DataObject):
    documents = sorted(BASE.rglob("*.yaml"))
    path = data.draw(st.sampled_from(documents))
    lines = path.read_text().splitlines()
    keyed = [n for n, line in enumerate(lines) if ":" in line]
    for _ in range(data.draw(st.integers(1, 3))):
        n = data.draw(st.sampled_from(keyed))
        lines[n] = f"{lines[n].partition(':')[0]}: {data.draw(st.sampled_from(_JUNK))}"
    with tempfile.TemporaryDirectory() as folder:
        root = build("_base", Path(folder))
        (root / path.relative_to(BASE)).write_text("\n".join(lines) + "\n")
        loaded = standards.load(root)
    assert loaded.catalog is not None or loaded.problems
    assert report.text(loaded.problems, loaded.sources) or not loaded.problems
