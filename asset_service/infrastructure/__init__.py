"""PostgreSQL, the other services, and the wire form of resources."""
