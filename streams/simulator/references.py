"""The company as reference rows."""

from collections.abc import Iterator
from datetime import date, time, timedelta

from schemas.reference import (
    CallPlan,
    FilingPeriod,
    Hcp,
    Institution,
    Label,
    Material,
    OrganisationNode,
    Product,
    ReceptionWindow,
    Reference,
    Registration,
    Rep,
)
from streams.simulator.calendar import calendar_rows, working_days
from streams.simulator.catalog import ITEMS, LABELS_FROM, LINES, MATERIALS
from streams.simulator.company import Company, Site, Territory
from streams.simulator.periods import last_of_month, month_of, months_later

#: Planned calls in a month with the usual number of working days.
CALLS: dict[str, int] = {"A": 7, "B": 4, "C": 2, "D": 1}
_USUAL_DAYS = 21
_MONTHS_AHEAD = 3
_FENCE_M = 200.0
_WINDOWS = (
    ReceptionWindow(weekdays=(1, 2, 3, 4, 5), opens=time(9), closes=time(12)),
    ReceptionWindow(weekdays=(1, 2, 3, 4, 5), opens=time(13, 30), closes=time(18)),
)
#: Where representatives must not be met.
FORBIDDEN_ZONES = ("门急诊", "住院部", "检验科", "设备科", "药剂科", "信息管理科")


def rows(company: Company, start: date, end: date) -> list[Reference]:
    """Everything the events of those days name, and the call plan of three more months.

    The order is fixed: organisation, people, products, institutions, doctors, plan, calendar.
    """
    years = range(start.year, end.year + 2)
    return [
        *_nodes(company),
        *_people(company),
        *_products(company),
        *_materials(years),
        *(_institution(site) for site in company.sites),
        *(row for territory in company.territories for row in _registrations(territory, years)),
        *(row for territory in company.territories for row in _hcps(territory)),
        *_call_plan(company, start, end),
        *calendar_rows(years),
    ]


def planned_calls(segment: str, working: int) -> int:
    """Calls on a doctor of that segment in a month with so many working days; never above the segment's usual number.

    >>> planned_calls("A", 21), planned_calls("A", 15), planned_calls("D", 15)
    (7, 5, 1)
    """
    return max(1, round(CALLS[segment] * min(1.0, working / _USUAL_DAYS)))


def _nodes(company: Company) -> Iterator[OrganisationNode]:
    yield OrganisationNode(
        node_id="COMPANY", name="康泽医药", name_en="Kangze Pharma", level="company", manager_id="M-COMPANY"
    )
    for area in company.regions:
        yield OrganisationNode(
            node_id=area.node_id,
            name=area.name,
            name_en=area.name_en,
            level="region",
            parent_id="COMPANY",
            manager_id=f"M-{area.node_id}",
        )
    for team in company.teams:
        yield OrganisationNode(
            node_id=team.node_id,
            name=team.name,
            name_en=team.name_en,
            level="team",
            parent_id=company.region_id(team.region),
            manager_id=team.manager_id,
        )


def _people(company: Company) -> Iterator[Rep]:
    for manager, name in company.managers.items():
        node = manager.removeprefix("M-")
        yield Rep(rep_id=manager, name=name.name, name_en=name.name_en, role="manager", team_id=node)
    for territory in company.territories:
        filing = FilingPeriod(
            filed_from=territory.hired_on + timedelta(days=20), filing_number=f"YB{territory.number + 1:08}"
        )
        yield Rep(
            rep_id=territory.rep_id,
            name=territory.name.name,
            name_en=territory.name.name_en,
            role="filed_rep" if territory.is_filed else "sales",
            team_id=company.teams[territory.team].node_id,
            filings=(filing,),
            hired_on=territory.hired_on,
        )


def _products(company: Company) -> Iterator[Product]:
    for item in ITEMS:
        line = LINES[item.line]
        launched_on = company.launched_on if item.is_new_drug else LABELS_FROM
        yield Product(
            product_id=item.product_id,
            name=item.name,
            name_en=item.name_en,
            line_id=line.line_id,
            line_name=line.name,
            line_name_en=line.name_en,
            is_new_drug=item.is_new_drug,
            launched_on=launched_on,
            labels=tuple(Label(indication=text, valid_from=launched_on) for text in item.indications),
        )


def _materials(years: range) -> Iterator[Material]:
    for item in ITEMS:
        for suffix, title in MATERIALS:
            for year in years:
                yield Material(
                    material_id=f"{item.product_id}-{suffix}",
                    version=str(year),
                    title=f"{item.name}{title}（{year}版）",
                    product_id=item.product_id,
                    approved_on=date(year - 1, 12, 10),
                    expires_on=date(year + 1, 1, 31),
                )


def _institution(site: Site) -> Institution:
    is_hospital = site.channel == "医院"
    return Institution(
        institution_id=site.institution_id,
        name=site.name,
        name_en=site.name_en,
        channel=site.channel,
        sub_channel=site.sub_channel,
        country="中国",
        province=site.city.province,
        city=site.city.name,
        latitude=site.latitude,
        longitude=site.longitude,
        fence_radius_m=_FENCE_M,
        reception_windows=_WINDOWS if site.is_windowed else (),
        forbidden_zones=FORBIDDEN_ZONES if is_hospital else (),
        appointment_required=site.needs_appointment,
        registration_required=site.needs_registration,
        is_target=site.is_target,
    )


def _registrations(territory: Territory, years: range) -> Iterator[Registration]:
    for site in territory.sites:
        if site.needs_registration:
            for year in years:
                yield Registration(
                    rep_id=territory.rep_id, institution_id=site.institution_id, effective_from=date(year, 1, 1)
                )


def _hcps(territory: Territory) -> Iterator[Hcp]:
    for doctor in territory.doctors:
        site = territory.sites[doctor.site]
        yield Hcp.model_validate(
            {
                "hcp_id": doctor.hcp_id,
                "name": doctor.name,
                "name_en": doctor.name_en,
                "institution_id": site.institution_id,
                "department": doctor.department,
                "specialty": doctor.specialty,
                "segment": doctor.segment,
                "owner_rep_id": territory.rep_id,
            }
        )


def _call_plan(company: Company, start: date, end: date) -> Iterator[CallPlan]:
    month, last = month_of(start), months_later(month_of(end), _MONTHS_AHEAD)
    while month <= last:
        working = len(working_days(month, last_of_month(month)))
        for territory in company.territories:
            for doctor in territory.doctors:
                yield CallPlan(
                    rep_id=territory.rep_id,
                    hcp_id=doctor.hcp_id,
                    planned_calls=planned_calls(doctor.segment, working),
                    effective_from=month,
                )
        month = months_later(month, 1)
