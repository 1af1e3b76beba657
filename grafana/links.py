"""Where boards lead: uids per language and the links that carry variables and the time range along."""

from dataclasses import dataclass
from urllib.parse import quote

from grafana.texts import Language

#: Boards in the order of their tabs.
BOARDS = (
    "pulse-company",
    "pulse-team",
    "pulse-rep",
    "pulse-compliance",
    "pulse-case",
    "pulse-live",
    "pulse-market",
    "pulse-pipeline",
)
_SUFFIX: dict[Language, str] = {"zh-CN": "", "en": "-en"}


def uid_in(board: str, language: Language) -> str:
    """The uid of a board in a language."""
    return f"{board}{_SUFFIX[language]}"


@dataclass(frozen=True)
class DataLink:
    """A link of a cell.

    Attributes:
        title: in both languages.
        board: uid without the language's suffix, or an expression of Grafana.
        variables: name or expression -> expression.
    """

    title: str
    board: str
    variables: tuple[tuple[str, str], ...]

    def url_in(self, language: Language) -> str:
        """The address, relative to Grafana's root."""
        board = self.board if self.board.startswith("$") else quote(self.board)
        chosen = "&".join(f"var-{name}={value}" for name, value in self.variables)
        return f"/d/{board}{_SUFFIX[language]}?{chosen}&${{__url_time_range}}"


DATA_LINKS: dict[str, DataLink] = {
    "owner": DataLink(
        "[[打开看板|Open the board]]",
        "${__data.fields.board}",
        (("${__data.fields.variable}", "${__data.fields.owner_id}"),),
    ),
    "case": DataLink("[[打开案件|Open the case]]", "pulse-case", (("case_id", "${__data.fields.case_id}"),)),
}
