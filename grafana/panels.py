"""From a signal to a panel of Grafana: one function a kind, all with the same look."""

from collections.abc import Callable
from typing import Any, Literal

from grafana_foundation_sdk.models import barchart, bargauge, common, geomap, piechart, stat, table, timeseries
from grafana_foundation_sdk.models import dashboard as model

from grafana import fields
from grafana.company import Company
from grafana.looks import BLUE, RED
from grafana.query import TABLE, TIME_SERIES, ClickHouseQuery, data_source
from grafana.signals import Signal
from grafana.texts import Language, localised

Kind = Literal["stat", "light", "table", "lines", "bars", "barchart", "bargauge", "pie", "map"]


def panel(kind: Kind, signal: Signal, language: Language, company: Company) -> model.Panel:
    """The panel of a signal, without id and place."""
    kind_of, options, config = _KINDS[kind](signal, language)
    return model.Panel(
        type_val=kind_of,
        title=localised(signal.title, language),
        description=localised(signal.description, language),
        datasource=data_source(),
        targets=[ClickHouseQuery(company.fill(signal.sql, language), TIME_SERIES if signal.time_series else TABLE)],
        transformations=_transformations(signal),
        options=options,
        field_config=config,
        transparent=False,
    )


_Made = tuple[str, Any, model.FieldConfigSource]


def _transformations(signal: Signal) -> list[model.DataTransformerConfig]:
    if signal.expand is None:
        return []
    extract = {"source": signal.expand, "format": "json", "keepTime": False, "replace": False}
    return [
        model.DataTransformerConfig(id_val="extractFields", options=extract),
        model.DataTransformerConfig(id_val="organize", options={"excludeByName": {signal.expand: True}}),
    ]


def _config(
    signal: Signal, language: Language, custom: object | None = None, *, cells: bool = False
) -> model.FieldConfigSource:
    return model.FieldConfigSource(
        defaults=fields.defaults(signal, language, custom, table=cells),
        overrides=fields.overrides(signal, language, table=cells),
    )


def _reduced(*, rows: bool, names: str = "/.*/") -> common.ReduceDataOptions:
    return common.ReduceDataOptions(values=rows, calcs=["lastNotNull"], fields=names)


def _stat(signal: Signal, language: Language, colour: common.BigValueColorMode) -> _Made:
    named = len(signal.columns) > 1
    options = stat.Options(
        graph_mode=common.BigValueGraphMode.NONE,
        color_mode=colour,
        justify_mode=common.BigValueJustifyMode.CENTER,
        text_mode=common.BigValueTextMode.VALUE_AND_NAME if named else common.BigValueTextMode.VALUE,
        wide_layout=False,
        reduce_options=_reduced(rows=False),
        orientation=common.VizOrientation.VERTICAL if named else common.VizOrientation.AUTO,
    )
    return "stat", options, _config(signal, language)


def _value(signal: Signal, language: Language) -> _Made:
    return _stat(signal, language, common.BigValueColorMode.VALUE)


def _light(signal: Signal, language: Language) -> _Made:
    return _stat(signal, language, common.BigValueColorMode.BACKGROUND_SOLID)


def _table(signal: Signal, language: Language) -> _Made:
    options = table.Options(show_header=True, cell_height=common.TableCellHeight.SM)
    return "table", options, _config(signal, language, fields.table_custom(signal), cells=True)


def _lines(signal: Signal, language: Language) -> _Made:
    custom = common.GraphFieldConfig(
        draw_style=common.GraphDrawStyle.LINE,
        line_interpolation=common.LineInterpolation.LINEAR,
        line_width=2,
        fill_opacity=0 if signal.series else 8,
        show_points=common.VisibilityMode.NEVER,
        span_nulls=False,
    )
    return "timeseries", _time_series_options(), _config(signal, language, custom)


def _bars(signal: Signal, language: Language) -> _Made:
    custom = common.GraphFieldConfig(
        draw_style=common.GraphDrawStyle.BARS,
        line_width=0,
        fill_opacity=85,
        show_points=common.VisibilityMode.NEVER,
        bar_width_factor=0.7,
        stacking=common.StackingConfig(mode=common.StackingMode.NORMAL, group="A"),
    )
    return "timeseries", _time_series_options(), _config(signal, language, custom)


