"""Client for the Open vSwitch database protocol (OVSDB, RFC 7047).

``framing``, ``messages``, ``notation``, ``schema``, ``operations``, ``results``, ``monitored``, ``row`` and ``cache``
are pure: bytes and plain values in, values out. ``pending``, ``protocol``, ``session``, ``waits``, ``client`` and
``remote`` put them on Twisted. Users need ``client``, ``operations``, ``notation.Named``, ``remote.parse_remote`` and
``errors``.
"""
