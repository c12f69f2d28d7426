"""Tells ``twistd`` of the command ``nuage-plugin``."""

from twisted.application.service import ServiceMaker

nuage_plugin = ServiceMaker(
    "nuage-plugin",
    "nuage.tap",
    "Docker network driver for Nuage VRS.",
    "nuage-plugin",
)
