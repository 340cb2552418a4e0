"""`inventory/aws.yaml`, made into the model's values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mac import durations, kinds
from mac.model import Account, ConfigAggregator, EnabledRegions, InventoryConfig, Listed, Organization, Via
from mac.source import Document, Pointer

Raw = Mapping[str, Any]


def read(document: Document, listed: tuple[Listed, ...] = ()) -> InventoryConfig:
    """`listed`: what the files among its sources hold."""
    spec: Raw = document.data["spec"]
    accounts, regions = spec["accounts"], spec["regions"]
    given = {name: durations.seconds(spec[name]) for name in ("max_age", "grace", "deadline") if name in spec}
    return InventoryConfig(
        accounts=tuple(
            Account(**raw, location=document.location((*at, "id"))) for at, raw in listed_accounts(document)
        ),
        organization=_organization(document, accounts["organization"])
        if isinstance(accounts, Mapping)
        else None,
        regions=tuple(regions) if isinstance(regions, list) else (),
        enabled_regions=None if isinstance(regions, list) else _enabled(regions),
        via=Via(**spec["via"]) if "via" in spec else None,
        kinds=_kinds(spec.get("kinds", kinds.DEFAULT)),
        concurrency=spec.get("concurrency", 32),
        location=document.location(("spec",), key=True),
        aggregators=tuple(
            _aggregator(document, (*at, "config_aggregator"), raw["config_aggregator"])
            for at, raw in sources(document)
            if "config_aggregator" in raw
        ),
        listed=listed,
        **{name: length for name, length in given.items() if length is not None},
    )


def _kinds(given: str | Sequence[str]) -> tuple[str, ...]:
    """None named stands for every kind."""
    return () if isinstance(given, str) else tuple(given)


def sources(document: Document) -> list[tuple[Pointer, Raw]]:
    """The other sources that an inventory names, each with where it stands."""
    return [(("spec", "sources", n), raw) for n, raw in enumerate(document.data["spec"].get("sources", ()))]


def _aggregator(document: Document, at: Pointer, raw: Raw) -> ConfigAggregator:
    place = document.location((*at, "name"))
    entry = {key: raw[key] for key in ("role_arn", "external_id", "session_name") if key in raw}
    return ConfigAggregator(
        name=raw["name"],
        region=raw["region"],
        account=Account(raw["account"], raw["account"], location=place, **entry),
        kinds=tuple(raw.get("kinds", ())),
        location=place,
    )


def listed_accounts(document: Document) -> list[tuple[Pointer, Raw]]:
    """The accounts that an inventory lists, each with where it stands."""
    accounts = document.data["spec"]["accounts"]
    at: Pointer = ("spec", "accounts")
    if isinstance(accounts, Mapping):
        at, accounts = (*at, "list"), accounts.get("list", ())
    return [((*at, n), raw) for n, raw in enumerate(accounts)]


def _organization(document: Document, raw: Raw) -> Organization:
    lists = {name: tuple(raw[name]) for name in ("units", "exclude") if name in raw}
    place = document.location(("spec", "accounts", "organization"), key=True)
    return Organization(**{**raw, **lists}, location=place)


def _enabled(raw: Raw | str) -> EnabledRegions:
    chosen = raw["enabled"] if isinstance(raw, Mapping) else {}
    return EnabledRegions(tuple(chosen.get("include", ())), tuple(chosen.get("exclude", ())))
