"""What the four services share. Nothing in here imports a service."""
