"""What the intake must not let through: the text of `policies/compliance/intake.yaml`."""

from collections import Counter
from datetime import date, time
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, field_validator, model_validator

from schemas.base import Day, Id, Model, TimeOfDay
from schemas.compliance import COLOURS, Basis, Colour, Severity, in_english
from schemas.policy import Title

#: Why a position should not have been sent.
Withheld = Literal["hours", "consent"]
_LEAST_TESTS = 2
#: Texts one list of words may have: they are looked for one by one.
Words = Annotated[tuple[Annotated[str, Field(min_length=1, max_length=60)], ...], Field(max_length=300)]
Patterns = Annotated[tuple[Annotated[str, Field(min_length=1, max_length=300)], ...], Field(max_length=100)]


class IntakeTest(Model):
    """One payload with what must become of it."""

    __test__ = False  # pytest takes classes of this name for tests

    case: str
    """What is tested."""
    expect: Literal["hit", "miss"]
    kind: Literal["visit", "sale", "payment", "activity", "survey", "market"] = "visit"
    """Kind of event, which names the topic."""
    event: dict[str, Any] = Field(default_factory=dict)
    """Fields of the payload that differ from the example of the rule, known to the model or not."""
    raw: str | None = None
    """The payload itself, where it is no JSON object."""
    rep: dict[str, Any] = Field(default_factory=dict)
    """Fields of the representative that differ from one without any."""
    calendar: dict[date, bool] = Field(default_factory=dict)
    """Days that are working days or not, against the week."""


class IntakeRule(Model):
    """What both rules at the intake say of themselves."""

    id: Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_-]{0,31}$")]
    title: Title
    severity: Annotated[
        Severity,
        BeforeValidator(
            in_english, json_schema_input_type=Literal["prohibited", "avoid", "monitor", "禁止", "回避", "关注"]
        ),
    ] = "prohibited"
    """prohibited (禁止): red; avoid (回避): amber; monitor (关注): yellow."""
    message: Title
    """Sentence of the alert; it never names what was found."""
    basis: Annotated[tuple[Basis, ...], Field(min_length=1)]
    effective_from: Day = date(2020, 12, 1)
    owner: Id = "compliance"
    """Who answers for it."""
    example: dict[str, Any] = Field(default_factory=dict)
    """What test payloads start from."""
    tests: tuple[IntakeTest, ...] = ()
    """At least two payloads that hit and two that do not, where there are any."""

    @property
    def colour(self) -> Colour:
        """Colour of its alerts."""
        return COLOURS[self.severity]

    @model_validator(mode="after")
    def _tests_itself(self) -> Self:
        counted = Counter(test.expect for test in self.tests)
        for expected in ("hit", "miss") if self.tests else ():
            if counted[expected] < _LEAST_TESTS:
                msg = f"tests: {counted[expected]} expect a {expected}, at least {_LEAST_TESTS} are needed"
                raise ValueError(msg)
        return self


_LOCATION_TITLE = Title(zh="非工作时间或未经同意的定位", en="Position sent outside hours or without consent")
_LOCATION_MESSAGE = Title(
    zh="收到{rep}在非工作时间或未经单独同意的定位数据：坐标未使用、未保存",
    en="A position of {rep} came in from outside working hours or without consent: it was neither used nor kept",
)
_LOCATION_BASIS = (Basis(article="第二十八、二十九条", source="个人信息保护法"),)


class LocationRule(IntakeRule):
    """R26: whose positions may be used, and when."""

    id: Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_-]{0,31}$")] = "R26"
    title: Title = _LOCATION_TITLE
    message: Title = _LOCATION_MESSAGE
    """Sentence of the alert; {rep} stands for the representative."""
    basis: Annotated[tuple[Basis, ...], Field(min_length=1)] = _LOCATION_BASIS
    opens: TimeOfDay = time(9)
    """A fix from before is not used; company time."""
    closes: TimeOfDay = time(18)
    """A fix from after is not used; company time."""
    working_days_only: bool = True
    """Whether a fix from a weekend or holiday is left unused, too."""
    require_consent: bool = False
    """What holds for representatives whose reference row says nothing of their consent: true: it is missing."""

    @model_validator(mode="after")
    def _opens_before_it_closes(self) -> Self:
        if self.closes <= self.opens:
            msg = f"closes {self.closes} does not lie after opens {self.opens}: no position would ever be used"
            raise ValueError(msg)
        return self


class CountingWords(Model):
    """Words a counted prescription is told by. In any case and width; Latin words whole, or `prescrib*` a beginning."""

    professionals: Words
    """Who prescribes: 医生, doctor."""
    professional_patterns: Patterns = ()
    """Patterns of identifiers of professionals in a text, for example h[0-9]+."""
    institutions: Words
    """What may be counted: a hospital, a pharmacy."""
    prescribing: Words
    """What a professional alone does: 处方, prescribed."""
    usage: Words
    """What institutions do, too: 使用, used."""
    units: Words
    """Packages and prescriptions: 盒, boxes."""
    people: Words = ()
    """Patients who are counted: 名患者, patients."""
    doses: Words
    """Units that doses are told in, too: 片, tablets."""
    measures: Words
    """Words for a count, which need no unit: 处方量."""
    samples: Words = ()
    """A clause with one of these is about samples."""
    supply: Words = ()
    """A clause with one of these is about supply: 进货, stock."""
    dosing: Words = ()
    """A sentence with one of these talks about doses: fewer than `many_doses` of them are no count."""
    studies: Words = ()
    """A sentence with one of these talks about a study or a case: patients, and `few` of anything, are no count."""
    ignored: Words = ()
    """Words that only contain one of the others: 开会."""
    patterns: Patterns = ()
    """Further sentences that count, once they are about a professional and have a number in them."""


class CountingKeys(Model):
    """Patterns of field names, small letters and `_`: a payload with such fields counts, known to the models or not."""

    professionals: Patterns
    products: Patterns
    prescriptions: Patterns
    """With a number, beside a professional: a count of prescriptions."""
    quantities: Patterns
    """With a number, beside a professional and a product: a count."""
    samples: Patterns = ()
    """What stands in such a field is a sample."""


class CountingRule(IntakeRule):
    """R06: what counts as counting prescriptions (统方)."""

    words: CountingWords
    keys: CountingKeys
    few: Annotated[int, Field(ge=1, le=1_000)] = 10
    """From this number on packages are counted in sentences about studies and single cases, too, and without a verb."""
    many_doses: Annotated[int, Field(ge=1, le=10_000)] = 30
    """From this number on tablets and the like are counted in sentences about doses, too."""

    @field_validator("message")
    @classmethod
    def _names_nothing(cls, message: Title) -> Title:
        if "{" in message.zh + message.en:
            msg = "a message about quarantined content names nothing: write it without {…}"
            raise ValueError(msg)
        return message


class IntakePolicy(Model):
    """The text of `policies/compliance/intake.yaml`."""

    prescription_counting: CountingRule
    location: LocationRule = LocationRule()
