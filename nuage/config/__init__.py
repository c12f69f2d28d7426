"""The configuration: its keys, the checks of their values, and how it is read."""
