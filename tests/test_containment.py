"""No path outside of the owned folders is ever written, whatever names contain and wherever links lead."""

from __future__ import annotations

import contextlib
import os
import tempfile
from datetime import date
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mac import conventions, render, templates, write
from mac import files as shipped
from mac.bind import bind
from mac.model import Account, InventoryConfig, Service
from mac.problems import OutputError
from tests import builders
from tests.builders import instance, snapshot, standard

OWNED = ("alertmanager", "cells", "dashboards", "provenance.json", "sensors")
TEMPLATES, _ = templates.read(shipped.shipped_root(), (o.template for o in render.OUTPUTS))

hostile = st.one_of(
    st.text(max_size=60),
    st.text(alphabet="./\\~ \0\n:-aZ\u202e\u2044", max_size=30),
    st.sampled_from(
        ["..", ".", "/", "../../etc", "~root", "a/../../b", "con", "a\\..\\b", ".git", ".mac", "a" * 300]
    ),
)


def inside(path: str) -> bool:
    parts = path.split("/")
    plain = all(p not in ("", ".", "..") and len(p.encode()) <= 255 and p.isprintable() for p in parts)
    return plain and parts[0] in OWNED and "\\" not in path and ".git" not in parts and ".mac" not in parts


@given(hostile, hostile, hostile)
@example("..", "../..", "/")
def test_every_name_becomes_a_path_within_the_owned_folders(one: str, two: str, three: str) -> None:
    made = [
        conventions.prometheus_file(one),
        conventions.rules_file(one, two, three),
        conventions.targets_file(one, two),
        conventions.cloudwatch_file(one),
        conventions.heartbeat_file(one),
        conventions.dashboard_file(one),
        conventions.team_dashboard_file(one),
        conventions.sensor_script(one, two),
        conventions.sensor_file(one, "document.json"),
    ]
    assert all(inside(path) for path in made), made
    assert conventions.is_targets_file(conventions.targets_file(one, two))


@given(st.lists(st.tuples(hostile, hostile), min_size=1, max_size=4), hostile)
@settings(max_examples=25)
def test_what_tags_and_accounts_are_called_leads_nowhere(tags: list[tuple[str, str]], account: str) -> None:
    resources = [
        instance(n, tags={"service": service, "environment": environment, "role": "web"})
        for n, (service, environment) in enumerate(tags, 1)
    ]
    catalog = builders.catalog(
        standard(), services=tuple(Service(s, "platform", 1) for s in {s for s, _ in tags})
    )
    named = InventoryConfig((Account(builders.ACCOUNT, account),), (builders.REGION,))
    catalog = type(catalog)(
        **{name: getattr(catalog, name) for name in catalog.__slots__} | {"inventory": named}
    )
    made = render.render(
        catalog, bind(catalog, snapshot(*resources), date(2026, 11, 23)), TEMPLATES, "sha256:0"
    )
    assert all(inside(path) for path in made.files), sorted(made.files)


def everything(root: Path) -> dict[str, bytes | str]:
    """All that lies below a folder; no link is followed."""
    found: dict[str, bytes | str] = {}
    for here, folders, names in os.walk(root):
        for name in [*names, *(f for f in folders if os.path.islink(os.path.join(here, f)))]:
            path = Path(here, name)
            found[str(path.relative_to(root))] = os.readlink(path) if path.is_symlink() else path.read_bytes()
    return found


@given(st.lists(hostile, min_size=1, max_size=3))
@settings(max_examples=60)
def test_a_path_that_is_none_of_the_output_is_refused_and_nothing_is_written(parts: list[str]) -> None:
    path = "/".join(parts)
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "root"
        root.mkdir()
        (Path(folder) / "beside").write_text("theirs")
        with contextlib.suppress(OutputError):
            write.write(root, {path: b"mac's"}, ())
        after = everything(Path(folder))
        assert after.pop("beside") == b"theirs"
        assert all(name.startswith("root/") for name in after), after
        assert not any(name.startswith("root/.git/") for name in after), after


@pytest.mark.parametrize(
    ("link", "path"),
    [
        ("cells", "cells/a/prometheus.yml"),
        ("cells/a", "cells/a/prometheus.yml"),
        ("cells/a/rules", "cells/a/rules/production/web.yml"),
        ("cells/a/prometheus.yml", "cells/a/prometheus.yml"),
        ("provenance.json", "provenance.json"),
        ("inventory/snapshot", "inventory/snapshot/scopes.json"),
    ],
)
@pytest.mark.parametrize("where", ["absolute", "relative", "chain", "git"])
def test_a_link_in_the_repository_leads_nowhere_out_of_it(
    tmp_path: Path, link: str, path: str, where: str
) -> None:
    root, out = tmp_path / "root", tmp_path / "out"
    (root / ".git").mkdir(parents=True)
    out.mkdir()
    file = path == link
    target = root / ".git/config" if where == "git" else out / "file"
    place = target if file else target.parent
    target.write_bytes(b"theirs")
    at = root / link
    at.parent.mkdir(parents=True, exist_ok=True)
    if where == "chain":
        (root / "between").symlink_to(place)
        place = root / "between"
    at.symlink_to(os.path.relpath(place, at.parent) if where == "relative" else place)
    before = everything(tmp_path)
    with pytest.raises(OutputError):
        write.write(root, {path: b"mac's"}, [path])
    with pytest.raises(OutputError):
        write.write(root, {}, [path], remove=[path])
    after = everything(tmp_path)
    kept = {name: content for name, content in after.items() if not name.startswith("root/.mac/")}
    assert kept == before
