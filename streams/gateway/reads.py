"""Operations that read: alerts, cases, lights, rules, and who one is."""

from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, Path, Query

from agents.cases.deciding import MAY
from streams.gateway import reading
from streams.gateway.access import CallerHere, Parts, PartsHere, PersonHere
from streams.gateway.examples import ALERT, CASE, LIGHT, ME, RULE, TIMELINE, answered, page
from streams.gateway.problems import not_there
from streams.gateway.reading import Asked, Order, Row
from streams.gateway.rights import ACTIONS, JUDGES, SEES, System, check_sees
from streams.gateway.shapes import (
    AlertPage,
    AlertsAsked,
    AlertShown,
    CasePage,
    CasesAsked,
    CaseShown,
    CaseWithTimeline,
    LightPage,
    LightsAsked,
    LightShown,
    Me,
    PageAsked,
    RuleList,
    RuleShown,
    TimelineEntry,
)

OneId = Annotated[str, Path(pattern="^[0-9a-f]{32}$")]
_JUDGED = ("alerts", "open", "closed", "valid", "false_alarms", "tolerated", "precision")

_ONE_CASE = answered({**CASE, "timeline": [TIMELINE]})

routes = APIRouter(prefix="/v1")


@routes.get("/me", tags=["people"], summary="Whom the gateway takes you for", responses=answered(ME))
def me(found: CallerHere) -> Me:
    """What the token or key says, and what follows from it."""
    if isinstance(found, System):
        return Me(
            kind="system",
            id=found.key_id,
            name=found.name,
            event_kinds=sorted(found.kinds),
            source=found.source or None,
        )
    return Me(
        kind="person",
        id=found.subject,
        name=found.name,
        role=found.role,
        node=found.node,
        rep_id=found.rep_id,
        sees=dict(SEES[found.role]),
        may=[action for action in ACTIONS if action in MAY[found.role]],
    )


@routes.get("/alerts", tags=["alerts"], summary="Alerts, the newest first", responses=page(ALERT))
def alerts(parts: PartsHere, person: PersonHere, asked: Annotated[AlertsAsked, Query()]) -> AlertPage:
    """Alerts that you may see."""
    reach = check_sees(person, "alerts")
    wanted = _of_alerts(asked)
    parts.reading.limit_to(wanted, person, reach)
    rows, after = _page(parts, "alert_log", wanted, reading.ALERTS, asked)
    items = [AlertShown.of_row(row) for row in rows]
    return AlertPage(items=items if reach == "all" else [item.without_others for item in items], next=after)


@routes.get("/alerts/{alert_id}", tags=["alerts"], summary="One alert, with its explanation", responses=answered(ALERT))
def alert(parts: PartsHere, person: PersonHere, alert_id: OneId) -> AlertShown:
    """The alert with the tree of values that made it."""
    reach = check_sees(person, "alerts")
    wanted = Asked()
    wanted.equal(alert_id=alert_id)
    parts.reading.limit_to(wanted, person, reach)
    rows = parts.reading.rows(f"SELECT * FROM alert_log WHERE {wanted.where}", wanted.values)
    if not rows:
        raise not_there(alert_id, "alert")
    found = AlertShown.of_row(rows[0])
    return found if reach == "all" else found.without_others


@routes.get("/cases", tags=["cases"], summary="Cases, the newest first", responses=page(CASE))
def cases(parts: PartsHere, person: PersonHere, asked: Annotated[CasesAsked, Query()]) -> CasePage:
    """Cases that you may see, as they stand."""
    reach = check_sees(person, "cases")
    wanted = _of_alerts(asked)
    wanted.equal(state=asked.state, assignee=asked.assignee)
    parts.reading.limit_to(wanted, person, reach)
    rows, after = _page(parts, "case_log", wanted, reading.CASES, asked)
    return CasePage(items=[CaseShown.model_validate(_only(CaseShown, row)) for row in rows], next=after)


@routes.get("/cases/{case_id}", tags=["cases"], summary="One case, with everything that was done", responses=_ONE_CASE)
def case(parts: PartsHere, person: PersonHere, case_id: OneId) -> CaseWithTimeline:
    """The case with its timeline, refused commands included."""
    reach = check_sees(person, "cases")
    wanted = Asked()
    wanted.equal(case_id=case_id)
    parts.reading.limit_to(wanted, person, reach)
    rows = parts.reading.rows(f"SELECT * FROM case_log WHERE {wanted.where}", wanted.values)
    if not rows:
        raise not_there(case_id, "case")
    done = parts.reading.rows(
        "SELECT * FROM case_timeline WHERE case_id = {case_id:String} ORDER BY number", {"case_id": case_id}
    )
    timeline = [TimelineEntry.model_validate(_only(TimelineEntry, row)) for row in done]
    return CaseWithTimeline(**_only(CaseShown, rows[0]), timeline=timeline)


@routes.get("/lights", tags=["lights"], summary="Alert lights of targets", responses=page(LIGHT))
def lights(parts: PartsHere, person: PersonHere, asked: Annotated[LightsAsked, Query()]) -> LightPage:
    """Lights that you may see, of periods that run now."""
    reach = check_sees(person, "lights")
    wanted = Asked()
    wanted.equal(state=asked.colour, kpi_id=asked.kpi, period=asked.period, owner_level=asked.level)
    wanted.equal(region_id=asked.region)
    if asked.rep is not None:
        wanted.add("owner_level = 'rep' AND owner_id = {rep:String}", rep=asked.rep)
    if not asked.over:
        wanted.add("toDate32({day:String}) BETWEEN period_start AND period_end", day=parts.reading.today())
    reading.since(wanted, "since", asked.since)
    parts.reading.limit_lights(wanted, person, reach)
    rows, after = _page(parts, "lights_now", wanted, reading.LIGHTS, asked)
    return LightPage(items=[LightShown.model_validate(_only(LightShown, row)) for row in rows], next=after)


@routes.get("/rules", tags=["rules"], summary="Rules of compliance", responses=answered({"items": [RULE]}))
def rules(parts: PartsHere, person: PersonHere) -> RuleList:
    """Every version of every rule; how often each was right for those who work on cases."""
    check_sees(person, "rules")
    judged: dict[str, Row] = {}
    if person.role in JUDGES:
        judged = {row["rule_id"]: row for row in parts.reading.rows("SELECT * FROM rule_precision")}
    return RuleList(
        items=[
            RuleShown(**rule, **{name: judged.get(rule["rule_id"], {}).get(name) for name in _JUDGED})
            for rule in parts.in_force.listed()
        ]
    )


def _of_alerts(asked: AlertsAsked) -> Asked:
    wanted = Asked()
    wanted.equal(colour=asked.colour, rule_id=asked.rule, rep_id=asked.rep, region_id=asked.region)
    reading.since(wanted, "raised_at", asked.since)
    return wanted


def _page(parts: Parts, view: str, wanted: Asked, order: Order, asked: PageAsked) -> tuple[Sequence[Row], str | None]:
    rest = order.apply(wanted, asked.cursor, asked.limit)
    return order.page(parts.reading.rows(f"SELECT * FROM {view} WHERE {rest}", wanted.values), asked.limit)


def _only(shape: type[CaseShown | TimelineEntry | LightShown], row: Row) -> Row:
    return {name: row[name] for name in shape.model_fields}
