"""KPI cells, their roll-up along organisation and product line, rolling windows."""
