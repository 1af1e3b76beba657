"""What is to be imported: the job, and how people name it on the command line."""

from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from schemas.events import EVENT_MODELS, Event
from schemas.reference import REFERENCE_MODELS, Reference
from streams.errors import UsageError

Model = type[Event] | type[Reference]
MODELS: dict[str, Model] = {**EVENT_MODELS, **REFERENCE_MODELS}
#: Other words for kinds: the topic or table, and the plural.
_ALIASES: dict[str, str] = {
    **{model.topic: kind for kind, model in EVENT_MODELS.items()},
    **{f"{kind}s": kind for kind in MODELS},
    "activities": "activity",
    "organisation_node": "node",
    "organisation_nodes": "node",
}
_MAPPING_SUFFIXES = {".yaml", ".yml"}


@dataclass(frozen=True, slots=True)
class ImportJob:
    """One file to import.

    Attributes:
        kind: event or reference kind.
        file: what to read.
        mapping: mapping file, or the bare name of one in the policies folder's `mappings/`.
        author: who publishes the reference data.
    """

    kind: str
    file: Path
    mapping: Path | None = None
    author: str = "import"

    @property
    def model(self) -> Model:
        """The model the rows become."""
        return MODELS[self.kind]


def kind_of(text: str) -> str:
    """The kind somebody means by a kind, its plural or its topic: `sale`, `sales`, `organisation_nodes`.

    Raises:
        UsageError: there is no such kind.
    """
    wanted = text.strip().lower().replace("-", "_")
    kind = _ALIASES.get(wanted, wanted)
    if kind in MODELS:
        return kind
    close = get_close_matches(wanted, MODELS, n=1)
    hint = f"did you mean {close[0]}?" if close else f"kinds are {', '.join(MODELS)}"
    msg = f"there is no kind {text!r} to import: {hint}"
    raise UsageError(msg)


def parse_import_argument(text: str) -> ImportJob:
    """The job in `KIND=FILE[:MAPPING]`; colons inside the file's or the mapping's own path do no harm.

    Raises:
        UsageError: the text is no such argument.
    """
    kind, equals, rest = text.partition("=")
    if not equals or not rest.strip():
        msg = f"--import {text!r} is not understood: write KIND=FILE or KIND=FILE:MAPPING, for example sale=sales.csv"
        raise UsageError(msg)
    file, mapping = _split(rest)
    return ImportJob(kind_of(kind), file, mapping)


def _split(rest: str) -> tuple[Path, Path | None]:
    if Path(rest).is_file():
        return Path(rest), None
    colons = [index for index, sign in enumerate(rest) if sign == ":" and 0 < index < len(rest) - 1]
    splits = [(Path(rest[:index]), Path(rest[index + 1 :])) for index in colons]
    for file, mapping in splits:
        if file.is_file():
            return file, mapping
    for file, mapping in reversed(splits):
        if mapping.suffix.lower() in _MAPPING_SUFFIXES:
            return file, mapping
    return Path(rest), None
