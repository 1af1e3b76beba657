"""What holds by the reference data: filings, registrations, labels, materials."""

from datetime import date, timedelta
from typing import Any

from agents.compliance.functions.registry import asking, function
from agents.compliance.kinds import DAY, DURATION, NUMBER, TEXT, TRUTH, record_of
from agents.compliance.nodes import Frame
from agents.compliance.world import holds
from schemas.reference import Hcp, Institution, Product, Rep


@function("filed", (record_of(Rep),), (DAY,), gives=TRUTH,
          says="whether the statutory filing (备案) of a representative is in force on a day",
          example="filed(rep, day)")  # fmt: skip
def filed(rep: Any, day: date) -> bool:
    """Whether one of the filing periods holds the day."""
    for period in rep.filings:  # noqa: SIM110 - a generator in `any` takes twice as long
        if holds(period.filed_from, period.filed_to, day):
            return True
    return False


@asking("registered", (TEXT,), (TEXT,), (DURATION,), gives=TRUTH,
        says="whether a representative registered at an institution within that length of time before the event",
        example="registered(rep_id, institution_id, 365 * days)")  # fmt: skip
def registered(frame: Frame, rep_id: str, institution_id: str, length: timedelta) -> bool:
    """Whether the last registration is young enough."""
    found = frame.world.references.registered_on(rep_id, institution_id, frame.day)
    return found is not None and frame.day - found <= length


@asking("label_valid", (TEXT,), (TEXT,), (DAY,), gives=TRUTH,
        says="whether an indication is on a product's label on a day; missing for an unknown product",
        example="label_valid(d.product_id, d.indication, day)")  # fmt: skip
def label_valid(frame: Frame, product_id: str, indication: str, day: date) -> bool | None:
    """Whether a label names the indication, blanks around it aside."""
    return frame.world.references.is_on_label(product_id, indication, day)


@asking("material_approved", (TEXT,), (TEXT,), (DAY,), (TEXT,), gives=TRUTH,
        says="whether a version of a material is approved for an audience (hcp, patient, internal) on a day; "
        "a version nobody published is not",
        example='material_approved(m.material_id, m.version, day, "hcp")')  # fmt: skip
def material_approved(frame: Frame, material_id: str, version: str, day: date, audience: str) -> bool:
    """Whether a material is approved, not expired, and meant for the audience."""
    row = frame.world.references.material(material_id, version, day)
    if row is None or row.approved_on is None or row.audience not in {audience, "any"}:
        return False
    return holds(row.approved_on, row.expires_on, day)


@asking(
    "hcp_of", (TEXT,), gives=record_of(Hcp), says="the professional with that id", example="hcp_of(payee_id).segment"
)
def hcp_of(frame: Frame, hcp_id: str) -> Any:
    """Row of a professional in force on the day of the event."""
    return frame.world.references.row("hcp", hcp_id, frame.day)


@asking("institution_of", (TEXT,), gives=record_of(Institution), says="the institution with that id",
        example="institution_of(a.institution_id).city")  # fmt: skip
def institution_of(frame: Frame, institution_id: str) -> Any:
    """Row of an institution in force on the day of the event."""
    return frame.world.references.row("institution", institution_id, frame.day)


@asking("product_of", (TEXT,), gives=record_of(Product), says="the product with that id",
        example="product_of(d.product_id).is_new_drug")  # fmt: skip
def product_of(frame: Frame, product_id: str) -> Any:
    """Row of a product in force on the day of the event."""
    return frame.world.references.row("product", product_id, frame.day)


@function(
    "days_in", (DURATION,), gives=NUMBER, says="a length of time in days, whole ones", example="days_in(day - due_on)"
)
def days_in(length: timedelta) -> int:
    """Whole days of a length of time."""
    return length.days
