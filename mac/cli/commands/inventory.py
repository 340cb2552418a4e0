"""`mac inventory`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from mac.cli import errors, options, progress

if TYPE_CHECKING:
    from mac.model import Resource, Snapshot


@click.group(
    invoke_without_command=True,
    epilog="Example: mac inventory --format json | jq '.scopes[] | select(.state != \"complete\")'",
)
@options.root
@click.option(
    "--snapshot",
    metavar="PATH|REV[:PATH]",
    help="Show this snapshot: a file, a folder, or one in a Git revision. With --refresh, or when it is "
    "neither: read AWS and write it to this file, compressed if its name ends in .gz.",
)
@click.option("--refresh", is_flag=True, help="Read AWS even if --snapshot names a snapshot.")
@click.option("--strict", is_flag=True, help="End with 1 when a scope was not read completely.")
@click.option(
    "--allow-shrink",
    is_flag=True,
    help="Let the organization have lost more than 30 % of its accounts since the last reading.",
)
@options.output_format("text", "json")
@click.pass_context
def command(
    ctx: click.Context,
    root: Path,
    snapshot: str | None,
    refresh: bool,
    strict: bool,
    allow_shrink: bool,
    output_format: str,
) -> int:
    """Read AWS and keep what was found."""
    ctx.obj.root = str(root)
    if ctx.invoked_subcommand:
        return errors.DONE
    from datetime import UTC, datetime

    from mac import emit, incomplete, inventory, pipeline, scope_table, snapshot_source
    from mac import snapshot as snapshots
    from mac.cli.problems import show
    from mac.model import ScopeState

    catalog = pipeline.load(root)
    source = None if snapshot is None or refresh else snapshot_source.locate(snapshot)
    read = not (source and snapshot_source.is_there(source, root))
    if source and not read:
        found = snapshot_source.read(source, root)
    else:
        to = None if snapshot is None else snapshot_source.to_write(snapshot, root)
        with progress.stage_progress() as report_progress:
            found = inventory.take(root, catalog, to=to, allow_shrink=allow_shrink, progress=report_progress)
        place = snapshot or "inventory/snapshot/"
        progress.diagnostics(f"written to {place}")
    now = datetime.now(UTC)
    problems = incomplete.outdated(found, catalog.inventory, now, strict=strict)
    if output_format == "json":
        report = scope_table.as_dict(found, snapshots.digest(found), now, problems)
        options.data(emit.json_pretty(report).decode())
    else:
        options.data(scope_table.as_text(found, now))
    if problems:
        show(problems, root)
    complete = [s.state is ScopeState.COMPLETE for s in found.scopes]
    nothing = read and bool(complete) and not any(complete)
    if nothing or (strict and not all(complete)):
        why = "--strict: " if strict else ""
        progress.diagnostics(why + scope_table.refusal(found))
        return errors.ENVIRONMENT if nothing else errors.PROBLEMS
    return errors.DONE


@command.command(
    "iam-policy", epilog="Example: mac inventory iam-policy --form stackset > mac-inventory.template.json"
)
@click.option("--kind", "names", multiple=True, metavar="KIND", help="Only for these kinds; may be repeated.")
@click.option(
    "--form",
    type=click.Choice(["policy", "trust", "stackset"]),
    default="policy",
    show_default=True,
    help="The permissions; who may assume the role that has them; or a CloudFormation template of that role "
    "for a stack set over an organization.",
)
@click.option(
    "--principal",
    metavar="ARN",
    help="Who assumes the role.  [default: `via` of inventory/aws.yaml; else the template asks for it]",
)
@click.pass_context
def iam_policy(ctx: click.Context, names: tuple[str, ...], form: str, principal: str | None) -> None:
    """Print the least-privilege IAM policy for the kinds that are read."""
    import re

    from mac import accounts, config_aggregator, emit, iam, kinds, pipeline
    from mac.problems import did_you_mean

    config = pipeline.load(Path(ctx.obj.root)).inventory
    known = kinds.aws_kinds()
    unknown = sorted(set(names) - known.keys())
    if unknown:
        raise click.BadParameter(f"{unknown[0]}: {did_you_mean(unknown[0], known)}", param_hint="--kind")
    if principal is not None and not re.fullmatch(iam.PRINCIPAL, principal):
        raise click.BadParameter(
            f"{principal!r} is not the ARN of a role, a user or an account, such as "
            "arn:aws:iam::123456789012:role/mac",
            param_hint="--principal",
        )
    chosen, others = ([known[name] for name in names], []) if names else config_aggregator.asked(config)
    principal = principal or (config.via.role_arn if config.via else "")
    organization = config.organization
    external_id = organization.external_id if organization else ""
    if form == "policy":
        document = iam.policy([*chosen, *others], *accounts.entered(config))
    elif form == "stackset":
        role = organization.role if organization else "mac-inventory"
        document = iam.stack_set(chosen, role, principal, external_id)
    elif principal:
        document = iam.trust(principal, external_id)
    else:
        raise click.UsageError("--form trust needs --principal, or `via` in inventory/aws.yaml")
    options.data(emit.json_pretty(document).decode())


@command.command(
    "list", epilog="Example: mac inventory list --kind ec2-instance --service shop --where 'tag.Name=web-*'"
)
@click.option("--kind", "kinds", multiple=True, metavar="KIND", help="Only this kind; may be repeated.")
@click.option("--service", "services", multiple=True, metavar="NAME", help="Only this service.")
@click.option("--account", "accounts", multiple=True, metavar="ID|NAME", help="Only this account.")
@click.option("--region", "regions", multiple=True, metavar="REGION", help="Only this region.")
@click.option(
    "--where",
    "conditions",
    multiple=True,
    metavar="KEY=VALUE",
    help="Only where a field, a label, an attribute, tag.NAME or link.NAME has this value (* and ? match "
    "anything); KEY!=VALUE for all others. All conditions must hold.",
)
@click.option(
    "--snapshot",
    metavar="PATH|REV[:PATH]",
    help="List this snapshot.  [default: the one that the repository keeps]",
)
@options.output_format("table", "json", "jsonl")
@click.pass_context
def list_(
    ctx: click.Context,
    kinds: tuple[str, ...],
    services: tuple[str, ...],
    accounts: tuple[str, ...],
    regions: tuple[str, ...],
    conditions: tuple[str, ...],
    snapshot: str | None,
    output_format: str,
) -> None:
    """List resources of the inventory, without asking AWS."""
    from mac import emit, inventory_list, pipeline
    from mac import kinds as all_kinds
    from mac.labels import labels

    root = Path(ctx.obj.root)
    catalog = pipeline.load(root)
    found = _stored(root, snapshot)
    names = {a.name: a.id for a in found.accounts} | {a.name: a.id for a in catalog.inventory.accounts}

    def labels_of(resource: Resource) -> dict[str, str]:
        return labels(resource, catalog.project.labels)

    wanted = tuple(inventory_list.condition(text) for text in conditions)
    listed = inventory_list.select(
        found.resources,
        inventory_list.Selection(
            kinds,
            services,
            tuple(names.get(account, account) for account in accounts),
            regions,
            wanted,
        ),
        labels_of,
        {
            "kind": all_kinds.names(),
            "service": catalog.services,
            "account": {*names, *names.values(), *(s.scope.account for s in found.scopes)},
            "region": {*catalog.inventory.regions, *(s.scope.region for s in found.scopes)},
        },
    )
    if output_format == "json":
        options.data(emit.json_escaped(inventory_list.as_dict(listed), pretty=True))
    elif output_format == "jsonl":
        for line in inventory_list.as_lines(listed):
            options.data(line)
    else:
        options.data(inventory_list.as_table(listed))
        progress.diagnostics(f"{len(listed)} of {len(found.resources)} resources")
    if not listed:
        for hint in inventory_list.misspelled(found.resources, wanted, labels_of):
            progress.diagnostics(hint)


@command.command("diff", epilog="Example: mac inventory diff HEAD~1 inventory/snapshot --format json")
@click.argument("before", metavar="[BEFORE]", default="HEAD")
@click.argument("after", metavar="[AFTER]", required=False)
@options.output_format("text", "json")
@click.pass_context
def diff_(ctx: click.Context, before: str, after: str | None, output_format: str) -> None:
    """Show which resources came, went and changed between two snapshots.

    Each is a file, a folder, a Git revision (REV: the snapshot that the repository kept then) or a path in
    one (REV:PATH). AFTER is the snapshot that the repository keeps now if it is left out, BEFORE the one that
    was committed last.
    """
    from mac import conventions, emit, inventory_diff, pipeline
    from mac.labels import labels

    root = Path(ctx.obj.root)
    sources = pipeline.load(root).project.labels
    found = inventory_diff.compare(
        _stored(root, before),
        _stored(root, after),
        lambda resource: labels(resource, sources).get(conventions.SERVICE, ""),
    )
    if output_format == "json":
        options.data(emit.json_escaped(inventory_diff.as_dict(found), pretty=True))
    else:
        options.data(inventory_diff.as_text(found))


def _stored(root: Path, text: str | None) -> Snapshot:
    """The snapshot that is named, else the one that the repository keeps."""
    from mac import conventions, snapshot_source

    source = root / conventions.SNAPSHOT_DIR if text is None else snapshot_source.locate(text)
    return snapshot_source.read(source, root)
