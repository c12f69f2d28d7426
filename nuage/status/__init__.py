"""What can be seen of the daemon from outside: the report, and the control socket that serves it."""
