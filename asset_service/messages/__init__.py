"""Assets and the register as protobuf messages, for answers and for events; and what other services send."""
