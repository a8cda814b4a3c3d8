"""Converts assets and registers to protobuf, for answers and events, and reads what other services send."""
