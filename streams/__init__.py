"""The plumbing: settings, transport, checkpoint, sinks, command line, local services."""
