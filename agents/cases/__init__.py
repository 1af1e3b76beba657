"""Cases: what people do with alerts. Pure: no clock, no store."""
