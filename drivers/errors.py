"""What can go wrong between us and one printer.

DriverError
├── AddressError            the printer's URL cannot be read
├── UnreachableError        nothing answers there (unplugged, powered off, wrong host)
├── BusyPortError           another program holds the serial port
├── PortPermissionError     this user may not open the port (the message names the group to join)
├── AuthenticationError     the key is wrong or may not do this
├── NotAPrinterError        something answers, but it is not this kind of printer
├── PrinterBusyError        it is printing something else, or not ready
├── TransferError           the file did not arrive whole
│   └── WithdrawnError      the job was cancelled before it began
└── FirmwareError           the machine itself reports a fault (`fault` has the record)
"""

from drivers.base import Fault
from gcode.texts import Bilingual as Bilingual  # noqa: PLC0414 - given on: drivers take it with their errors
from gcode.texts import Told, both


class DriverError(Exception):
    """A printer could not be used: `detail` says what is wrong, `next_step` what a technician does about it.

    Both in English and, with `_fr`, in French; drivers of others may give English only, which then stands for both.
    """

    code = "driver-error"

    def __init__(self, detail: str | Bilingual, *, next_step: str | Bilingual) -> None:
        self.detail, self.detail_fr = both(detail)
        self.next_step, self.next_step_fr = both(next_step)
        super().__init__(self.detail)

    @property
    def bilingual(self) -> Bilingual:
        """Detail and next step as one text."""
        return Bilingual(str(self), f"{self.detail_fr} {self.next_step_fr}")

    def __str__(self) -> str:
        return f"{self.detail} {self.next_step}"


def note_of(text: str | Bilingual | None) -> tuple[str | None, str | None]:
    """`note` and `note_fr` of a status: the machine's own words have no French."""
    if isinstance(text, Told):
        return str(text), text.fr
    return (text.en, text.fr) if isinstance(text, Bilingual) else (text, None)


class AddressError(DriverError):
    """The printer's URL cannot be read."""

    code = "printer-address"


class UnreachableError(DriverError):
    """Nothing answers at the printer's address."""

    code = "printer-unreachable"


class BusyPortError(DriverError):
    """Another program holds the serial port."""

    code = "port-busy"


class PortPermissionError(DriverError):
    """This user may not open the serial port."""

    code = "port-permission"


class AuthenticationError(DriverError):
    """The printer's server refuses our key."""

    code = "printer-authentication"


class NotAPrinterError(DriverError):
    """Something answers, but it is not the kind of printer that the URL says."""

    code = "not-a-printer"


class PrinterBusyError(DriverError):
    """The printer is printing something else or is not ready."""

    code = "printer-busy"


class TransferError(DriverError):
    """The file did not arrive whole at the printer."""

    code = "transfer"


class WithdrawnError(TransferError):
    """The job was cancelled while `start` was under way: nothing of it prints or will print."""

    code = "cancelled"

    def __init__(self) -> None:
        super().__init__(
            Bilingual("The job was cancelled before it began.", "Le travail a été annulé avant de commencer."),
            next_step=Bilingual("Start another one.", "Lancez-en un autre."),
        )


class FirmwareError(DriverError):
    """The machine reports a fault of its own."""

    code = "firmware"

    def __init__(self, fault: Fault, *, next_step: str | Bilingual) -> None:
        said = both(fault.text)
        reports = Bilingual(f"The printer reports: {said.en}", f"L'imprimante signale : {said.fr}")
        super().__init__(reports, next_step=next_step)
        self.fault = fault
