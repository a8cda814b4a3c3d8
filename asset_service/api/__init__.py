"""Receives gRPC calls and events, and hands them to the use cases."""
