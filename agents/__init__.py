"""The thinking: pure functions of (event, state, now). Only `agent.py` in a folder may touch the engine."""
