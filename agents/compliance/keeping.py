"""What is kept for one selection: a line for each subject, or for each subject and what its events are looked up by."""

from datetime import timedelta
from typing import Any

from agents.compliance.arithmetic import EXACT
from agents.compliance.kinds import MOMENT, kind_of
from agents.compliance.lines import Items, Line, Sums
from agents.compliance.selections import Selection, Slots
from schemas.events import EVENT_MODELS

_MICROSECOND = timedelta(microseconds=1)
_PLACES, _MILLION = 6, 1_000_000
#: Different records of one selection that are looked through for one that is the same already.
_MOST_SHARED = 10_000


def owner_of(event: Any) -> int:
    """A 64-bit number that stands for the event in this process; its kind is known."""
    return hash((event.rep_id, event.event_id))


class Kept:
    """What is left of an event: the fields rules read."""

    __slots__: tuple[str, ...] = ()
    kind_name = ""

    def __init__(self, *values: Any) -> None:
        for field, value in zip(self.__slots__, values, strict=True):
            setattr(self, field, value)


def _record(kind: str, fields: tuple[str, ...]) -> type[Kept]:
    return type("Kept", (Kept,), {"__slots__": fields, "kind_name": kind})


def _without_positions(event: Any) -> Any:
    """The event as it may be kept for longer than a day (R26)."""
    there = [field for field in ("check_in", "check_out") if getattr(event, field, None) is not None]
    return event.model_copy(update=dict.fromkeys(there)) if there else event


class Store:
    """Lines of one selection.

    Args:
        selection: what is kept.
        reach: how far back rules look.

    Attributes:
        lines: by subject, or by subject and what its events are looked up by.
    """

    def __init__(self, selection: Selection, reach: timedelta) -> None:
        self.selection, self.reach = selection, reach
        self.lines: dict[Any, Any] = {}
        self._slots = Slots()

    def add(self, event: Any, moment: int, owner: int, key: str) -> None:
        """Keep what is wanted of an event, if it is."""
        selection, slots = self.selection, self._slots
        setattr(slots, selection.slot, event)
        for test in selection.tests:
            if not test(slots):
                return
        where: Any = key
        if selection.groups:
            values = [group(slots) for group in selection.groups]
            if None in values:
                return  # what is missing equals nothing
            where = (key, *values)
        line = self.lines.get(where)
        if line is None:
            line = self.lines[where] = self._line()
        self._put(line, event, moment, owner)

    def evict(self, now_us: int) -> None:
        """Drop what an event from a moment on does not look back on."""
        before, empty = now_us - self.reach // _MICROSECOND, []
        for where, line in self.lines.items():
            if line.moments[0] < before:
                line.drop(before)
                if not line.moments:
                    empty.append(where)
        for where in empty:
            del self.lines[where]

    def _line(self) -> Line:
        raise NotImplementedError

    def _put(self, line: Any, event: Any, moment: int, owner: int) -> None:
        raise NotImplementedError


class FigureStore(Store):
    """Moments, and sums where a value is added up."""

    def _line(self) -> Line:
        return Line() if self.selection.value is None else Sums()

    def _put(self, line: Any, _event: Any, moment: int, owner: int) -> None:
        if self.selection.value is None:
            line.insert(moment, owner)
            return
        value = self.selection.value(self._slots)
        line.add(moment, owner, value * _MILLION if isinstance(value, int) else int(EXACT.scaleb(value, _PLACES)))


class ItemStore(Store):
    """The fields that rules read, equal records shared; or the events themselves."""

    def __init__(self, selection: Selection, reach: timedelta) -> None:
        super().__init__(selection, reach)
        self._make = None if selection.fields is None else _record(selection.kind, selection.fields)
        self._shared: dict[Any, Any] = {}
        annotations = [EVENT_MODELS[selection.kind].model_fields[field].annotation for field in selection.fields or ()]
        self._shares = not any(kind_of(annotation) == MOMENT for annotation in annotations)

    def _line(self) -> Line:
        return Items()

    def _put(self, line: Any, event: Any, moment: int, owner: int) -> None:
        line.add(moment, owner, self._kept_of(event))

    def _kept_of(self, event: Any) -> Any:
        fields, make = self.selection.fields, self._make
        if fields is None or make is None:
            return _without_positions(event)
        values = tuple([getattr(event, field) for field in fields])
        if not self._shares:  # no two events have the same moments
            return make(*values)
        record = self._shared.get(values)
        if record is None:
            if len(self._shared) >= _MOST_SHARED:
                self._shared.clear()
            record = self._shared[values] = make(*values)
        return record
