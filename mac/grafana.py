"""Dashboards as Grafana's JSON, built and read with Grafana's own types: the SDK that it generates from its
schemas. What a dashboard shows is decided elsewhere.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.runtime import Runtime
from grafana_foundation_sdk.models import common, prometheus, table, timeseries
from grafana_foundation_sdk.models import dashboard as sdk

from mac import emit
from mac.model import Json

DATASOURCE = "datasource"
"""The variable that holds the data source: a Prometheus, or one that answers for many of them."""

GRAPH, TABLE = "timeseries", "table"

_COLUMNS, _WIDTH, _HEIGHT = 24, 12, 8
_SOURCE = sdk.DataSourceRef(type_val="prometheus", uid=f"${{{DATASOURCE}}}")
_EXTRA = ("tagKeys", "textFormat", "titleFormat")
"""What Grafana reads of an annotation from Prometheus, and the SDK's type of annotations lacks."""


@dataclass(frozen=True, slots=True)
class Link:
    """`url` is complete and escaped; `tags` in place of it lists the dashboards that have all of them.

    `keep`: the range of time and the variables go along. An address outside Grafana opens a new tab.
    """

    title: str
    url: str = ""
    tags: tuple[str, ...] = ()
    keep: bool = False


@dataclass(frozen=True, slots=True)
class Panel:
    """`identity` makes the panel's number, which is part of addresses: it tells it apart for good.

    `legend` is Grafana's template of a series' name. A table shows the latest value of each series, and
    `renamed` the titles of its columns.
    """

    identity: str
    title: str
    expr: str
    unit: str = "short"
    description: str = ""
    legend: str = ""
    threshold: float | None = None
    links: tuple[Link, ...] = ()
    kind: str = GRAPH
    renamed: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Row:
    title: str
    panels: tuple[Panel, ...]


@dataclass(frozen=True, slots=True)
class Variable:
    """The values that a label has among the series of a selector, of which one may choose some or all."""

    label: str
    selector: str


@dataclass(frozen=True, slots=True)
class Annotation:
    """Marks the times at which an expression has series; title, text and tags come from their labels."""

    name: str
    expr: str
    title: str
    text: str = ""
    tags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Dashboard:
    uid: str
    title: str
    description: str
    tags: tuple[str, ...]
    variables: tuple[Variable, ...]
    annotations: tuple[Annotation, ...]
    links: tuple[Link, ...]
    rows: tuple[Row, ...]


def document(dashboard: Dashboard) -> dict[str, Any]:
    """Grafana's JSON of a dashboard that nobody edits in Grafana, as plain values."""
    built = sdk.Dashboard(
        uid=dashboard.uid,
        title=dashboard.title,
        description=dashboard.description,
        tags=list(dashboard.tags),
        editable=False,
        graph_tooltip=sdk.DashboardCursorSync.CROSSHAIR,
        refresh="1m",
        time=sdk.DashboardDashboardTime("now-6h", "now"),
        templating=sdk.DashboardDashboardTemplating([_source(), *map(_variable, dashboard.variables)]),
        annotations=sdk.AnnotationContainer([_annotation(a) for a in dashboard.annotations]),
        links=[_link(link) for link in dashboard.links],
        panels=list(_panels(dashboard.rows)),
    )
    plain: dict[str, Any] = _plain(built)
    for annotation, made in zip(dashboard.annotations, plain["annotations"]["list"], strict=True):
        formats = (",".join(annotation.tags), annotation.text, annotation.title)
        made |= dict(zip(_EXTRA, formats, strict=True))
    return plain


def fault(document: Json) -> str:
    """What of a dashboard Grafana's types do not take up or give back otherwise; "" when nothing."""
    _register()
    try:
        returned = _plain(sdk.Dashboard.from_json(document))
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        return f"it is no dashboard of Grafana: {error!r:.200}"
    annotations = [
        {name: value for name, value in annotation.items() if name not in _EXTRA}
        for annotation in document.get("annotations", {}).get("list", ())
    ]
    return _difference({**document, "annotations": {"list": annotations}}, returned)


def _difference(given: Json, returned: Json, at: str = "") -> str:
    if isinstance(given, dict) and isinstance(returned, dict):
        for name in sorted(given.keys() | returned.keys()):
            path = f"{at}.{name}".removeprefix(".")
            if name not in returned:
                return f"Grafana knows no {path}"
            found = _difference(given.get(name), returned[name], path)
            if found:
                return found
        return ""
    if isinstance(given, list) and isinstance(returned, list) and len(given) == len(returned):
        pairs = enumerate(zip(given, returned, strict=True))
        return next((found for n, (a, b) in pairs if (found := _difference(a, b, f"{at}[{n}]"))), "")
    return "" if given == returned else f"Grafana takes {at or 'it'} for {returned!r:.80}"


@cache
def _register() -> None:
    runtime = Runtime()
    runtime.register_dataquery_variant(prometheus.variant_config())
    runtime.register_panelcfg_variant(timeseries.variant_config())
    runtime.register_panelcfg_variant(table.variant_config())


def _plain(built: sdk.Dashboard) -> Any:
    return emit.read_json(JSONEncoder().encode(built))


