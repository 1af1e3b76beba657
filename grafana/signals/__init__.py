"""The questions that boards ask, as data."""

from grafana.signals.signal import Column, Signal, Thresholds

__all__ = ["Column", "Signal", "Thresholds"]
