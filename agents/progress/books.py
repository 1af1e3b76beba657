"""Books: what of a representative's month cannot be added up and must be remembered one by one.

A book holds the calls on each professional, and for each measure that counts days the days seen. It stays with the
representative; what follows from it is added up like any other figure.
"""

from typing import Any

#: A representative and the ordinal of a month's first day.
BookName = tuple[str, int]


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
    """

    def __init__(self) -> None:
        self.books: dict[BookName, Book] = {}
        self.changed: set[BookName] = set()

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
