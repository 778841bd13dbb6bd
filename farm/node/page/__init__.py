"""The node's own page: what people beside the printers see and do while the farm cannot be reached (docs/decisions/0011)."""
