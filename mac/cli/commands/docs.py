"""`mac docs`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from mac.cli import errors, options

if TYPE_CHECKING:
    from mac.snapshot_source import Source


def _address(_ctx: click.Context, _option: click.Parameter, given: str) -> str:
    if given and not given.startswith(("https://", "http://")):
        raise click.BadParameter("an address begins with https:// or http://")
    return given


@click.command(epilog="Example: mac docs --output public --grafana https://grafana.example.com")
@options.root
@options.kept_snapshot
@click.option(
    "--output",
    metavar="DIR",
    type=click.Path(file_okay=False, path_type=Path),
    help="Where to write the site.  [default: site, in the repository]",
)
@click.option(
    "--grafana",
    metavar="URL",
    default="",
    callback=_address,
    help="The Grafana that has the generated dashboards: services link to them.  [default: that of mac.yaml]",
)
def command(root: Path, snapshot: Source | None, output: Path | None, grafana: str) -> int:
    """Render the catalogue as a static site.

    Services, alerts with their runbooks, standards, teams, coverage and exemptions, as pages that open from
    disk and can be searched. Without a snapshot the site says what is written, not what it is bound to.
    AWS is not asked.
    """
    from datetime import UTC, datetime

    from mac import audit

    content = audit.site_of(root, snapshot, datetime.now(UTC).date(), grafana=grafana)
    folder = output.absolute() if output else root / "site"
    done = audit.write_site(content, folder)
    figures = f"{len(done.written)} written, {len(done.unchanged)} unchanged, {len(done.removed)} removed"
    options.progress(f"{folder / 'index.html'}: {figures}")
    return errors.DONE
