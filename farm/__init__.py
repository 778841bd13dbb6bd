"""Runs the farm: the daemon, the node agent, the store, the bus and the command line."""