def _time_series_options() -> timeseries.Options:
    return timeseries.Options(
        legend=common.VizLegendOptions(
            show_legend=True,
            display_mode=common.LegendDisplayMode.LIST,
            placement=common.LegendPlacement.BOTTOM,
            calcs=[],
        ),
        tooltip=common.VizTooltipOptions(mode=common.TooltipDisplayMode.MULTI, sort=common.SortOrder.DESCENDING),
    )


def _barchart(signal: Signal, language: Language) -> _Made:
    options = barchart.Options(
        orientation=common.VizOrientation.VERTICAL,
        show_value=common.VisibilityMode.AUTO,
        stacking=common.StackingMode.NONE,
        bar_width=0.9,
        group_width=0.7,
        legend=common.VizLegendOptions(
            show_legend=True,
            display_mode=common.LegendDisplayMode.LIST,
            placement=common.LegendPlacement.BOTTOM,
            calcs=[],
        ),
        tooltip=common.VizTooltipOptions(mode=common.TooltipDisplayMode.MULTI, sort=common.SortOrder.NONE),
    )
    return "barchart", options, _config(signal, language, barchart.FieldConfig(fill_opacity=85, line_width=0))


def _bargauge(signal: Signal, language: Language) -> _Made:
    options = bargauge.Options(
        display_mode=common.BarGaugeDisplayMode.BASIC,
        value_mode=common.BarGaugeValueMode.COLOR,
        name_placement=common.BarGaugeNamePlacement.LEFT,
        show_unfilled=True,
        sizing=common.BarGaugeSizing.AUTO,
        reduce_options=_reduced(rows=True, names=""),
        orientation=common.VizOrientation.HORIZONTAL,
    )
    return "bargauge", options, _config(signal, language)


def _pie(signal: Signal, language: Language) -> _Made:
    options = piechart.Options(
        pie_type=piechart.PieChartType.DONUT,
        reduce_options=_reduced(rows=True, names=""),
        legend=piechart.PieChartLegendOptions(
            show_legend=True,
            display_mode=common.LegendDisplayMode.TABLE,
            placement=common.LegendPlacement.RIGHT,
            values=[piechart.PieChartLegendValues.PERCENT, piechart.PieChartLegendValues.VALUE],
        ),
        tooltip=common.VizTooltipOptions(mode=common.TooltipDisplayMode.SINGLE),
    )
    return "piechart", options, _config(signal, language)


def _map(signal: Signal, language: Language) -> _Made:
    where = common.FrameGeometrySource(
        mode=common.FrameGeometrySourceMode.COORDS, latitude="latitude", longitude="longitude"
    )
    size: dict[str, object] = {"fixed": 4, "min": 2, "max": 8}
    if signal.weight:
        size = {"fixed": 4, "min": 4, "max": 16, "field": signal.weight}
    style = {"size": size, "color": {"fixed": RED if signal.weight else BLUE}, "opacity": 0.6}
    options = geomap.Options(
        view=geomap.MapViewConfig(id_val="fit", lat=34, lon=108, zoom=4, all_layers=True),
        controls=geomap.ControlsOptions(show_zoom=True, mouse_wheel_zoom=True, show_attribution=True),
        basemap=common.MapLayerOptions(type_val="default", name="Basemap"),
        layers=[
            common.MapLayerOptions(
                type_val="markers",
                name=localised(signal.title, language),
                config={"showLegend": False, "style": style},
                location=where,
                tooltip=True,
            )
        ],
        tooltip=geomap.TooltipOptions(mode=geomap.TooltipMode.DETAILS),
    )
    return "geomap", options, _config(signal, language)


_KINDS: dict[Kind, Callable[[Signal, Language], _Made]] = {
    "stat": _value,
    "light": _light,
    "table": _table,
    "lines": _lines,
    "bars": _bars,
    "barchart": _barchart,
    "bargauge": _bargauge,
    "pie": _pie,
    "map": _map,
}
