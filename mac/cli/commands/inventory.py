"""`mac inventory`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from mac.cli import errors, options, progress

_SCOPES = 3  # of one cause that are shown; the others are counted

if TYPE_CHECKING:
    from mac.model import Snapshot


@click.group(
    invoke_without_command=True,
    epilog="Example: mac inventory --format json | jq '.scopes[] | select(.state != \"complete\")'",
)
@options.root
@click.option(
    "--snapshot",
    metavar="PATH",
    type=click.Path(path_type=Path),
    help="Show this snapshot. With --refresh, or when it does not exist yet: read AWS and write it there.",
)
@click.option("--refresh", is_flag=True, help="Read AWS even if --snapshot names a snapshot.")
@click.option("--strict", is_flag=True, help="End with 1 when a scope was not read completely.")
@options.output_format("text", "json")
@click.pass_context
def command(
    ctx: click.Context, root: Path, snapshot: Path | None, refresh: bool, strict: bool, output_format: str
) -> int:
    """Read AWS and keep what was found."""
    ctx.obj.root = str(root)
    if ctx.invoked_subcommand:
        return errors.DONE
    from mac import emit, pipeline
    from mac import snapshot as snapshots
    from mac.model import ScopeState

    read = refresh or not (snapshot and snapshot.exists())
    if snapshot and not read:
        found = snapshots.read(snapshot)
    else:
        with progress.stage_progress() as report_progress:
            found = pipeline.inventory(
                root, to=snapshot.absolute() if snapshot else None, progress=report_progress
            )
        place = snapshot or "inventory/snapshot/"
        progress.diagnostics(f"written to {place}")
    if output_format == "json":
        options.data(emit.json_pretty(_as_dict(found)).decode())
    else:
        options.data(_as_text(found))
    complete = [s.state is ScopeState.COMPLETE for s in found.scopes]
    if read and complete and not any(complete):
        return errors.ENVIRONMENT
    return errors.PROBLEMS if strict and not all(complete) else errors.DONE


@command.command("iam-policy", epilog="Example: mac inventory iam-policy > policy.json")
@click.option("--kind", "names", multiple=True, metavar="KIND", help="Only for these kinds; may be repeated.")
@click.pass_context
def iam_policy(ctx: click.Context, names: tuple[str, ...]) -> None:
    """Print the least-privilege IAM policy for the kinds that are read."""
    from mac import emit, iam, kinds, pipeline
    from mac.problems import did_you_mean

    config = pipeline.load(Path(ctx.obj.root)).inventory
    known = kinds.all_kinds()
    unknown = sorted(set(names) - known.keys())
    if unknown:
        raise click.BadParameter(f"{unknown[0]}: {did_you_mean(unknown[0], known)}", param_hint="--kind")
    chosen = [known[name] for name in names or config.kinds or known]
    roles = [a.role_arn for a in config.accounts if a.role_arn]
    options.data(emit.json_pretty(iam.policy(chosen, roles)).decode())


def _as_dict(found: Snapshot) -> dict[str, object]:
    from collections import Counter

    from mac import snapshot as snapshots
    from mac import summary

    by_kind = Counter(r.kind for r in found.resources)
    by_scope = Counter((r.account, r.region, r.kind) for r in found.resources)
    return {
        "schema_version": summary.SCHEMA_VERSION,
        "snapshot": snapshots.digest(found),
        "resources": len(found.resources),
        "by_kind": dict(sorted(by_kind.items())),
        "states": summary.scope_counts(found),
        "scopes": [
            {
                "account": s.scope.account,
                "region": s.scope.region,
                "kind": s.scope.kind,
                "state": s.state.value,
                "resources": by_scope[s.scope.account, s.scope.region, s.scope.kind],
                "since": s.since,
                "reason": s.reason,
            }
            for s in found.scopes
        ],
    }


def _as_text(found: Snapshot) -> str:
    """One line a kind, account and region side by side would be too wide; then what failed, by its cause."""
    from collections import Counter

    from mac import collect, summary
    from mac.model import Lifecycle

    by_kind = Counter(r.kind for r in found.resources)
    serving = Counter(r.kind for r in found.resources if r.lifecycle is Lifecycle.IN_SERVICE)
    rows: list[tuple[str, ...]] = [("KIND", "FOUND", "IN SERVICE", "SCOPES")]
    for kind in sorted({s.scope.kind for s in found.scopes}):
        counted = Counter(s.state.value for s in found.scopes if s.scope.kind == kind)
        states = ", ".join(f"{count} {state}" for state, count in sorted(counted.items()))
        rows.append((kind, str(by_kind[kind]), str(serving[kind]), states))
    rows.append(("all", str(len(found.resources)), str(sum(serving.values())), ""))
    text = summary.table(rows)
    failed = collect.failed(found)
    if failed:
        since = {s.scope: s.since for s in found.scopes}
        lines = [("SCOPE", "STATUS", "SINCE", "REASON")]
        for (state, reason), scopes in failed.items():
            more = len(scopes) - _SCOPES
            lines += [(str(scope), state.value, since[scope], reason) for scope in scopes[:_SCOPES]]
            if more > 0:
                lines.append((f"and {more} more", state.value, "", reason))
        text += "\n" + summary.table(lines)
    return text
