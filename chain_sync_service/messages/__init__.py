"""What the chain told, as protobuf messages, for answers and for events."""
