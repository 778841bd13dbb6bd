"""Raw Marlin over a serial port: `protocol` decides, `channel` numbers, `link` moves bytes, `printer` is the Driver."""
