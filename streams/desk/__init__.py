"""The desk: the process that keeps the cases and tells people (`pulse desk`)."""
