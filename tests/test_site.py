"""The catalogue's site: every link leads somewhere, nothing comes from elsewhere, no value becomes markup."""

from __future__ import annotations

import json
import re
import shutil
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import date
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from click.testing import Result
from conftest import PROJECT

from mac import audit, conventions, markdown, site
from mac import snapshot as snapshots
from mac.bind import bind
from mac.coverage import coverage
from mac.model import Exemption, Service, Snapshot, Text, Unwatched
from mac.problems import ProblemsError
from tests.builders import alert, catalog, instance, snapshot, standard, team

Mac = Callable[..., Result]

TODAY = date(2026, 11, 23)
HOSTILE = "<img src=x onerror=hacked=1>"
NASTY = f"{HOSTILE}\"'&</script><script>hacked=1</script>\u202e\x00{{{{ 7*7 }}}}../../x"

_VOID = {"meta", "link", "input", "img", "br", "hr"}


class Parsed(HTMLParser):
    """The elements of a page, and whether each is closed where it must be."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.addresses: list[tuple[str, str]] = []  # element, address
        self.elements: Counter[str] = Counter()
        self.text: list[str] = []
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements[tag] += 1
        for name, value in attrs:
            assert not name.startswith("on"), f"{tag} {name}"
            if name == "id":
                self.ids.append(value or "")
            if name in ("href", "src"):
                self.addresses.append((tag, value or ""))
        if tag not in _VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in _VOID:
            assert self._open.pop() == tag

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        self.handle_endtag(tag)

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def parsed(content: Mapping[str, bytes]) -> dict[str, Parsed]:
    return {path: Parsed(data.decode()) for path, data in content.items() if path.endswith(".html")}


def write_site(material: site.Material, folder: Path) -> None:
    audit.write_site(site.render(material), folder)


def repository_with_snapshot(root: Path) -> Path:
    """A repository with all that mac ships, and a few machines of its services."""
    for name in ("mac.yaml", "standards", "templates", "inventory/aws.yaml"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        copy = shutil.copytree if (PROJECT / name).is_dir() else shutil.copyfile
        copy(PROJECT / name, root / name)
    tags = (
        {"service": "hdfs", "role": "hdfs-datanode"},
        {"service": "hdfs", "role": "hdfs-namenode"},
        {"service": "ingest", "role": "collector"},
        {"service": "unheard-of", "role": "x"},
        {},
    )
    found = snapshot(*(instance(n, tag) for n, tag in enumerate(tags, 1)))
    write_snapshot(root, found)
    return root


def write_snapshot(root: Path, found: Snapshot) -> None:
    for path, data in snapshots.files(found).items():
        place = root / conventions.SNAPSHOT_DIR / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(data)


def hostile_material() -> site.Material:
    """Whatever a name, a tag or a text may hold."""
    shown = standard(
        title=NASTY,
        description=NASTY,
        alerts=(alert(expr=f"up{NASTY}", summary=Text(NASTY)),),
        runbook=conventions.runbook_address("", "x.md"),
    )
    exemption = Exemption("web", NASTY, "2026-01-01")
    services = (
        Service("web", NASTY, 1, NASTY, NASTY, depends_on=(NASTY,), exemptions=(exemption,)),
        Service(NASTY, "platform", 2),
    )
    written = catalog(shown, services=services, unwatched=(Unwatched({"kind": (NASTY,)}, NASTY),))
    written = replace(written, teams={**written.teams, NASTY: replace(team(NASTY), title=NASTY)})
    tags = {"service": NASTY, "role": NASTY, "environment": NASTY, "team": NASTY}
    found = snapshot(instance(1, tags, name=NASTY), instance(2), instance(3, {}, name=NASTY))
    bindings = bind(written, found, TODAY)
    observed = site.Observed(
        bindings,
        coverage(written, found, bindings, TODAY),
        {NASTY: site.Dashboard(f"dashboards/{NASTY}.json", NASTY)},
    )
    runbook = f"# {NASTY}\n\n## WebDown\n\n{NASTY} [a](javascript:hacked=1) ![b](https://e.invalid/x.png)\n"
    return site.Material(written, {"x.md": runbook}, TODAY, observed, "https://grafana.invalid")


@pytest.fixture(scope="module")
def shipped(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, bytes]:
    root = repository_with_snapshot(tmp_path_factory.mktemp("monitoring"))
    return audit.site_of(root, None, TODAY, grafana="https://grafana.example.com/")


def broken_links(pages: Mapping[str, Parsed], files: Mapping[str, bytes]) -> list[str]:
    broken = []
    for path, page in pages.items():
        for element, address in page.addresses:
            parts = urlsplit(address)
            if parts.scheme in ("https", "http") and element == "a":
                continue
            assert not parts.scheme, f"{path}: {address}"
            assert not parts.netloc, f"{path}: {address}"
            assert not parts.path.startswith("/"), f"{path}: {address}"
            depth = path.count("/") - parts.path.count("../")
            assert depth >= 0, f"{path}: {address} leads out of the site"
            folder = "/".join(path.split("/")[:depth])
            target = unquote(parts.path.replace("../", ""))
            leads = f"{folder}/{target}".lstrip("/") if target else path
            anchor = unquote(parts.fragment)
            if leads not in files or (anchor and anchor not in pages[leads].ids):
                broken.append(f"{path}: {address}")
    return broken


# --- links -------------------------------------------------------------------------------------------


def test_every_link_and_anchor_of_the_shipped_library_resolves(shipped: Mapping[str, bytes]) -> None:
    pages = parsed(shipped)
    assert broken_links(pages, shipped) == []
    assert sum(len(page.addresses) for page in pages.values()) > 500


def test_an_identifier_stands_once_on_a_page(shipped: Mapping[str, bytes]) -> None:
    for path, page in parsed(shipped).items():
        twice = [name for name, count in Counter(page.ids).items() if count > 1]
        assert twice == [], path


def test_scripts_and_styles_are_the_sites_own(shipped: Mapping[str, bytes]) -> None:
    for path, page in parsed(shipped).items():
        loaded = [address for element, address in page.addresses if element in ("script", "link", "img")]
        assert len(loaded) == 3, path
        assert all("assets/" in address and "://" not in address for address in loaded)
    assert b"http" not in shipped["assets/site.css"].replace(b'[href^="http"]', b"")
    assert b"fetch(" not in shipped["assets/site.js"]
    assert b"innerHTML" not in shipped["assets/site.js"]


def test_every_alert_of_the_shipped_library_has_its_anchor_and_first_steps(
    shipped: Mapping[str, bytes], tmp_path: Path
) -> None:
    pages = parsed(shipped)
    written = audit.pipeline.load(PROJECT)
    assert len(written.standards) > 5
    for name, each in written.standards.items():
        page = pages[f"standards/{name}.html"]
        for declared in each.alerts:
            assert conventions.alert_anchor(declared.alert) in page.ids
            assert declared.alert.lower() in pages[f"runbooks/{name}.html"].ids
    text = " ".join(pages["standards/host.html"].text)
    for heading in ("Meaning.", "Impact.", "First steps."):
        assert text.count(heading) == len(written.standards["host"].alerts)


@pytest.mark.parametrize(
    ("base", "address"),
    [
        ("", "https://github.com/monitoring-as-code/mac/blob/main/standards/runbooks/host.md#hostsdown"),
        ("https://git.example.com/runbooks/", "https://git.example.com/runbooks/host.md#hostsdown"),
        (
            "https://monitoring.example.com/runbooks/{name}.html",
            "https://monitoring.example.com/runbooks/host.html#hostsdown",
        ),
    ],
)
def test_alerts_link_to_markdown_or_to_the_site_by_the_same_anchors(
    tmp_path: Path, base: str, address: str
) -> None:
    root = repository_with_snapshot(tmp_path)
    if base:
        text = (root / "mac.yaml").read_text(encoding="utf-8")
        (root / "mac.yaml").write_text(text.replace("spec:\n", f'spec:\n  runbooks: "{base}"\n', 1))
    host = audit.pipeline.load(root).standards["host"]
    assert next(a.runbook for a in host.alerts if a.alert == "HostsDown") == address
    content = audit.site_of(root, None, TODAY)
    # Whatever people read elsewhere, the site knows its own page.
    own = '<a href="../runbooks/host.html#hostsdown">Runbook</a>'
    assert own in content["standards/host.html"].decode()
    if base.endswith(".html"):
        path, _, anchor = address.removeprefix("https://monitoring.example.com/").partition("#")
        assert f'<h2 id="{anchor}">HostsDown</h2>' in content[path].decode()


@pytest.mark.parametrize(
    "base", ["https://x.example/{page}.html", "https://x.example/{name}/{name}", "ftp://x/"]
)
def test_a_base_of_runbooks_that_makes_no_address_is_a_problem(tmp_path: Path, base: str) -> None:
    root = repository_with_snapshot(tmp_path)
    text = (root / "mac.yaml").read_text(encoding="utf-8")
    (root / "mac.yaml").write_text(text.replace("spec:\n", f'spec:\n  runbooks: "{base}"\n', 1))
    with pytest.raises(ProblemsError) as raised:
        audit.pipeline.load(root)
    assert [p.code for p in raised.value.problems] == ["wrong-value"]


# --- contents ----------------------------------------------------------------------------------------


def test_a_service_says_who_owns_it_what_watches_it_and_where_its_dashboard_is(
    shipped: Mapping[str, bytes],
) -> None:
    text = shipped["services/hdfs.html"].decode()
    assert '<a href="../teams/data.html">data</a>' in text
    for name in ("host", "hdfs-datanode", "hdfs-namenode"):
        assert f'<a href="../standards/{name}.html">{name}</a>' in text
    assert re.search(r'href="https://grafana\.example\.com/d/mac-[0-9a-f]{20}"', text)
    assert "dashboards/hdfs.json" in text


def test_a_service_without_a_document_has_a_page_that_says_so(shipped: Mapping[str, bytes]) -> None:
    text = shipped["services/unheard-of.html"].decode()
    assert "has resources, and no document" in text
    assert "services/unheard-of.html" in shipped["services.html"].decode()


def test_objectives_stand_with_their_alerts_on_the_page_of_their_service(
    shipped: Mapping[str, bytes],
) -> None:
    page = Parsed(shipped["services/ingest.html"].decode())
    assert "99.9 % over " in "".join(page.text)
    assert "slo-availability-errorbudgetburnfast" in page.ids
    index = shipped["assets/index.js"].decode()
    assert "services/ingest.html#slo-availability-errorbudgetburnfast" in index


def test_coverage_names_what_nobody_watches(shipped: Mapping[str, bytes]) -> None:
    text = shipped["coverage.html"].decode()
    assert "<h2>Not monitored</h2>" in text
    assert f"i-{5:017x}" in text


def test_a_duration_is_shown_as_it_is_where_nobody_sets_the_parameter(shipped: Mapping[str, bytes]) -> None:
    text = shipped["standards/host.html"].decode()
    assert "p.outage_patience" not in text
    assert "<dt>When it has held for</dt><dd><code>5m</code></dd>" in text


def test_an_alert_wakes_nobody_on_the_page_of_a_service_whose_tier_does_not_page() -> None:
    def severity(tier: int) -> str:
        written = catalog(services=(Service("web", "platform", tier),), page_tiers=(1, 2))
        found = snapshot(instance())
        bindings = bind(written, found, TODAY)
        observed = site.Observed(bindings, coverage(written, found, bindings, TODAY))
        text = site.render(site.Material(written, {}, TODAY, observed))["services/web.html"].decode()
        match = re.search(r'#webdown">WebDown</a></th><td><span class="severity (\w+)"', text)
        assert match
        return match[1]

    assert (severity(1), severity(3)) == ("page", "ticket")


def test_exemptions_are_shown_with_their_day_and_whether_it_has_passed() -> None:
    exemptions = (
        Exemption("web", "moved", "2026-11-22", alert="WebDown"),
        Exemption("web", "tested", "2026-11-23"),
    )
    written = catalog(services=(Service("web", "platform", 1, exemptions=exemptions),))
    text = site.render(site.Material(written, {}, TODAY))["exemptions.html"].decode()
    assert "2026-11-22</time> <strong>(ended)</strong></td><td>moved</td>" in text
    assert "2026-11-23</time></td><td>tested</td>" in text


def test_without_a_snapshot_the_site_says_what_is_written_and_that_no_more_is_known() -> None:
    content = site.render(site.Material(catalog(), {}, TODAY))
    assert broken_links(parsed(content), content) == []
    assert "No snapshot of the fleet is kept" in content["index.html"].decode()
    assert "No snapshot of the fleet is kept" in content["coverage.html"].decode()
    assert "What watches it" not in content["services/web.html"].decode()


def test_the_index_of_the_search_finds_each_kind_of_thing(shipped: Mapping[str, bytes]) -> None:
    text = shipped["assets/index.js"].decode()
    rows = json.loads(text.removeprefix("const MAC_INDEX = ").rstrip().removesuffix(";"))
    assert {row[0] for row in rows} == {"service", "alert", "standard", "team", "runbook"}
    pages = parsed(shipped)
    for _, _, address, _ in rows:
        path, _, anchor = address.partition("#")
        assert not anchor or unquote(anchor) in pages[unquote(path)].ids


def test_the_same_material_gives_the_same_bytes_in_whatever_order_it_came(tmp_path: Path) -> None:
    root = repository_with_snapshot(tmp_path)
    material = audit.pipeline.load(root)
    turned = replace(
        material,
        standards=dict(reversed(material.standards.items())),
        services=dict(reversed(material.services.items())),
        teams=dict(reversed(material.teams.items())),
    )
    runbooks = {"b.md": "# B", "a.md": "# A"}
    first = site.render(site.Material(material, runbooks, TODAY))
    again = site.render(site.Material(turned, dict(reversed(runbooks.items())), TODAY))
    assert first == again
    assert list(first) == list(again)


# --- strangers' values -------------------------------------------------------------------------------


def test_hostile_names_texts_and_tags_stay_text() -> None:
    content = site.render(hostile_material())
    pages = parsed(content)
    assert broken_links(pages, content) == []
    for path, page in pages.items():
        assert page.elements["script"] == 2, path
        assert page.elements["img"] == 0, path
        assert not re.search(r"[\x00\u202e\ud800-\udfff]", "".join(page.text)), path
    assert all(".." not in path and path == path.strip("/") for path in content)
    shown = "".join(pages["services/web.html"].text)
    assert HOSTILE in shown
    assert "{{ 7*7 }}" in shown
    assert "e.invalid" not in content["runbooks/x.html"].decode()


@pytest.mark.parametrize(
    "written",
    [
        "<script>hacked=1</script>",
        "[x](javascript:hacked=1)",
        "[x](JAVASCRIPT&colon;hacked=1)",
        "[x](data:text/html,hacked)",
        "[x](//evil.invalid/)",
        "[x](ftp://evil.invalid/)",
        "<javascript:hacked=1>",
        "![x](https://evil.invalid/x.png)",
        "[x]: javascript:hacked=1\n\n[x]",
        '[x](https://ok.invalid/ "a\\" onclick=\\"hacked")',
        '```a" onclick="hacked\nx\n```',
    ],
)
def test_markdown_cannot_run_anything_or_load_anything(written: str) -> None:
    page = Parsed(markdown.read(f"# T\n\n{written}\n").html(lambda _: "").text)
    assert page.elements.keys() <= {"h1", "p", "a", "pre", "code"}
    assert all(address.startswith("https://ok.invalid/") for _, address in page.addresses)


# --- Markdown ----------------------------------------------------------------------------------------

PAGE = """\
# The title

