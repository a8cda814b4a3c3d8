"""Use cases of paying, and the ports that they need."""
