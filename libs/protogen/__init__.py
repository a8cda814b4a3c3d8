"""Code generated from protos/ by `make protos`: `wire` (grpcio-tools) and `typed` (betterproto2). Not in git."""
