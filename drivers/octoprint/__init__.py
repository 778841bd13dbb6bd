"""OctoPrint over the network: one printer behind one OctoPrint server (1.8 or newer; proven against 1.11.8).

address.py  the printer's URL and its key file
client.py   octorest, wrapped: time limits, typed errors, bounded answers, streamed uploads (in threads)
push.py     the live socket
reading.py  OctoPrint's JSON as values
machine.py  what follows from them: a pure state machine
faults.py   what a firmware error means
printer.py  the driver: session, start, commands
"""
