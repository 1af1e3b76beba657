"""The boards of managers: the company, and a region or team."""

from grafana.boards.board import Board, Place, Row
from grafana.signals import compliance, progress, standings
from grafana.signals.kpis import kpis
from grafana.signals.progress import Owner
from grafana.variables import COMPANY as COMPANY_VARIABLE
from grafana.variables import NODE


def headline(owner: Owner, *more: Place) -> Row:
    """The strip on top: is it burning, and how far are we?"""
    return Row(
        4,
        (
            Place("light", progress.light(owner), 4),
            Place("stat", progress.sales(owner), 5),
            Place("stat", progress.attainment(owner), 4),
            Place("stat", progress.pace(owner), 3),
            Place("stat", progress.forecast(owner), 4),
            *more,
        ),
    )


COMPANY = Board(
    "pulse-company",
    "[[公司总览|Company]]",
    "[[全公司对目标的进度：先看灯，再看哪里着火。|"
    "Progress of the company against target: lights first, then where it burns.]]",
    (COMPANY_VARIABLE,),
    (
        headline(progress.NODE, Place("stat", progress.below(progress.NODE), 4)),
        Row(8, (Place("table", standings.MATRIX, 9), Place("table", standings.BURNING, 15))),
        Row(9, (Place("lines", progress.trend(progress.NODE), 14), Place("bargauge", standings.TEAM_PACE, 10))),
        Row(
            9, (Place("bars", progress.daily(progress.NODE), 14), Place("pie", progress.by_product(progress.NODE), 10))
        ),
        Row(10, (Place("table", standings.RANKING, 14), Place("table", kpis(progress.NODE), 10))),
        Row(8, (Place("table", standings.CHANGES, 14), Place("table", compliance.BY_REGION, 10))),
    ),
)

TEAM = Board(
    "pulse-team",
    "[[大区与团队|Region and team]]",
    "[[一个大区或团队的进度、成员与产品。|Progress, members and products of a region or team.]]",
    (NODE,),
    (
        headline(progress.NODE, Place("stat", progress.below(progress.NODE), 4)),
        Row(9, (Place("table", standings.MEMBERS, 14), Place("table", standings.PRODUCT_LIGHTS, 10))),
        Row(
            9, (Place("lines", progress.trend(progress.NODE), 14), Place("pie", progress.by_product(progress.NODE), 10))
        ),
        Row(10, (Place("table", kpis(progress.NODE), 12), Place("table", standings.CHANGES, 12))),
        Row(8, (Place("bars", progress.daily(progress.NODE), 24),)),
    ),
)
