"""Docker network driver for Nuage VRS."""

__version__ = "1.0.0"
