"""Docker's NetworkDriver: what each call does."""
