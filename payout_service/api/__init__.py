"""gRPC calls and NATS events, translated into use cases."""
