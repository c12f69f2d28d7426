"""What is installed of nuage-plugin; all else about it is in pyproject.toml.

``twisted.plugins`` is listed as a package so that the plugin's file is installed where ``twistd`` looks for it; there
is no ``__init__.py`` below ``twisted/``, which belongs to Twisted. The configuration and the units are examples for
those who have no checkout, below ``share`` of where the package is installed.
"""

from setuptools import find_packages, setup

setup(
    packages=[*find_packages(include=["nuage", "nuage.*"]), "twisted.plugins"],
    package_data={
        "nuage": ["py.typed"],
        "nuage.ovsdb": ["README.rst"],
        "nuage.status": ["page.*"],
        "twisted.plugins": ["nuage_plugin.py"],
    },
    data_files=[
        ("share/nuage-plugin", ["etc/nuage.yaml"]),
        ("share/nuage-plugin/systemd", ["etc/systemd/nuage-plugin.service", "etc/systemd/nuage-plugin.socket"]),
    ],
)
