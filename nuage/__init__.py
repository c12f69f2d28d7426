"""Docker network driver for Nuage VRS."""

__version__ = "1.1.0"
