"""An OVSDB server in memory (RFC 7047, and the extensions of ovsdb-server(7) that the client uses)."""
