"""Delivery of alerts: the policy's text, what is pending in Redis, the channels, and the service that sends."""
