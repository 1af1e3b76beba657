"""Hypothesis strategies for every event and reference model, drawn from their annotations."""

from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt
from hypothesis import strategies as st
from pydantic import AwareDatetime, BaseModel
from pydantic.fields import FieldInfo

from schemas.reference import period_days

#: What ClickHouse's Date32 and DateTime64 hold, less a day for the offsets.
FIRST, LAST = date(1900, 1, 2), date(2299, 12, 30)
#: Largest amount, in millionths.
_MOST = 10**32 - 1

_seen = st.characters(exclude_categories=("Cs", "Cc", "Zs", "Zl", "Zp"))
ids = st.text(_seen, min_size=1, max_size=12)
texts = st.text(st.characters(exclude_categories=("Cs",)), max_size=30)
days = st.dates(FIRST, LAST)
zones = st.sampled_from([UTC, timezone(timedelta(hours=8)), timezone(-timedelta(hours=3, minutes=30))])
moments = st.datetimes(datetime.combine(FIRST, time()), datetime.combine(LAST, time()), timezones=zones)


def _millionths(count: int) -> Decimal:
    """Exact where arithmetic would round to the 28 digits of the decimal context."""
    return Decimal((int(count < 0), tuple(int(digit) for digit in str(abs(count))), -6))


amounts = st.integers(-_MOST, _MOST).map(_millionths) | st.integers(-1000, 1000).map(Decimal)


def models(model: type[BaseModel]) -> st.SearchStrategy[Any]:
    """Valid instances of `model`."""
    fields = {name: _values(field.annotation, field) for name, field in model.model_fields.items()}
    return st.fixed_dictionaries(fields).map(lambda values: model.model_validate(_consistent(model, values)))


def _values(annotation: Any, *rules: Any) -> st.SearchStrategy[Any]:
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _values(arguments[0], *rules, *arguments[1:])
    if origin in {Union, UnionType}:
        return st.one_of([st.none() if kind is type(None) else _values(kind, *rules) for kind in arguments])
    if origin is tuple:
        return st.lists(_values(arguments[0]), max_size=3).map(tuple)
    if origin is Literal:
        return st.sampled_from(arguments)
    if issubclass(annotation, BaseModel) and annotation is not AwareDatetime:
        return models(annotation)
    return _scalars(annotation, _limits(rules))


def _limits(rules: tuple[Any, ...]) -> dict[str, Any]:
    flat = [part for rule in rules for part in (rule.metadata if isinstance(rule, FieldInfo) else [rule])]
    limits: dict[str, Any] = {"text": True}
    for part in flat:
        if isinstance(part, Ge):
            limits["low"] = part.ge
        elif isinstance(part, Gt):
            limits["low"] = part.gt + 1
        elif isinstance(part, Le | Lt):
            limits["high"] = part.le if isinstance(part, Le) else part.lt
        elif (pattern := getattr(part, "pattern", None)) is not None:
            limits["text"], limits["currency"] = False, pattern == r"^[A-Z]{3}$"
    return limits


def _scalars(kind: Any, limits: dict[str, Any]) -> st.SearchStrategy[Any]:
    low, high = limits.get("low"), limits.get("high")
    if kind is str:
        return texts if limits["text"] else st.sampled_from(["CNY", "EUR"]) if limits["currency"] else ids
    simple = {bool: st.booleans(), date: days, AwareDatetime: moments, time: st.times()}
    if kind in simple:
        return simple[kind]
    if kind is Decimal:
        return amounts if low is None else amounts.map(Decimal.copy_abs)
    if kind is int:
        return st.integers(low, high if high is not None else 10**6)
    return st.floats(low, high, allow_nan=False, allow_infinity=False)


def _consistent(model: type[BaseModel], values: dict[str, Any]) -> dict[str, Any]:
    """What the validators across fields ask for."""
    for first, last in (("check_in_at", "check_out_at"), ("started_at", "ended_at"), ("period_from", "period_to")):
        if values.get(first) is not None and values.get(last) is not None:
            values[first], values[last] = sorted((values[first], values[last]))
    if "quantity" in values and "amount" in values and values["kind"] != "adjustment":
        sign = Decimal(1 if values["kind"] == "sale" else -1)
        values |= {name: values[name].copy_sign(sign) for name in ("quantity", "amount")}
    if "owner_level" in values:
        values["period_start"], last = period_days(values["period"], values["period_start"])
        values["effective_from"] = min(values["effective_from"], last)
        values["product_key"] = "" if values["product_level"] == "all" else values["product_key"] or "P"
    if "tender_id" in values:
        needs = {"market_volume": Decimal(1), "competitor": "", "price": Decimal("0.5"), "tender_id": "t"}
        needs |= {"period_from": FIRST, "period_to": LAST}
        values |= {name: value for name, value in needs.items() if values[name] is None}
    return values
