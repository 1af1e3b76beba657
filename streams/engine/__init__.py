"""The engine: shards, their checkpoints, and the consumer that feeds them."""
