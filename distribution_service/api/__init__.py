"""gRPC servicer, event consumers, watches."""
