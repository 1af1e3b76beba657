"""The plain loop for field work: calls against the plan, field days, latency, market share. Part of `oracle`.

Nothing here is shared with the engine but the classes of the reference rows. All days lie in the past.
"""

import math
from calendar import isleap
from collections import Counter, defaultdict
from collections.abc import Iterable
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import oracle

from schemas.reference import CalendarDay, CallPlan, Hcp, Institution, OrganisationNode, Product, Rep

if TYPE_CHECKING:
    from oracle import Company, Event, Expected

WEIGHTS = {1: (100,), 2: (65, 35), 3: (60, 30, 10), 4: (55, 25, 10, 10)}
SEGMENT_WEIGHTS = {"A": Fraction(1, 2), "B": Fraction(3, 10), "C": Fraction(1, 5)}
CALLS_PER_DAY, COST_PER_DAY = Decimal(9), Decimal(1800)
RATIOS = (
    "collection_rate",
    "valid_visit_rate",
    "calls_per_field_day",
    "time_in_territory",
    "coaching_ratio",
    "satisfaction",
    "market_share",
    "target_reach",
    "coverage_at_frequency",
    "call_frequency",
    "call_frequency_a",
    "call_frequency_b",
    "call_frequency_c",
    "call_plan_attainment",
    "call_plan_attainment_raw",
    "on_target_share",
    "capacity_utilisation",
    "cost_per_call",
    "cost_per_reach",
)
SUMS = ("details_pde", "over_calls", "under_calls", "new_drug_hospitals")
QUANTILES = {"reporting_latency_p50": 0.5, "reporting_latency_p95": 0.95}
ONE, NOTHING = Decimal(1), Decimal(0)
TOTAL = {("all", "")}


def add_field_work(result: "Expected", company: "Company") -> None:
    visits = list(result.events["visits"].values())
    valid = [visit for visit in visits if is_valid(visit, company)]
    add_visits(result, company, visits, valid)
    add_days(result, company, valid)
    add_call_plan(result, company, [visit for visit in valid if visit.get("hcp_id")])
    add_latencies(result, company, visits)
    add_market(result, company)
    add_new_drugs(result, company)
    for survey in result.events["surveys"].values():
        if survey["kind"] != "satisfaction":
            continue
        day = oracle.company_day(survey)
        oracle.add(result, company, survey, "satisfaction", day, TOTAL, Decimal(survey["score"]), ONE)


# --- visits ---------------------------------------------------------------------------------------------------------


def is_valid(visit: "Event", company: "Company") -> bool:
    """In person: inside the fence and five minutes long, as far as it is known."""
    if visit.get("channel", "face_to_face") != "face_to_face":
        return True
    if visit.get("check_out_at"):
        began, ended = (datetime.fromisoformat(visit[name]) for name in ("check_in_at", "check_out_at"))
        if ended - began < timedelta(minutes=5):
            return False
    site = company.row(Institution, visit["institution_id"], oracle.company_day(visit))
    fix = visit.get("check_in")
    if fix is None or site.latitude is None or not at_work(visit, company):
        return True
    # all positions lie on one meridian
    away = abs(math.radians(float(fix["latitude"]) - site.latitude)) * 6_371_008.8
    return away - float(fix.get("accuracy_m", 0)) <= site.fence_radius_m


def at_work(visit: "Event", company: "Company") -> bool:
    """Between nine and six on a working day: at other times nobody may ask where a representative is."""
    began = datetime.fromisoformat(visit["check_in_at"]).astimezone(ZoneInfo("Asia/Shanghai"))
    special = {row.day: row.is_working_day for row in company.references if isinstance(row, CalendarDay)}
    return time(9) <= began.time() <= time(18) and special.get(began.date(), began.weekday() < 5)


def add_visits(result: "Expected", company: "Company", visits: list["Event"], valid: list["Event"]) -> None:
    for visit in visits:
        day = oracle.company_day(visit)
        oracle.add(result, company, visit, "valid_visit_rate", day, TOTAL, ONE if visit in valid else NOTHING, ONE)
    for visit in valid:
        day = oracle.company_day(visit)
        if visit.get("hcp_id"):
            oracle.add(result, company, visit, "calls_per_field_day", day, TOTAL, ONE)
            oracle.add(result, company, visit, "cost_per_call", day, TOTAL, NOTHING, ONE)
        for key, share in detail_shares(company, visit, day).items():
            oracle.add(result, company, visit, "details_pde", day, {key}, share)


