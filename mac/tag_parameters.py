"""Parameters that a resource's own `mac:` tags set."""

from __future__ import annotations

from collections.abc import Mapping

from mac import conventions, parameters
from mac.model import ParameterValue, Resource, Standard
from mac.notes import Notes, quoted
from mac.problems import did_you_mean


def of(
    standard: Standard, resource: Resource, settled: Mapping[str, ParameterValue], notes: Notes
) -> dict[str, ParameterValue]:
    """Those that differ from the service's, which are `settled`. What a tag sets wrongly is noted."""
    own: dict[str, ParameterValue] = {}
    for key, text in sorted(resource.tags.items()):
        if not key.startswith(conventions.PARAMETER_TAG_PREFIX):
            continue
        name = key.removeprefix(conventions.PARAMETER_TAG_PREFIX)
        parameter = standard.parameters.get(name)
        if parameter is None or not parameter.open_to_tags:
            continue  # it may belong to another standard of this resource; see `note_unknown`
        value = parameters.from_text(parameter, text)
        fault = "is not a number" if value is None else parameters.fault(parameter, value)
        if value is None or fault:
            notes.add(
                "tag-parameter",
                f"{key}={text}",
                resource,
                f"the tag {quoted(key)} has the value {quoted(text)}, which {fault}",
                f"the service's value {settled[name]} is used",
            )
        elif value != settled[name]:
            own[name] = value
    return own


def note_unknown(resource: Resource, chosen: list[Standard], notes: Notes) -> None:
    """Tells of `mac:` tags that none of the resource's standards takes."""
    known = {name for standard in chosen for name in standard.parameters}
    opened = {p.name for standard in chosen for p in standard.parameters.values() if p.open_to_tags}
    standards = ", ".join(s.name for s in chosen)
    for key in resource.tags:
        name = key.removeprefix(conventions.PARAMETER_TAG_PREFIX)
        if not key.startswith(conventions.PARAMETER_TAG_PREFIX) or name in opened:
            continue
        if name in known:
            message = f"the tag {quoted(key)} sets a parameter that is not open to tags in {standards}"
            hint = "set it in the service's document, or give the parameter `tag: true` in the standard"
            notes.add("parameter-closed", key, resource, message, hint)
        else:
            message = f"the tag {quoted(key)} sets no parameter of {standards}"
            notes.add("tag-parameter", key, resource, message, did_you_mean(name, opened))
