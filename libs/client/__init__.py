"""The published typed client: betterproto2 messages over grpc.aio."""
