"""Docker's IPAM driver: what each call does."""
