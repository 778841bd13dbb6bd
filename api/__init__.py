"""Shows the farm: HTTP routes, live updates and the pages."""
