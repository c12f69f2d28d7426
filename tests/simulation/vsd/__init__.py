"""The VSD of the simulated world: the lab's stand-in on virtual time, and who may have which address."""
