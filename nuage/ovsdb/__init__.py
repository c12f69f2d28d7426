"""Client for the Open vSwitch database protocol (OVSDB, RFC 7047).

Users need ``client``, ``operations``, ``notation.Named``, ``remote.parse_remote`` and ``errors``. ``README.rst`` has an
example and says what each module is for.
"""
