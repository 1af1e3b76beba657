"""All boards, in the order of their tabs."""

from grafana.boards.board import Board, Place, Row
from grafana.boards.compliance import CASE_BOARD, COMPLIANCE
from grafana.boards.field import LIVE, REP
from grafana.boards.market import MARKET
from grafana.boards.pipeline import PIPELINE
from grafana.boards.progress import COMPANY, TEAM

BOARDS: tuple[Board, ...] = (COMPANY, TEAM, REP, COMPLIANCE, CASE_BOARD, LIVE, MARKET, PIPELINE)

__all__ = ["BOARDS", "Board", "Place", "Row"]
