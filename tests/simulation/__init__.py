"""A world made of code around the whole daemon: a virtual clock, and every choice drawn from one seed."""
