"""Books: what of a representative's month cannot be added up and must be remembered one by one.

A book holds the calls on each professional, and for each measure that counts days the days seen. It stays with the
representative; what follows from it is added up like any other figure.
"""

from typing import Any, NamedTuple

#: A representative and the ordinal of a month's first day.
BookName = tuple[str, int]


class CallCount(NamedTuple):
    """Calls of a representative on a professional in a month."""

    rep_id: str
    month: int
    """Ordinal of the first day."""
    hcp_id: str
    calls: int


class Book:
    """One representative's month."""

    __slots__ = ("calls", "days")

    def __init__(self) -> None:
        self.calls: dict[str, int] = {}
        """Calls by professional."""
        self.days: dict[str, int] = {}
        """Days seen by measure, as bits; bit 0 is the first of the month."""

    def to_wire(self) -> dict[str, Any]:
        """JSON-ready."""
        return {"c": self.calls, "d": self.days}


class Books:
    """All books of a shard.

    Attributes:
        changed: books that differ since the last checkpoint.
        changed_calls: professionals in them whose calls differ.
    """

    def __init__(self) -> None:
        self.books: dict[BookName, Book] = {}
        self.changed: set[BookName] = set()
        self.changed_calls: dict[BookName, set[str]] = {}

    def get(self, name: BookName) -> Book | None:
        """The book; None where nothing was ever entered."""
        return self.books.get(name)

    def open(self, name: BookName) -> Book:
        """The book, made when missing, to be written into."""
        book = self.books.get(name)
        if book is None:
            book = self.books[name] = Book()
        self.changed.add(name)
        return book

    def call(self, name: BookName, hcp_id: str) -> int:
        """Enter one call; returns how many there were before."""
        calls = self.open(name).calls
        before = calls.get(hcp_id, 0)
        calls[hcp_id] = before + 1
        self.changed_calls.setdefault(name, set()).add(hcp_id)
        return before

    def withdraw(self, old: "Books") -> None:
        """Say of the calls in `old` that are none here that there are none."""
        for name, book in old.books.items():
            gone = book.calls.keys() - (self.books[name].calls.keys() if name in self.books else set())
            if gone:
                self.open(name).calls.update(dict.fromkeys(gone, 0))
                self.changed_calls.setdefault(name, set()).update(gone)

    def counted(self) -> list[CallCount]:
        """The calls that changed since the last checkpoint."""
        return [
            CallCount(rep_id, month, hcp_id, self.books[rep_id, month].calls[hcp_id])
            for (rep_id, month), hcps in self.changed_calls.items()
            for hcp_id in sorted(hcps)
        ]

    def settle(self) -> None:
        """Forget what changed: a checkpoint took it."""
        self.changed, self.changed_calls = set(), {}

    def first_of_day(self, name: BookName, measure: str, day: int) -> bool:
        """Enter a day; whether the measure had not seen it before."""
        book = self.books.get(name)
        seen = book.days.get(measure, 0) if book is not None else 0
        bit = 1 << (day - name[1])
        if seen & bit:
            return False
        self.open(name).days[measure] = seen | bit
        return True

    def restore(self, name: BookName, wire: dict[str, Any]) -> None:
        """Put back what `to_wire` gave."""
        book = self.books[name] = Book()
        book.calls, book.days = wire["c"], wire["d"]
