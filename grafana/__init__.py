"""Boards as code: signals are data, boards lay them out, the JSON is committed and served."""
