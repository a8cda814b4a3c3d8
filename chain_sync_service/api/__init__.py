"""What comes in: gRPC calls and events."""
