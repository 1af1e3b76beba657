"""What `pulse up` does: local services, topics, tables, workers and imports, from the start to an orderly end."""
