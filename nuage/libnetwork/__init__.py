"""Docker's side: the libnetwork remote driver protocol, version 1, as JSON over HTTP on a unix socket."""
