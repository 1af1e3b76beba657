"""Events: what happens in the field, as it arrives on the source topics.

One class per event kind; the topic decides which one is read. Every event carries the envelope of `Event`; all but
market events belong to a representative and are keyed by `rep_id`.
"""

from typing import Annotated, ClassVar, Literal, NamedTuple, Self

from pydantic import Field, model_validator

from schemas.base import Amount, Day, Id, Model, Moment, Position, Text

Score = Annotated[float, Field(ge=0, le=10, allow_inf_nan=False)]


class Located(NamedTuple):
    """What is kept of where a visit took place: no coordinates."""

    in_fence: bool | None = None
    """Whether the check-in lies inside the fence of the institution, or may do so by its accuracy; None: unknown."""
    distance_band: str | None = None
    """How far the check-in surely lies from the institution, its accuracy taken off, for example `200-500 m`."""
    accuracy_m: float | None = None
    """Radius of the 68 % confidence circle of the fix, metres."""
    journey_kmh: float | None = None
    """Least speed from the representative's check-in before, within a day; None where there is none."""


class Findings(NamedTuple):
    """What the intake found out about an event; it is no part of what the source sent."""

    breaches: tuple[str, ...] = ()
    """Rules of compliance in force that the event hit, by id."""
    located: Located = Located()


_NOTHING_FOUND = Findings()


class Event(Model):
    """The envelope: identity, time and origin."""

    __slots__ = ("_found",)  # a private attribute of pydantic triples the time to read an event

    kind_name: ClassVar[str]
    topic: ClassVar[str]
    owner_field: ClassVar[str]
    """Field that says whose event it is."""

    event_id: Id
    """Stable identity in the source system; the same event sent twice carries the same id."""
    occurred_at: Moment
    """When it happened, with offset."""
    recorded_at: Moment | None = None
    """When the source system wrote it down; not part of the content that tells duplicates from conflicts."""
    source: Id
    """Name of the system that sent it."""

    @property
    def findings(self) -> Findings:
        """What the intake found out about it."""
        try:
            found: Findings = _found_of(self)
        except AttributeError:
            return _NOTHING_FOUND
        return found

    def found(self, findings: Findings) -> None:
        """Note what the intake found out; the event itself stays as it came."""
        _note_found(self, findings)

    @property
    def owner(self) -> str:
        """Whose event it is: the representative, for a market report the territory. It is the message key."""
        owner: str = getattr(self, self.owner_field)
        return owner


_found_of, _note_found = Event.__dict__["_found"].__get__, Event.__dict__["_found"].__set__


class RepEvent(Event):
    """An event of one representative."""

    owner_field: ClassVar[str] = "rep_id"

    rep_id: Id
    """Representative it belongs to; the message key."""


class Detail(Model):
    """One product presented in a visit; order of the list is order of presentation."""

    product_id: Id
    indication: Text | None = None
    """Indication talked about, as in the label list."""


class MaterialShown(Model):
    """Promotional or medical material shown."""

    material_id: Id
    version: Id | None = None


class Sample(Model):
    """Samples left with the health-care professional."""

    product_id: Id
    quantity: Annotated[int, Field(ge=1, le=1_000_000)]


class Visit(RepEvent):
    """A call on a health-care professional."""

    kind_name: ClassVar[str] = "visit"
    topic: ClassVar[str] = "visits"

    institution_id: Id
    hcp_id: Id | None = None
    """Professional visited; empty for a visit to the institution."""
    check_in_at: Moment
    check_out_at: Moment | None = None
    check_in: Position | None = None
    check_out: Position | None = None
    channel: Literal["face_to_face", "phone", "video", "message", "meeting"] = "face_to_face"
    appointment_id: Id | None = None
    zone: Text | None = None
    """Area of the institution where the check-in happened, for example 住院部."""
    details: tuple[Detail, ...] = Field(default=(), max_length=50)
    materials: tuple[MaterialShown, ...] = Field(default=(), max_length=100)
    samples: tuple[Sample, ...] = Field(default=(), max_length=50)
    companions: tuple[Id, ...] = Field(default=(), max_length=50)
    """Colleagues present (joint visit), by rep or manager id."""
    feedback_score: Score | None = None
    """0 (rejecting) to 10 (convinced)."""
    feedback_text: Text | None = None

    @model_validator(mode="after")
    def _ends_after_it_starts(self) -> Self:
        if self.check_out_at is not None and self.check_out_at < self.check_in_at:
            msg = "check_out_at lies before check_in_at: the duration would be negative"
            raise ValueError(msg)
        return self


