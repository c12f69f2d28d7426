"""``nuage-plugin``, the operator's command. It asks the daemon on its control socket, and does nothing by itself."""
