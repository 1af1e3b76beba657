"""ClickHouse's HTTP interface in front of chDB: what ordinary ClickHouse clients need, on loopback."""
