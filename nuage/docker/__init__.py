"""Docker's Engine API: what this plugin asks, and whether Docker answers."""
