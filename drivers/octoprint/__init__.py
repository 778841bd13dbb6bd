"""OctoPrint over the network: one printer behind one OctoPrint server (1.8 or newer; proven against 1.11.8).

address.py      the printer's URL and its key file
enrol.py        how the key gets into that file: one click of OctoPrint's owner
reach.py        which network addresses may be connected to
tls.py          whom an encrypted connection trusts
transport.py    HTTP with limits of time and bytes
client.py       octorest, wrapped: typed errors, bounded answers, streamed uploads (in threads)
permissions.py  what the key's user has to be allowed, may be, and had better not be
push.py         the live socket
reading.py      OctoPrint's JSON as values
machine.py      what follows from them: a pure state machine
faults.py       what a firmware error means
watch.py        the background work: sessions, questions, judgements
connecting.py   who presses Connect, and who switches the mains on
workers.py      the threads, shared by all OctoPrints of a process
terminal.py     what the printer says to one line of G-code
camera.py       a picture
printer.py      the driver: start, commands, and what an OctoPrint may have besides
"""
