"""Receives gRPC calls and events, hands them to the use cases, and streams changes to watchers."""