def detail_shares(company: "Company", visit: "Event", day: date) -> dict[tuple[str, str], Decimal]:
    products: list[str] = []
    for detail in visit.get("details", ()):
        if detail["product_id"] not in products:
            products.append(detail["product_id"])
    shares: dict[tuple[str, str], Decimal] = defaultdict(Decimal)
    weights = WEIGHTS[min(len(products), 4)] if products else ()
    for product, weight in zip(products, weights, strict=False):
        shares["all", ""] += Decimal(weight) / 100
        shares["product", product] += Decimal(weight) / 100
        if line := company.line(product, day):
            shares["line", line] += Decimal(weight) / 100
    return shares


def add_days(result: "Expected", company: "Company", valid: list["Event"]) -> None:
    field = {(visit["rep_id"], oracle.company_day(visit)) for visit in valid}
    joint = {(visit["rep_id"], oracle.company_day(visit)) for visit in valid if visit.get("companions")}
    for rep, day in field:
        who = {"rep_id": rep}
        oracle.add(result, company, who, "calls_per_field_day", day, TOTAL, NOTHING, ONE)
        oracle.add(result, company, who, "time_in_territory", day, TOTAL, ONE)
        oracle.add(result, company, who, "coaching_ratio", day, TOTAL, ONE if (rep, day) in joint else NOTHING, ONE)
    for rep, day in working_days(company):
        who = {"rep_id": rep}
        oracle.add(result, company, who, "time_in_territory", day, TOTAL, NOTHING, ONE)
        oracle.add(result, company, who, "capacity_utilisation", day, TOTAL, NOTHING, CALLS_PER_DAY)
        for kpi in ("cost_per_call", "cost_per_reach"):
            oracle.add(result, company, who, kpi, day, TOTAL, COST_PER_DAY)


def working_days(company: "Company") -> Iterable[tuple[str, date]]:
    """Representative and day, for every day of the years with a calendar, from the first month with a plan on."""
    special = {row.day: row.is_working_day for row in company.references if isinstance(row, CalendarDay)}
    years = sorted({day.year for day in special})
    begins = min((row.effective_from for row in company.references if isinstance(row, CallPlan)), default=date.min)
    every = (date(year, 1, 1) + timedelta(days=n) for year in years for n in range(365 + isleap(year)))
    days = [day for day in every if special.get(day, day.weekday() < 5) and day >= begins.replace(day=1)]
    for rep in sorted({row.rep_id for row in company.references if isinstance(row, Rep)}):
        for day in days:
            row = company.row(Rep, rep, day)
            employed = row and (row.hired_on or day) <= day <= (row.left_on or day) and row.role != "manager"
            if employed and company.ancestors(rep, day):
                yield rep, day


# --- call plan ------------------------------------------------------------------------------------------------------


def add_call_plan(result: "Expected", company: "Company", calls: list["Event"]) -> None:
    made = Counter((v["rep_id"], oracle.company_day(v).replace(day=1), v["hcp_id"]) for v in calls)
    result.calls = [(month, rep, hcp, count) for (rep, month, hcp), count in made.items()]
    planned: dict[tuple[str, date, str], int] = {}
    for row in sorted((r for r in company.references if isinstance(r, CallPlan)), key=lambda r: r.effective_from):
        planned[row.rep_id, row.effective_from.replace(day=1), row.hcp_id] = row.planned_calls
    for rep, month, hcp in {*made, *planned}:
        add_line(result, company, (rep, month, hcp), planned.get((rep, month, hcp), 0), made[rep, month, hcp])


