"""Converts payouts to protobuf messages, for answers and events."""
