"""What runs beside the printers: the agent, its pure decisions, its ledger and its G-code files."""
