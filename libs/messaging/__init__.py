"""Events on NATS JetStream: names, streams, relay from the outbox, durable consumers, dead letters."""
