"""A deterministic simulation of a whole farm: a seeded world in which everything goes wrong that can (docs/protocol.md).

The decisions of daemon and node are the production code, and so are the ledger and the store:

    world     the queue of events, chance, clocks, the trace      network   the broker: loss, copies, delay, what it retained
    machine   printers: what is really on their beds              node      an agent around the production core, keeper and ledger
    daemon    a daemon around the production engine and store     people    hands, operators, passers-by
    faults    what goes wrong, and when                           truth     the invariants, checked after every step
    scenario  one seed from begin to rest                         mutants   broken rules, each of which must be caught
    campaign  many seeds: `./farm.sh sim`

Nothing here waits: time is a number. The same seed gives the same farm, step by step, when PYTHONHASHSEED is 0.
"""
