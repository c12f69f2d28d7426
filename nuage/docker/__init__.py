"""What the driver asks the Docker Engine."""
