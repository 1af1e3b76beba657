"""The functions of the rule language, one file a family."""

from agents.compliance.functions import aggregates, days, lists, pasts, places, presence, standing, texts
from agents.compliance.functions.registry import FUNCTIONS

__all__ = ["FUNCTIONS", "aggregates", "days", "lists", "pasts", "places", "presence", "standing", "texts"]
