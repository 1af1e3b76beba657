"""Who is told of an alert, how and how often: pure functions of (alert, policy, now)."""
