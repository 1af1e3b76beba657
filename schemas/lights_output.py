"""What is told of alert lights: the current ones in Redis, their changes on the topic `lights`."""

from typing import Annotated, Literal

from pydantic import Field

from schemas.base import Amount, Day, Id, Model, Moment
from schemas.lights import Colour, TestName
from schemas.policy import CalendarPeriod

Count = Annotated[int, Field(ge=0)]


class LightReading(Model):
    """A light as it stands; amounts and shares are exact decimals as text."""

    kpi_id: Id
    """KPI, as named in policies/kpis.yaml."""
    period: CalendarPeriod
    period_start: Day
    period_end: Day
    owner_level: Literal["rep", "team", "region", "company"]
    owner_id: Id
    product_level: Literal["all", "line", "product"]
    product_key: Annotated[str, Field(max_length=128)]
    """Product line or product; empty at level all."""
    state: Colour
    cause: TestName | Literal["no_data"]
    """Test that decides."""
    since: Moment
    """When the state began."""
    pending_state: Colour
    """State it turns to once that has lasted long enough; the same as state when none waits."""
    value: Amount | None
    """Newest figure of the whole period."""
    target: Amount
    attainment: Amount | None
    """value ÷ target."""
    elapsed: Amount
    """Share of the period that has passed, 0 to 1."""
    expected: Amount
    """What is due by now."""
    pace: Amount | None
    """value ÷ expected."""
    forecast: Amount | None
    """value at the end of the period."""
    forecast_low: Amount | None
    forecast_high: Amount | None
    pace_state: Colour | Literal["over"]
    period_state: Colour
    forecast_state: Colour
    changes: Count
    """How many times the light has changed."""
    policy_version: Count
    """Version of the policy of lights; 0 for what is built in."""
    judged_at: Moment


class LightChange(LightReading):
    """A light that turned, with the reading that made it turn."""

    light_id: Id
    """The same when the same change is sent again."""
    previous_state: Colour
    changed_at: Moment
