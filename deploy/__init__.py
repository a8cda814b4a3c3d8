"""Sets up and runs the system: the local stack, devnet contracts, images, dashboards."""
