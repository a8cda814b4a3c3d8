"""Payouts as protobuf messages, for answers and for events."""
