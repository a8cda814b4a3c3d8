"""How the system is set up and run: the embedded stack, devnet contracts, images, dashboards."""
