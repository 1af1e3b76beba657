"""What-if arithmetic on KPI figures: how many people a plan needs, what a call and a customer cost."""

from decimal import ROUND_CEILING, Decimal


def fte_needed(visits: int, visits_per_day: Decimal, days: int) -> int:
    """Full-time representatives that a number of visits needs.

    Args:
        visits: to be made in the period.
        visits_per_day: of one representative, for example `capacity.calls_per_day` of the policy.
        days: working days of one representative in the period.

    Raises:
        ValueError: nobody can make a visit in no time.

    >>> fte_needed(15_000, Decimal(9), 51)  # 32.68
    33
    """
    if visits_per_day <= 0 or days <= 0:
        msg = "visits per day and days must be above zero"
        raise ValueError(msg)
    return int((visits / (visits_per_day * days)).to_integral_value(ROUND_CEILING))


def cost_per_call(cost: Decimal, calls: int) -> Decimal | None:
    """Cost of the field force ÷ calls made; None without a call.

    >>> cost_per_call(Decimal(21_600), 9)
    Decimal('2400')
    """
    return cost / calls if calls else None


def cost_per_reach(cost: Decimal, reached: int) -> Decimal | None:
    """Cost of the field force ÷ professionals called on at least once; None where nobody was.

    >>> cost_per_reach(Decimal(21_600), 5)
    Decimal('4320')
    """
    return cost / reached if reached else None
