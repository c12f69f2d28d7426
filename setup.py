"""Packaging of nuage-plugin.

``twisted.plugins`` is listed as a package so that the plugin's file is installed where ``twistd`` looks for it; there
is no ``__init__.py`` below ``twisted/``, which belongs to Twisted. The configuration and the units are examples for
those who have no checkout, below ``share`` of where the package is installed.
"""

import re
from pathlib import Path

from setuptools import find_packages, setup

HERE = Path(__file__).parent
VERSION = re.search(r'__version__ = "(.+)"', (HERE / "nuage" / "__init__.py").read_text()).group(1)

setup(
    name="nuage-plugin",
    version=VERSION,
    description="Docker network driver for Nuage VRS",
    long_description=(HERE / "README.rst").read_text(),
    long_description_content_type="text/x-rst",
    classifiers=[
        "Environment :: No Input/Output (Daemon)",
        "Framework :: Twisted",
        "Intended Audience :: System Administrators",
        "Operating System :: POSIX :: Linux",
        "Programming Language :: Python :: 3 :: Only",
        "Topic :: System :: Networking",
        "Typing :: Typed",
    ],
    python_requires=">=3.10",
    packages=[*find_packages(include=["nuage", "nuage.*"]), "twisted.plugins"],
    package_data={"nuage": ["py.typed"], "nuage.ovsdb": ["README.rst"], "twisted.plugins": ["nuage_plugin.py"]},
    data_files=[
        ("share/nuage-plugin", ["etc/nuage.yaml"]),
        ("share/nuage-plugin/systemd", ["etc/systemd/nuage-plugin.service", "etc/systemd/nuage-plugin.socket"]),
    ],
    install_requires=[
        "attrs>=23.1",
        "klein>=23.12",
        "ovs>=2.17",
        "pyopenssl>=23.2",
        "pyroute2>=0.7.3",
        "pyyaml>=6.0",
        "treq>=23.11",
        "twisted[tls]>=24.7",
    ],
    extras_require={
        "dev": [
            "build>=1",
            "coverage>=7",
            "hypothesis>=6.90",
            "mypy>=1.8",
            "mypy-zope>=1.0.3",
            "ruff>=0.6",
            "types-PyYAML",
        ],
    },
)
