"""Why an item changed: which of the inputs that feed it is not what it was. Pure.

The provenance holds a digest of every input. An item is fed by its standard, its service and team documents,
its template, the settings (mac.yaml, inventory/aws.yaml) and the inventory. Where one of those changed, it
is the cause. Where several did:

- a target whose resource appeared or went is the inventory's doing, whatever else changed;
- rules of a service that had none before, or has none now, are the inventory's doing, unless their standard
  appeared or went, or their service's document did;
- anything else: the nearest document, in the order standard, service, team, template, settings, inventory.

Where none did (somebody edited or removed a generated file, or another version of mac writes it otherwise)
it is put down to the settings.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from mac import conventions
from mac.items import Item

INVENTORY = "inventory"
STANDARD = "standard"
SERVICE = "service"
TEAM = "team"
TEMPLATE = "template"
SETTINGS = "settings"

CAUSES = (INVENTORY, STANDARD, SERVICE, TEAM, TEMPLATE, SETTINGS)

_NEAREST = (STANDARD, SERVICE, TEAM, TEMPLATE, SETTINGS, INVENTORY)
# What of an item comes from whom, where the nearest document would be the wrong guess.
_FROM_SERVICE = frozenset({"labels.team", "labels.tier"})


class Causes:
    """The inputs that differ between two provenances. An empty old provenance makes everything new."""

    def __init__(self, old: Mapping[str, Any], new: Mapping[str, Any]) -> None:
        before, after = old.get("inputs", {}), new.get("inputs", {})
        names = before.keys() | after.keys()
        self._changed = frozenset(name for name in names if before.get(name) != after.get(name))
        self._one_sided = frozenset(name for name in names if (name in before) is not (name in after))
        self._inventory = old.get("snapshot") != new.get("snapshot")
        self._first = not old
        self._old_files, self._new_files = old.get("files", {}), new.get("files", {})

    def of_target(
        self, item: Item, fields: Iterable[str], *, elsewhere: bool, same_host: bool = False
    ) -> str:
        """The cause of a target that came, went or changed.

        `elsewhere`: its resource is a target on the other side too. `same_host`: only its port differs.
        """
        if self._first or (self._inventory and not elsewhere):
            return INVENTORY
        if list(fields) == [conventions.SHARD]:
            return self._nearest(item, (SETTINGS, INVENTORY))
        if self._inventory and fields and not same_host:
            return INVENTORY
        order = (STANDARD, SETTINGS, SERVICE, TEMPLATE, TEAM, INVENTORY)
        return self._nearest(item, order if elsewhere else (INVENTORY, *order))

    def of_rule(self, item: Item, fields: Iterable[str], *, came_or_went: bool, alone: bool) -> str:
        """The cause of a rule. `alone`: its service has no rules in this cell on the other side."""
        if self._first:
            return STANDARD
        if came_or_went:
            sided = [STANDARD for s in item.standards if f"standard/{s}" in self._one_sided]
            if f"service/{item.service}" in self._one_sided:
                sided.append(SERVICE)
            if sided and not alone:
                return sided[0]
            if alone and self._inventory:
                return INVENTORY if STANDARD not in sided else STANDARD
        elif set(fields) and set(fields) <= _FROM_SERVICE:
            return self._nearest(item, (SERVICE, TEAM, SETTINGS, INVENTORY))
        return self._nearest(item, _NEAREST)

    def of_other(self, item: Item) -> str:
        """The cause of anything else: scrape configurations, routes, receivers, dashboards, files."""
        if self._first:
            return {"receiver": TEAM, "route": TEAM, "file": SETTINGS}.get(item.key.kind, STANDARD)
        if item.key.kind in ("receiver", "route"):
            return self._of_route(item)
        return self._nearest(item, _NEAREST)

    def _of_route(self, item: Item) -> str:
        if item.team:
            if f"team/{item.team}" in self._changed:
                return TEAM
            return self._nearest(item, (TEMPLATE, SETTINGS))
        if item.key.group == "inhibition":
            label = SERVICE if 'mutes service="' in item.name else STANDARD
            if any(name.startswith(f"{label}/") for name in self._changed):
                return label
        return self._nearest(item, (TEMPLATE, SETTINGS))

    def _nearest(self, item: Item, order: Iterable[str]) -> str:
        return next((cause for cause in order if self._did_change(cause, item)), SETTINGS)

    def _did_change(self, cause: str, item: Item) -> bool:
        if cause == INVENTORY:
            return self._inventory
        if cause == STANDARD:
            return any(f"standard/{name}" in self._changed for name in item.standards)
        if cause == TEMPLATE:
            entry = self._new_files.get(item.path) or self._old_files.get(item.path) or {}
            used = {entry.get("template", "")}
            if item.key.kind == "sensor":
                used.add(conventions.SENSOR_TEMPLATE)
            return any(f"template/{name}" in self._changed for name in used)
        if cause == SETTINGS:
            return any(name == SETTINGS or name.startswith(f"{SETTINGS}/") for name in self._changed)
        if cause == SERVICE and item.team and not item.service:  # an overview of the team's services
            return any(name.startswith(f"{SERVICE}/") for name in self._changed)
        name = item.service if cause == SERVICE else item.team
        return bool(name) and f"{cause}/{name}" in self._changed
