"""Converts distributions to protobuf messages, for answers and events, and reads what other services send."""
