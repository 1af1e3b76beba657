"""One pass over each batch of source events: decode, hold, dedupe, progress."""
