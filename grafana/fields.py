"""How values look: units, colours, thresholds, mappings and links of fields, as Grafana's field options."""

from typing import Any

from grafana_foundation_sdk.models import common
from grafana_foundation_sdk.models import dashboard as model

from grafana.links import DATA_LINKS
from grafana.looks import COLOURS, WORDS, State, Unit, format_of, word
from grafana.signals import Column, Signal, Thresholds
from grafana.texts import Language, localised

#: Where no state is known: the colour of text, and none at all behind it.
NEUTRAL, CLEAR = "text", "transparent"


def thresholds(steps: Thresholds) -> model.ThresholdsConfig:
    """Colour from a value on."""
    return model.ThresholdsConfig(
        mode=model.ThresholdsMode.ABSOLUTE,
        steps=[model.Threshold(value=value, color=colour) for value, colour in steps],
    )


def fixed(colour: str) -> model.FieldColor:
    """One colour whatever the value."""
    return model.FieldColor(mode=model.FieldColorModeId.FIXED, fixed_color=colour)


def by_threshold() -> model.FieldColor:
    """The colour of the threshold that is passed."""
    return model.FieldColor(mode=model.FieldColorModeId.THRESHOLDS)


def state_mappings(language: Language) -> list[Any]:
    """States alone become words, states in front of a text its colour."""
    words: dict[str, model.ValueMappingResult] = {
        state: model.ValueMappingResult(text=word(state, language), color=COLOURS[state], index=index)
        for index, state in enumerate(WORDS)
    }
    prefixed = [_prefixed(state, index + len(words)) for index, state in enumerate(WORDS)]
    return [model.ValueMap(options=words), *prefixed]


def _prefixed(state: State, index: int) -> model.RegexMap:
    result = model.ValueMappingResult(text="$1", color=COLOURS[state], index=index)
    return model.RegexMap(options=model.DashboardRegexMapOptions(pattern=f"^{state} (.+)$", result=result))


def data_links(name: str, language: Language) -> list[model.DashboardLink]:
    """Links of a cell or bar."""
    link = DATA_LINKS[name]
    return [model.DashboardLink(title=localised(link.title, language), url=link.url_in(language))]


def defaults(
    signal: Signal, language: Language, custom: object | None = None, *, table: bool = False
) -> model.FieldConfig:
    """Options of every field of a signal that no override changes."""
    form = format_of(signal.unit, language)
    config = model.FieldConfig(
        unit=form.unit,
        decimals=form.decimals if signal.decimals is None else signal.decimals,
        no_value=localised(signal.empty, language),
        custom={} if custom is None else custom,
    )
    if signal.thresholds:
        config.thresholds = thresholds(signal.thresholds)
        config.color = by_threshold()
    if signal.states:
        config.mappings = state_mappings(language)
        config.color = fixed(CLEAR if table else NEUTRAL)
    if signal.series:
        config.display_name = f"${{__field.labels.{signal.series}}}"
    if signal.link:
        config.links = data_links(signal.link, language)
    return config


def overrides(
    signal: Signal, language: Language, *, table: bool = False
) -> list[model.DashboardFieldConfigSourceOverrides]:
    """What is different for single columns."""
    return [
        model.DashboardFieldConfigSourceOverrides(
            matcher=model.MatcherConfig(id_val="byRegexp" if column.pattern else "byName", options=column.field),
            properties=_properties(signal, column, language, table=table),
        )
        for column in signal.columns
    ]


def _properties(signal: Signal, column: Column, language: Language, *, table: bool) -> list[model.DynamicConfigValue]:
    form = format_of(column.unit, language)
    found: dict[str, object] = {"unit": form.unit}
    if column.title:
        found["displayName"] = localised(column.title, language)
    if form.decimals is not None:
        found["decimals"] = form.decimals
    if column.colour:
        found["color"] = fixed(column.colour)
    if column.thresholds:
        found |= {"thresholds": thresholds(column.thresholds), "color": by_threshold()}
    if column.largest is not None:
        found |= {"min": 0, "max": column.largest}
    if column.link:
        found["links"] = data_links(column.link, language)
    if column.dashed:
        found["custom.lineStyle"] = {"fill": "dash", "dash": [6, 6]}
        found["custom.fillOpacity"] = 0
    if table:
        found |= _cell(column, language)
        if signal.states and column.cell == "plain":
            found["custom.cellOptions"] = {"type": "auto"}  # a name is no state
    return [model.DynamicConfigValue(id_val=name, value=value) for name, value in found.items()]


def _cell(column: Column, language: Language) -> dict[str, object]:
    found: dict[str, object] = {}
    if column.hidden:
        found["custom.hidden"] = True
    if column.width:
        found["custom.width"] = column.width
    if column.unit in _RIGHT or column.right:
        found["custom.align"] = "right"
    if column.cell == "light":
        found |= {"mappings": state_mappings(language), "custom.align": "center", "color": fixed(CLEAR)}
        found["custom.cellOptions"] = {"type": "color-background", "mode": "basic"}
    if column.cell == "gauge":
        found["custom.cellOptions"] = {"type": "gauge", "mode": "basic", "valueDisplayMode": "text"}
    if column.wrap:
        found["custom.cellOptions"] = {"type": "auto", "wrapText": True}
    if column.cell == "coloured":
        found["custom.cellOptions"] = {"type": "color-text"}
    return found


_RIGHT: frozenset[Unit] = frozenset(
    {
        "money",
        "price",
        "percent",
        "count",
        "packs",
        "number",
        "rate",
        "minutes",
        "seconds",
        "points",
        "bytes",
        "hours",
        "yuan",
    }
)


def table_custom(signal: Signal) -> common.TableFieldOptions:
    """Cells of a table: plain, or with the colour of their state as background."""
    options = common.TableFieldOptions(inspect=False)
    if signal.states:
        options.align = common.FieldTextAlignment.CENTER
        options.cell_options = common.TableColoredBackgroundCellOptions(
            mode=common.TableCellBackgroundDisplayMode.BASIC
        )
    return options
