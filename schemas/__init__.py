"""Shapes: events, reference data, policies and rows. Imports nothing of ours."""
