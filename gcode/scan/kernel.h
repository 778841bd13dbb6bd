/* What the compiled kernel shares with Python: the names and order are those of gcode/scan/kernel.py, which sees at its start that
 * the sizes are too. A change here needs a new ABI in both.
 */
#ifndef ESSAIM_KERNEL_H
#define ESSAIM_KERNEL_H

#include <stdint.h>

#define EXPORT __attribute__((visibility("default")))

enum {
    ABI = 3,
    AXES = 4, /* X, Y, Z, E */
    M_CODES = 1024,
    TEXTS = 4096, /* slots for texts of events, a power of two */
    TEXT_BYTES = 59,
    LOOK_AHEAD = 1024 /* gcode/kinematics.py */
};

enum { EXTRUDES = 1, ARC = 2, LAST = 4 }; /* gcode/scan/columns.py: MoveFlag */

enum { MARLIN, KLIPPER, REPRAP }; /* what they do with E under G90 and G91 */

enum { JERK, DEVIATION, CORNER }; /* gcode.kinematics.Junction */

/* `gcode.machine.Machine`, as far as moves need it; the retraction is that of the tool. */
typedef struct {
    double position[3];
    double shift[3];
    double e;
    double e_word;
    double e_mm3; /* of 1 mm of filament, 0 where E is a length */
    double speed_mm_s;
    double speed_factor;
    double unit_mm;
    double retracted_mm;
    double draw_mm; /* what G10 and G11 do: M207 and M208 */
    double draw_mm_s;
    double give_mm;
    double give_mm_s;
    int64_t relative;
    int64_t relative_e;
    int64_t asked_relative_e;
    int64_t flavour;
    int64_t tool;
    int64_t drawn_back; /* between G10 and G11 */
    int64_t takes_arcs; /* 0: another plane, or sines that are not those of Python here; then Python draws them */
} Motion;

/* A text that was an event: length 0 is a free slot. */
typedef struct {
    uint32_t hash;
    uint8_t length;
    uint8_t text[TEXT_BYTES];
} Text;

/* Where rows and events go, how much room there is, and what came of it. */
typedef struct {
    int64_t *line;
    int64_t *offset;
    double *start; /* x of all rows, then y, then z: `room` values each */
    double *end;
    double *filament_mm;
    double *speed_mm_s;
    uint8_t *tool;
    uint8_t *flags;
    int64_t room;
    int64_t *event_before;
    int64_t *event_line;
    int64_t *event_begin;
    int64_t *event_end;
    int64_t *event_text; /* slot of the same text; TEXTS more: of the same name with a figure; -1: it has none */
    int64_t event_room;
    Text *texts;           /* TEXTS slots */
    const uint8_t *mode_m; /* M_CODES bytes: nonzero for M codes that may touch the motion state */
    int64_t rows;
    int64_t events;
    int64_t consumed;
    int64_t lines;
    int64_t moves;
    int64_t last_move_line;
    int64_t absolute;
    int64_t absolute_falls;
    int64_t relative;
    int64_t relative_rises;
} Sheet;

/* `gcode.kinematics.MotionLimits` */
typedef struct {
    double speed[AXES];
    double acceleration[AXES];
    double jerk[AXES];
    double print_acceleration;
    double travel_acceleration;
    double retract_acceleration;
    double deviation;
    double corner;
    double cruise_ratio;
    double least_print;
    double least_travel;
    double path;
    int64_t junction;
} Limits;

typedef struct {
    double distance;
    double cruise;
    double acceleration;
    double cruise_ratio;
    double entry_squared; /* the most that the junction allows */
    int64_t row;          /* counts all moves of the file, also those that take no time */
} Block;

/* Moves that are held for their followers. */
typedef struct {
    Block block[LOOK_AHEAD];
    double planned[LOOK_AHEAD + 1];
    Block last;
    double direction[AXES]; /* of the last block, per mm of path */
    double safe_speed;
    double committed_squared; /* entry of the first held block */
    double owed_s;            /* dwell before the first move: it goes to that move */
    int64_t held;
    int64_t rows;
    int64_t moving; /* 0: at rest, there is no last block */
} Plan;

/* Moves to plan, and where their seconds go: `seconds[0]` is that of the move with number `first`. */
typedef struct {
    const double *start[3];
    const double *end[3];
    const double *filament_mm;
    const double *speed_mm_s;
    const int32_t *which; /* of `limits`, for each move */
    int64_t count;
    const Limits *limits;
    int64_t limits_count;
    const int64_t *stop_before;
    const double *stop_s;
    int64_t stops;
    double *seconds;
    int64_t first;
    int64_t room; /* of `seconds` */
} Batch;

EXPORT int64_t essaim_abi(void);
EXPORT int64_t essaim_size(int64_t what);
EXPORT void essaim_angles(const double *angle, double *sine, double *cosine, double *tangent, int64_t count);
EXPORT void essaim_parse(const uint8_t *block, int64_t size, int64_t line, int64_t offset, Motion *motion, Sheet *sheet);
EXPORT int64_t essaim_plan(Plan *plan, const Batch *batch);

#endif
