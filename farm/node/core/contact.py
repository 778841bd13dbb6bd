"""What is agreed with the daemon: the desired state, acknowledgements, and contact as a lease by round trip."""

from dataclasses import replace

from farm.bus.messages import Ack, Desired
from farm.node.core.beds import distrust_beds
from farm.node.core.checks import with_answers
from farm.node.core.draft import Draft
from farm.node.core.refusals import NOTHING_TO_START
from farm.node.core.starts import open_allocations
from farm.node.core.state import KEEP_SENT, Moment, NodeState, Step


def on_desired(state: NodeState, desired: Desired, moment: Moment) -> Step:
    """Take over a newer desired state: (generation, version) is a pair. A newer generation has the journal told again."""
    if (desired.generation, desired.version) <= (state.generation, state.version):
        return Step(state, refused="not newer")
    draft = Draft(state, moment)
    if desired.generation > state.generation:
        # the daemon was restored or taken over: what we hold is its backup
        draft.change(journal=replace(state.journal, acked=state.journal.oldest - 1))
    draft.change(
        generation=desired.generation,
        version=desired.version,
        allocations={printer: tuple(allocations) for printer, allocations in desired.printers.items()},
        settings=desired.settings,
    )
    draft.change(checks=with_answers(draft.state).checks)
    return draft.step()


def _new_epoch(draft: Draft) -> None:
    """The daemon holds more of this epoch than we do, or something else: our ledger is an old copy. Tell everything anew."""
    place = draft.state.journal
    draft.change(
        journal=replace(
            place,
            epoch=draft.moment.new_id("epoch"),
            oldest=1,
            head=place.head - place.oldest + 1,
            acked=0,
            base=place.base + place.oldest - 1,
        ),
        version=0,
        allocations={},
        contact_s=None,
        sent={},
    )
    distrust_beds(draft)


def on_ack(state: NodeState, ack: Ack, moment: Moment, *, tag: str = "") -> Step:
    """The daemon has committed our journal up to `seq`, and perhaps acknowledged a report of this boot: that is contact.

    `tag` is that of our own fact `seq`, or empty when it is not known (`farm.bus.messages.fact_tag`). Another one than the daemon's
    says that a fact of ours has the number of one that an earlier life of this ledger told: the card was written back from an
    image, and we wrote on before anybody could tell us.
    """
    draft = Draft(state, moment)
    if ack.generation != state.generation:
        return draft.step(refused="another generation")
    if ack.epoch == state.journal.epoch:
        if ack.seq > state.journal.head or (ack.tag and tag and ack.tag != tag):
            _new_epoch(draft)
            return draft.step()
        draft.change(journal=replace(state.journal, acked=max(state.journal.acked, ack.seq)))
    if ack.report is not None and ack.boot == state.boot and (sent_s := state.sent.get(ack.report)) is not None:
        draft.change(contact_s=sent_s if state.contact_s is None else max(state.contact_s, sent_s))
    return draft.step()


def on_go_on(state: NodeState, moment: Moment) -> Step:
    """A person here says "go on": as good as contact at this moment, so for one `autonomy_s` and not longer. May make surplus.

    Not durable and no fact: it is as volatile as the contact that it stands for, what comes of it is in the facts of its jobs, and
    a daemon would have nothing to do with it.
    """
    if not any(open_allocations(state, printer) for printer in state.printers):
        return Step(state, refused=NOTHING_TO_START)
    return Step(replace(state, contact_s=moment.boot_s, gone_on_s=moment.boot_s))


def remember_sent(state: NodeState, now_s: float) -> NodeState:
    """Number the next report and note when it was sent."""
    number = state.report + 1
    sent = {key: value for key, value in state.sent.items() if key > number - KEEP_SENT}
    return replace(state, report=number, sent={**sent, number: now_s})
