"""The boards without Grafana: the same JSON and the same SQL as a page on loopback."""
