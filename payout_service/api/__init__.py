"""Receives gRPC calls and NATS events, and hands them to the use cases."""
