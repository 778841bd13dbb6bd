"""Finds what a person could add: OctoPrints of the local network by mDNS. Serial ports are in `drivers.marlin.ports`."""
