"""The real docker CLI against a real dockerd, a real switch and the plugin: what a user does and sees."""
