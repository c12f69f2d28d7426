"""A real server and a simulated one side by side: what is said to both, and whether they answer alike."""
