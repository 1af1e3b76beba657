"""Months and quarters, by their first day."""

from datetime import date, timedelta


def month_of(day: date) -> date:
    """First day of the month."""
    return day.replace(day=1)


def quarter_of(day: date) -> date:
    """First day of the quarter."""
    return date(day.year, (day.month - 1) // 3 * 3 + 1, 1)


def months_later(first: date, months: int) -> date:
    """First day of the month so many months after the one that begins on `first`."""
    number = first.year * 12 + first.month - 1 + months
    return date(number // 12, number % 12 + 1, 1)


def last_of_month(first: date) -> date:
    """Last day of the month that begins on `first`."""
    return months_later(first, 1) - timedelta(days=1)
