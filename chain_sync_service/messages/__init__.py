"""Converts what the chain told to protobuf messages, for answers and events."""
