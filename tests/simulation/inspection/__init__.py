"""Who looks at the daemon in the simulated world by its control socket, and whether what it tells is true."""