## First `Down`

One [other](other.md#b), [gone](other.md#nothing), [image](x.png), [here](#second-one).

### Deeper

Two.

## Second one!

| a | b |
|---|---|
| 1 | 2 |

## First Down
"""


def test_headings_have_the_anchors_that_github_gives_them() -> None:
    read = markdown.read(PAGE)
    assert read.title == "The title"
    assert read.anchors == ("the-title", "first-down", "deeper", "second-one", "first-down-1")


def test_a_section_ends_at_the_next_heading_of_its_level() -> None:
    read = markdown.read(PAGE)
    section = read.section("first-down", lambda _: "")
    assert section is not None
    assert "<h3>Deeper</h3>" in section.text
    assert "Two." in section.text
    assert "<table>" not in section.text
    assert read.section("nothing", lambda _: "") is None
    assert read.opening("deeper") == "Two."


def test_links_between_runbooks_lead_to_the_pages_of_the_site_and_others_nowhere() -> None:
    runbooks = {"deep/page.md": PAGE, "deep/other.md": "# A\n\n## B\n"}
    content = site.render(site.Material(catalog(), runbooks, TODAY))
    text = content["runbooks/deep/page.html"].decode()
    assert '<a href="../../runbooks/deep/other.html#b">other</a>' in text
    assert '<a href="../../runbooks/deep/other.html">gone</a>' in text
    assert "<a>image</a>" in text
    assert '<a href="#second-one">here</a>' in text
    assert broken_links(parsed(content), content) == []


# --- the command -------------------------------------------------------------------------------------


def test_the_command_writes_the_site_and_removes_the_pages_of_what_is_gone(tmp_path: Path, mac: Mac) -> None:
    root = repository_with_snapshot(tmp_path / "monitoring")
    done = mac("docs", "-C", root)
    assert done.exit_code == 0, done.output
    assert done.stdout == ""
    assert (root / "site/services/bastion.html").is_file()
    (root / "site/services/mine.html").write_text("mine")
    (root / "standards/services/bastion.yaml").unlink()
    again = mac("docs", "-C", root)
    assert again.exit_code == 0, again.output
    assert "1 removed" in again.stderr
    assert not (root / "site/services/bastion.html").exists()
    assert (root / "site/services/mine.html").read_text() == "mine"
    third = mac("docs", "-C", root)
    assert "0 written" in third.stderr


def test_the_command_works_without_a_snapshot_and_names_its_output(tmp_path: Path, mac: Mac) -> None:
    root = repository_with_snapshot(tmp_path / "monitoring")
    shutil.rmtree(root / conventions.SNAPSHOT_DIR)
    done = mac("docs", "-C", root, "--output", tmp_path / "out")
    assert done.exit_code == 0, done.output
    assert str(tmp_path / "out/index.html") in done.stderr
    assert "No snapshot" in (tmp_path / "out/index.html").read_text(encoding="utf-8")


def test_the_command_does_not_overwrite_what_is_somebody_elses(tmp_path: Path, mac: Mac) -> None:
    root = repository_with_snapshot(tmp_path / "monitoring")
    out = tmp_path / "out"
    out.mkdir()
    (out / "index.html").write_text("mine")
    done = mac("docs", "-C", root, "--output", out)
    assert done.exit_code == 1
    assert "foreign-file" in done.stderr
    assert sorted(p.name for p in out.iterdir() if p.name != ".mac") == ["index.html"]


@pytest.mark.parametrize("listed", ["{", "[]", '{"files": 3}', "null", "\xff"])
def test_a_list_of_files_that_is_none_stops_the_command(tmp_path: Path, mac: Mac, listed: str) -> None:
    root = repository_with_snapshot(tmp_path / "monitoring")
    out = tmp_path / "out"
    out.mkdir()
    (out / audit.SITE_FILES).write_bytes(listed.encode("latin-1"))
    done = mac("docs", "-C", root, "--output", out)
    assert done.exit_code == 1
    assert "foreign-file" in done.stderr
    assert "Traceback" not in done.output


def test_a_listed_path_that_leads_out_of_the_site_is_not_removed(tmp_path: Path, mac: Mac) -> None:
    root = repository_with_snapshot(tmp_path / "monitoring")
    out = tmp_path / "out"
    out.mkdir()
    (tmp_path / "precious").write_text("x")
    (out / audit.SITE_FILES).write_text('{"files": ["../precious"]}')
    done = mac("docs", "-C", root, "--output", out)
    assert done.exit_code != 0
    assert (tmp_path / "precious").read_text() == "x"


def test_a_runbook_that_cannot_be_read_is_a_problem_with_its_place(tmp_path: Path, mac: Mac) -> None:
    root = repository_with_snapshot(tmp_path / "monitoring")
    (root / "standards/runbooks/bad.md").write_bytes(b"# \xff\n")
    done = mac("docs", "-C", root)
    assert done.exit_code == 1
    assert "standards/runbooks/bad.md:1:3" in done.stderr
    assert "not-utf8" in done.stderr


def test_an_address_of_grafana_must_be_one(tmp_path: Path, mac: Mac) -> None:
    root = repository_with_snapshot(tmp_path / "monitoring")
    done = mac("docs", "-C", root, "--grafana", "javascript:hacked=1")
    assert done.exit_code == 64