# --- parts of a dashboard ----------------------------------------------------------------------------


def _source() -> sdk.VariableModel:
    return sdk.VariableModel(
        type_val=sdk.VariableType.DATASOURCE, name=DATASOURCE, label="Data source", query="prometheus"
    )


def _variable(variable: Variable) -> sdk.VariableModel:
    return sdk.VariableModel(
        type_val=sdk.VariableType.QUERY,
        name=variable.label,
        label=variable.label.capitalize(),
        datasource=_SOURCE,
        query={"query": f"label_values({variable.selector}, {variable.label})", "refId": variable.label},
        refresh=sdk.VariableRefresh.ON_TIME_RANGE_CHANGED,
        sort=sdk.VariableSort.ALPHABETICAL_ASC,
        include_all=True,
        multi=True,
        all_value=".*",
    )


def _annotation(annotation: Annotation) -> sdk.AnnotationQuery:
    return sdk.AnnotationQuery(
        name=annotation.name, datasource=_SOURCE, icon_color="red", expr=annotation.expr
    )


def _link(link: Link) -> sdk.DashboardLink:
    listed = bool(link.tags)
    return sdk.DashboardLink(
        title=link.title,
        type_val=sdk.DashboardLinkType.DASHBOARDS if listed else sdk.DashboardLinkType.LINK,
        icon="" if listed else "dashboard" if link.keep else "external link",
        url=None if listed else link.url,
        tags=list(link.tags),
        as_dropdown=listed,
        target_blank=not listed and not link.keep,
        include_vars=link.keep,
        keep_time=link.keep,
    )


def _panels(rows: Iterable[Row]) -> Iterator[sdk.Panel | sdk.RowPanel]:
    y = 0
    taken: set[int] = set()
    for row in rows:
        place = sdk.GridPos(h=1, w=_COLUMNS, x=0, y=y)
        number = _number("row", row.title, taken)
        yield sdk.RowPanel(title=row.title, id_val=number, grid_pos=place)
        y += 1
        x = 0
        for panel in row.panels:
            place = sdk.GridPos(h=_HEIGHT, w=_WIDTH, x=x, y=y)
            yield _panel(panel, _number("panel", panel.identity, taken), place)
            x = (x + _WIDTH) % _COLUMNS
            y += 0 if x else _HEIGHT
        y += _HEIGHT if x else 0


def _number(kind: str, identity: str, taken: set[int]) -> int:
    """A number that stays when panels come and go beside it. Browsers count exactly up to 2^53."""
    digest = hashlib.sha256(f"{kind}\0{identity}".encode("utf-8", "surrogatepass")).digest()
    number = int.from_bytes(digest[:4], "big") >> 1 or 1
    while number in taken:
        number += 1
    taken.add(number)
    return number


def _panel(panel: Panel, number: int, place: sdk.GridPos) -> sdk.Panel:
    is_table = panel.kind == TABLE
    return sdk.Panel(
        type_val=panel.kind,
        id_val=number,
        title=panel.title,
        description=panel.description or None,
        datasource=_SOURCE,
        grid_pos=place,
        targets=[
            prometheus.Dataquery(
                ref_id="A",
                datasource=_SOURCE,
                expr=panel.expr,
                legend_format=panel.legend or None,
                instant=is_table or None,
                format_val=prometheus.PromQueryFormat.TABLE if is_table else None,
            )
        ],
        links=[_link(link) for link in panel.links],
        transformations=[_columns(panel)] if is_table else None,
        field_config=sdk.FieldConfigSource(
            defaults=sdk.FieldConfig(
                unit=panel.unit,
                thresholds=_thresholds(panel.threshold),
                custom=common.TableFieldOptions() if is_table else _drawn(panel.threshold),
            ),
            overrides=[],
        ),
        options=table.Options() if is_table else _graph_options(),
    )


def _thresholds(threshold: float | None) -> sdk.ThresholdsConfig:
    steps = [sdk.Threshold(None, "green")]
    if threshold is not None:
        steps.append(sdk.Threshold(threshold, "red"))
    return sdk.ThresholdsConfig(sdk.ThresholdsMode.ABSOLUTE, steps)


def _drawn(threshold: float | None) -> common.GraphFieldConfig:
    modes = common.GraphThresholdsStyleMode
    style = common.GraphThresholdsStyleConfig(modes.OFF if threshold is None else modes.LINE)
    return common.GraphFieldConfig(thresholds_style=style)


def _graph_options() -> timeseries.Options:
    return timeseries.Options(
        legend=common.VizLegendOptions(
            display_mode=common.LegendDisplayMode.LIST,
            placement=common.LegendPlacement.BOTTOM,
            show_legend=True,
        ),
        tooltip=common.VizTooltipOptions(common.TooltipDisplayMode.MULTI, common.SortOrder.DESCENDING),
    )


def _columns(panel: Panel) -> sdk.DataTransformerConfig:
    renamed = dict(panel.renamed)
    options = {"excludeByName": {"Time": True}, "indexByName": {}, "renameByName": renamed}
    return sdk.DataTransformerConfig(id_val="organize", options=options)