def add_line(result: "Expected", company: "Company", line: tuple[str, date, str], plan: int, calls: int) -> None:
    rep, month, hcp = line
    row = company.row(Hcp, hcp, month)
    segment = row.segment if row else None
    day = home_day(company, rep, month)

    def enter(kpi: str, above: int, below: int = 0) -> None:
        oracle.add(result, company, {"rep_id": rep}, kpi, day, TOTAL, Decimal(above), Decimal(below))

    enter("on_target_share", calls if plan else 0, calls)
    enter("cost_per_reach", 0, 1 if calls else 0)
    if not plan:
        return
    enter("target_reach", 1 if calls else 0, 1)
    enter("coverage_at_frequency", 1 if calls >= plan else 0, 1)
    for kpi in ("call_frequency", f"call_frequency_{segment.lower()}" if segment in {"A", "B", "C"} else None):
        if kpi:
            enter(kpi, calls, 1 if calls else 0)
    enter("over_calls", max(calls - plan, 0))
    enter("under_calls", max(plan - calls, 0))
    enter("call_plan_attainment", min(calls, plan), plan)
    enter("call_plan_attainment_raw", calls, plan)
    enter("capacity_utilisation", plan)
    if segment in SEGMENT_WEIGHTS:
        for where in places(company, rep, day):
            result.segments[where][segment].append((min(calls, plan), plan))


def home_day(company: "Company", rep: str, month: date) -> date:
    """First day of the month on which the representative belongs anywhere."""
    days = [month + timedelta(days=n) for n in range(31) if (month + timedelta(days=n)).month == month.month]
    return next((day for day in days if company.ancestors(rep, day)), month)


def places(company: "Company", rep: str, day: date) -> Iterable[tuple[Any, ...]]:
    """(period, first day, owner, level) of everybody for whom something of this representative's day counts."""
    for period, start in oracle.periods(day):
        yield period, start, rep, "rep"
        for node in company.ancestors(rep, day):
            yield period, start, node.node_id, node.level


def weighted(parts: dict[str, list[tuple[int, int]]]) -> Fraction | None:
    """Weighted attainment of the segments that have a plan."""
    total = weights = Fraction(0)
    for segment, lines in parts.items():
        total += SEGMENT_WEIGHTS[segment] * Fraction(sum(made for made, _ in lines), sum(plan for _, plan in lines))
        weights += SEGMENT_WEIGHTS[segment]
    return total / weights if weights else None


# --- the rest -------------------------------------------------------------------------------------------------------


def add_latencies(result: "Expected", company: "Company", visits: list["Event"]) -> None:
    for visit in visits:
        if not visit.get("recorded_at"):
            continue
        ended = datetime.fromisoformat(visit.get("check_out_at") or visit["occurred_at"])
        minutes = (datetime.fromisoformat(visit["recorded_at"]) - ended).total_seconds() / 60
        for where in places(company, visit["rep_id"], oracle.company_day(visit)):
            result.latencies[where].append(max(minutes, 0.0))


def nearest_rank(values: list[float], share: float) -> float:
    """The smallest value that at least this share of all values does not exceed."""
    return sorted(values)[max(math.ceil(Fraction(str(share)) * len(values)), 1) - 1]


def add_market(result: "Expected", company: "Company") -> None:
    for report in result.events["market"].values():
        if report["kind"] != "volume" or report.get("own_volume") is None:
            continue
        day = date.fromisoformat(report["period_from"])
        keys = oracle.product_keys(company, [report["product_id"]], day)
        node = company.row(OrganisationNode, report["territory_id"], day)
        while node:
            for period, start in oracle.periods(day):
                for level, key in keys:
                    total = ("market_share", period, start, node.node_id, node.level, level, key)
                    result.node_totals[total].add(Decimal(report["own_volume"]), Decimal(report["market_volume"]))
            node = company.row(OrganisationNode, node.parent_id, day) if node.parent_id else None


def add_new_drugs(result: "Expected", company: "Company") -> None:
    """A target hospital counts once, for the rep of its very first order of a new drug."""
    by_site: dict[tuple[str, str, str], list[Event]] = defaultdict(list)
    for sale in result.events["sales"].values():
        day = oracle.company_day(sale)
        site = company.row(Institution, sale["institution_id"], day)
        product = company.row(Product, sale["product_id"], day)
        if sale["kind"] == "sale" and Decimal(sale["quantity"]) > 0 and site.is_target and product.is_new_drug:
            for level, key in oracle.product_keys(company, [sale["product_id"]], day):
                by_site[sale["institution_id"], level, key].append(sale)
    for (_, level, key), orders in by_site.items():
        first = min(orders, key=lambda order: (oracle.moment(order), order["event_id"]))
        oracle.add(result, company, first, "new_drug_hospitals", oracle.company_day(first), {(level, key)}, ONE)
