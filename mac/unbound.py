"""Why a resource is bound to no standard, in words for the person who can change that."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from mac import conventions
from mac.model import Catalog, Lifecycle, Resource, Standard, Unbound
from mac.notes import Notes, quoted
from mac.problems import Location, Problem, nearest

_TAGS_SHOWN = 6


def refusal(
    catalog: Catalog,
    resource: Resource,
    labels: Mapping[str, str],
    candidates: list[Standard],
    notes: Notes,
) -> tuple[str, str] | None:
    """(reason, sentence) when no standard can watch the resource as it is; None when one may."""
    if resource.lifecycle is not Lifecycle.IN_SERVICE:
        fresh = "it was launched a moment ago, and its tags are not known yet"
        told = f" ({resource.lifecycle_reason})" if resource.lifecycle_reason else ""
        why = f"it is {resource.state or resource.lifecycle}{told}"
        return (str(resource.lifecycle), fresh if "awaiting" in resource.attributes else why)
    if not candidates:
        return ("no-standard", f"no standard is for the kind {resource.kind}")
    broken = next((n for n, v in labels.items() if not _representable(v)), "")
    if broken:
        notes.add(
            "hostile-value",
            resource.arn,
            resource,
            f"its {broken} is not valid Unicode, so no monitoring tool can carry it",
            "change the tag",
        )
        return ("hostile-value", f"its {broken} is not valid Unicode")
    service = labels.get(conventions.SERVICE, "")
    if not service:
        return ("no-service", _why_no_service(catalog, resource))
    if service not in catalog.services:
        hint = nearest(service, catalog.services)
        message = f"the tag names the service {quoted(service)}, which has no document"
        notes.add_unknown("undeclared-service", service, resource, message, hint)
        if catalog.project.undeclared_services == "report":
            near = f"; {hint}" if hint else ""
            return ("undeclared-service", f"the service {quoted(service)} is not declared{near}")
    return None


def nothing_bound(catalog: Catalog, unbound: Sequence[Unbound]) -> Problem:
    """That no resource is bound, and what to look at: the tags that the fleet has, or the inventory."""
    counted = Counter(u.reason for u in unbound)
    why = ", ".join(f"{count} {reason}" for reason, count in counted.most_common())
    found = f"{len(unbound)} resources were found: {why}" if why else "no resources were found"
    hint = "give the resources the tags that mac.yaml maps to labels"
    if not why:
        hint = "see whether inventory/aws.yaml names the accounts and regions that you mean"
    elif seen := Counter(key for u in unbound if u.reason == "no-service" for key in u.resource.tags):
        source = next((s.tags for s in catalog.project.labels if s.label == conventions.SERVICE), ())
        keys = ", ".join(f"{key} ({count})" for key, count in seen.most_common(_TAGS_SHOWN))
        hint = (
            f"the service is taken from the tag {' or '.join(source)} (spec.labels in mac.yaml), which "
            f"{counted['no-service']} of them lack; the tags that they have most: {keys}"
        )
    return Problem(
        Location("mac.yaml"),
        "nothing-bound",
        f"no resource is bound to any standard; {found}",
        f"{hint}; or allow it with --allow-empty",
    )


def _representable(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def _why_no_service(catalog: Catalog, resource: Resource) -> str:
    wanted = next((s.tags for s in catalog.project.labels if s.label == conventions.SERVICE), ())
    if not resource.tags:
        return "it has no tags"
    sentence = f"it has no tag {' or '.join(wanted)}"
    for key in sorted(resource.tags):
        if nearest(key, wanted):
            return f"{sentence}; its tag {quoted(key)} looks like a misspelling"
    return sentence


def no_standard(resource: Resource, labels: Mapping[str, str], meant: list[Standard]) -> str:
    """`meant`: the standards that are for it, and can collect nothing of it."""
    if meant:
        wanted = [s.scrape.port for s in meant if s.scrape is not None]
        closed = [port for port in wanted if resource.addresses and resource.port(port) is None]
        if closed:
            return f"its container's port {closed[0]} is not mapped to a port of its machine"
        return "it has neither an address to scrape nor metrics in CloudWatch"
    role = labels.get(conventions.ROLE)
    having = f"the role {quoted(role)}" if role else "no role"
    return f"no standard for {resource.kind} matches it; it has {having}"
