"""Compliance: rules as text, judged event by event, each hit explained."""
