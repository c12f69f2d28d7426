"""dockerd as a state machine: what it asks of a network driver, in which order, and what it answers itself."""
