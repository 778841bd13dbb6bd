"""`./farm.sh torment`: a farm of real processes, tormented by a seeded plan, and checked from outside (docs/reliability.md).

plan       what is done when: a pure function of the seed
stage      the farm: processes, printers, a small disk for each, a node on a cable that can be cut
tormentor  carries the plan out
hands      people who take parts off the beds, and remember what they took: the truth
watch      samples the daemon's database: what fell, what was ever allowed
ledgers    reads what the daemon and the nodes have written
audit      compares all of them
"""
