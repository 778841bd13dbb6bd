"""Virtual printers: a Marlin simulator behind a real pty, for the demo, for tests and for trying Essaim without hardware."""
