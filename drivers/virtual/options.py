"""What kind of Marlin a virtual printer runs: its build options, its size and its heaters."""

from dataclasses import dataclass, field
from typing import Final

RX_RING_BYTES: Final = 128  # Marlin's default serial receive buffer
COMMAND_SLOTS: Final = 4  # BUFSIZE: the command that is being executed holds one of them
LINE_BYTES: Final = 95  # MAX_CMD_SIZE 96 with its terminator: what comes after is cut off, checksum included
PLANNED_MOVES: Final = 15  # BLOCK_BUFFER_SIZE 16, of which one slot is always kept free


@dataclass(frozen=True, slots=True)
class HeaterOptions:
    """One heater. Temperatures in degrees C, times in seconds.

    `hottest_c` is where it would end at full power; `losses_s` the time constant of cooling; `settle_s` that of the control loop
    within `band_c` of the target. The `watch_*` and `runaway_*` figures are Marlin's thermal protection defaults.
    """

    label: str  # as Marlin names it in its errors: "E0" or "bed"
    hottest_c: float
    losses_s: float
    settle_s: float
    band_c: float
    maximum_c: float
    minimum_c: float = 5.0
    watch_s: float = 40.0
    watch_rise_c: float = 2.0
    runaway_s: float = 40.0
    runaway_drop_c: float = 4.0


HOTEND: Final = HeaterOptions("E0", hottest_c=480.0, losses_s=180.0, settle_s=4.0, band_c=5.0, maximum_c=275.0)
BED: Final = HeaterOptions(
    "bed",
    hottest_c=150.0,
    losses_s=220.0,
    settle_s=4.0,
    band_c=1.0,
    maximum_c=150.0,
    watch_s=60.0,
    runaway_s=20.0,
    runaway_drop_c=2.0,
)


@dataclass(frozen=True, slots=True)
class FirmwareOptions:
    """How the firmware was built. The defaults are Marlin's own: no emergency parser, no advanced ok, no host actions.

    `bed_mm` is the side of the square bed, `beyond_bed_mm` how far the head goes over its edges. `boot_s` is how long the board
    stays deaf after a reset before it says `start`. `flavour` names one of `drivers.virtual.flavours.FLAVOURS`. A build with
    `runout_sensor` also has Marlin's advanced pause and its parking before a thermal kill, as the recorded one had.

    `uart_baud` is the speed of the wire between host and board; 0 is a USB board: bytes are there at once. `latency_s` is added
    each way. `rx_buffer` bytes are kept while all `command_slots` are taken, what comes then is lost.
    """

    name: str = "Virtual"
    flavour: str = "marlin-2.1"
    uuid: str = "00000000-0000-4000-8000-000000000000"
    bed_mm: float = 210.0
    beyond_bed_mm: float = 5.0
    height_mm: float = 250.0
    ambient_c: float = 25.0
    boot_s: float = 0.0
    emergency_parser: bool = False
    advanced_ok: bool = False
    host_actions: bool = False
    runout_sensor: bool = False
    pause_holds_timer: bool = True  # PAUSE_PARK_NO_STEPPER_TIMEOUT: M85 counts nothing in a filament change
    position_reports: bool = False  # M154
    quoted_strings: bool = False
    area_report: bool = False  # M115 tells the size of the bed
    bed_levelling: bool = False  # G29 is known and takes a minute
    sd_slot: bool = False  # M20, M27 and their like are known; no card is ever in it
    rx_buffer: int = RX_RING_BYTES
    command_slots: int = COMMAND_SLOTS
    planned_moves: int = PLANNED_MOVES
    uart_baud: int = 0
    latency_s: float = 0.0
    hotend: HeaterOptions = field(default=HOTEND)
    bed: HeaterOptions = field(default=BED)