class Sale(RepEvent):
    """One sales line at institution x product; signed as booked."""

    kind_name: ClassVar[str] = "sale"
    topic: ClassVar[str] = "sales"

    institution_id: Id
    product_id: Id
    quantity: Amount
    """Units; negative for a return."""
    amount: Amount
    """Money in `currency`; negative for a return."""
    currency: Annotated[str, Field(pattern=r"^[A-Z]{3}$")] = "CNY"
    kind: Literal["sale", "return", "adjustment"] = "sale"
    invoice_id: Id | None = None
    due_on: Day | None = None
    """Day the invoice line is due for payment."""

    @model_validator(mode="after")
    def _sign_follows_kind(self) -> Self:
        if self.kind == "sale" and (self.quantity < 0 or self.amount < 0):
            msg = "a sale has quantity and amount >= 0: send negative lines as kind 'return' or 'adjustment'"
            raise ValueError(msg)
        if self.kind == "return" and (self.quantity > 0 or self.amount > 0):
            msg = "a return has quantity and amount <= 0: send the line negative, as booked"
            raise ValueError(msg)
        return self


class Payment(RepEvent):
    """Money received (or paid back) on an invoice."""

    kind_name: ClassVar[str] = "payment"
    topic: ClassVar[str] = "payments"

    institution_id: Id
    product_id: Id | None = None
    invoice_id: Id
    amount: Amount
    """Money in `currency`; negative when paid back."""
    currency: Annotated[str, Field(pattern=r"^[A-Z]{3}$")] = "CNY"
    due_on: Day
    """Day the paid invoice was due; decides the period of the collection rate."""


class Attendee(Model):
    """One person at an activity."""

    hcp_id: Id | None = None
    institution_id: Id | None = None
    name: Text | None = None


class Activity(RepEvent):
    """A meeting, fee, meal, gift or donation: promotional spending and transfers of value."""

    kind_name: ClassVar[str] = "activity"
    topic: ClassVar[str] = "activities"

    kind: Literal["meeting", "speaker_fee", "meal", "gift", "donation", "sponsorship", "training", "other"]
    amount: Amount = Field(ge=0)
    currency: Annotated[str, Field(pattern=r"^[A-Z]{3}$")] = "CNY"
    institution_id: Id | None = None
    payee_kind: Literal["hcp", "department", "institution", "foundation", "vendor", "none"] = "none"
    payee_id: Id | None = None
    attendees: tuple[Attendee, ...] = Field(default=(), max_length=2_000)
    headcount: Annotated[int, Field(ge=0, le=1_000_000)] | None = None
    """People present, where the attendees are not listed one by one."""
    topic_text: Text | None = None
    """Title of the talk or purpose of the spending."""
    venue: Text | None = None
    product_ids: tuple[Id, ...] = Field(default=(), max_length=50)
    approval_id: Id | None = None
    started_at: Moment | None = None
    ended_at: Moment | None = None

    @model_validator(mode="after")
    def _ends_after_it_starts(self) -> Self:
        if self.started_at is not None and self.ended_at is not None and self.ended_at < self.started_at:
            msg = "ended_at lies before started_at: the duration would be negative"
            raise ValueError(msg)
        return self


class Survey(RepEvent):
    """An answered questionnaire: customer satisfaction or a training quiz."""

    kind_name: ClassVar[str] = "survey"
    topic: ClassVar[str] = "surveys"

    kind: Literal["satisfaction", "training_quiz"]
    score: Annotated[float, Field(ge=0, le=100, allow_inf_nan=False)]
    """0 to 100."""
    institution_id: Id | None = None
    hcp_id: Id | None = None
    product_id: Id | None = None
    subject: Text | None = None
    """Course or questionnaire."""
    comment: Text | None = None


class Market(Event):
    """A market report of one territory: volumes, competitor prices, tender (集采) notices."""

    kind_name: ClassVar[str] = "market"
    topic: ClassVar[str] = "market"
    owner_field: ClassVar[str] = "territory_id"

    territory_id: Id
    """Region or other node the report is about; the message key."""
    kind: Literal["volume", "competitor_price", "tender"]
    product_id: Id
    """Own product whose market is meant."""
    period_from: Day | None = None
    period_to: Day | None = None
    own_volume: Amount | None = None
    market_volume: Amount | None = None
    competitor: Text | None = None
    price: Amount | None = None
    tender_id: Id | None = None
    text: Text | None = None

    @model_validator(mode="after")
    def _carries_what_its_kind_needs(self) -> Self:
        needs = {
            "volume": ("market_volume", "period_from", "period_to"),
            "competitor_price": ("competitor", "price"),
            "tender": ("tender_id",),
        }
        if missing := [name for name in needs[self.kind] if getattr(self, name) is None]:
            msg = f"a market report of kind {self.kind!r} needs {', '.join(missing)}"
            raise ValueError(msg)
        if self.period_from and self.period_to and self.period_to < self.period_from:
            msg = "period_to lies before period_from"
            raise ValueError(msg)
        return self


EventModel = type[Event]
EVENT_MODELS: dict[str, EventModel] = {
    model.kind_name: model for model in (Visit, Sale, Payment, Activity, Survey, Market)
}
MODEL_OF_TOPIC: dict[str, EventModel] = {model.topic: model for model in EVENT_MODELS.values()}
#: Source topics, in the order the shards list them.
SOURCE_TOPICS: tuple[str, ...] = tuple(MODEL_OF_TOPIC)
