/* The compiled parser: reads plain moves out of G-code text.
 *
 * Plain C99 without Python's headers: `gcode/scan/kernel.py` loads it with ctypes and gives every array, so nothing is
 * allocated here, and one build serves every Python. The meaning of each line is that of `gcode/reader.py` and
 * `gcode/machine.py`, bit for bit; whatever is not quite plain ends the call, and Python obeys that line itself. kernel_planner.c
 * says how long moves take.
 *
 * The input is from strangers: every read is checked against the end of the block, every row against the capacity, and no
 * number leaves the range in which its arithmetic is exact. Compile with -ffp-contract=off: a fused multiply-add rounds once
 * where Python rounds twice.
 */
#include "kernel.h"

#include <math.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

enum {
    MAX_LINE_BYTES = 256, /* gcode/reader.py */
    MAX_MOVE_BYTES = 80,  /* gcode/reader.py */
    MAX_EXACT_BYTES = 64, /* gcode/reader.py */
    MAX_CHORDS = 720,     /* gcode/machine.py */
    MAX_PROBES = 8,
    MAX_INDENT = 4,       /* gcode/scan/figures.py */
    MAX_NAME = 32,        /* gcode/scan/figures.py */
    MAX_FIGURE = 20,      /* gcode/scan/figures.py */
    MAX_DIGITS = 18       /* 10^22 is the last power of ten that a double holds exactly */
};

static const double MAX_NUMBER = 1e6;
static const double CHORD_ERROR_MM = 0.01;
static const double MAX_RETRACTION_MM = 20.0;
static const double DUST_MM = 1e-6;
static const double SAME_MM = 1e-4; /* gcode/machine.py */
static const double PI = 3.141592653589793;
static const int64_t EXACT_INTEGERS = INT64_C(9007199254740992); /* 2^53 */

static const double POWERS[MAX_DIGITS + 1] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10,
                                              1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18};

/* ---- reading text ---- */

enum { X, Y, Z, E, F, I, J, R, WORDS, NO_WORD };

typedef struct {
    double value[WORDS];
    unsigned present;
} Words;

/* The block, and the line that is being read. */
typedef struct {
    const uint8_t *block;
    const uint8_t *end;
    const uint8_t *begin; /* of the line */
    const uint8_t *at;
    int64_t line;
    int64_t offset; /* of the block in the file */
} Reading;

static bool is_digit(uint8_t byte) { return (uint8_t)(byte - '0') < 10; }

static bool is_letter(uint8_t byte) { return (uint8_t)((byte | 0x20) - 'a') < 26 || byte == '_'; }

static bool is_blank(uint8_t byte) { return byte == ' ' || byte == '\t'; }

static bool is_end(uint8_t byte) { return byte == '\n' || byte == '\r'; }

static bool is_control(uint8_t byte) { return byte == 0x7f || (byte < 0x20 && !is_blank(byte) && !is_end(byte)); }

static bool has(const Words *words, unsigned word) { return (words->present >> word & 1u) != 0; }

static unsigned word_of(uint8_t byte)
{
    switch (byte) {
    case 'X': return X;
    case 'Y': return Y;
    case 'Z': return Z;
    case 'E': return E;
    case 'F': return F;
    case 'I': return I;
    case 'J': return J;
    case 'R': return R;
    default: return NO_WORD;
    }
}

static const uint8_t *skip_blanks(const uint8_t *at, const uint8_t *end)
{
    while (at < end && is_blank(*at))
        at++;
    return at;
}

static const uint8_t *line_end(const uint8_t *at, const uint8_t *end)
{
    while (at < end && !is_end(*at))
        at++;
    return at;
}

static const uint8_t *next_line(const uint8_t *at, const uint8_t *end)
{
    if (at < end && *at == '\r' && end - at > 1 && at[1] == '\n')
        return at + 2;
    return at < end ? at + 1 : end;
}

#if defined __BYTE_ORDER__ && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
/* Digits with at most one dot that end within eight bytes, as most numbers do: all bytes are looked at at once, because the
 * processor cannot foresee how many digits there are. Null: they do not, or there is no digit. */
static const uint8_t *read_short(const uint8_t *at, double *value)
{
    uint64_t text;
    memcpy(&text, at, sizeof text);
    text ^= UINT64_C(0x3030303030303030); /* a digit is its value now, and any other byte above 9 */
    uint64_t others = ((text + UINT64_C(0x7676767676767676)) | text) & UINT64_C(0x8080808080808080);
    if (others == 0)
        return NULL;
    int digits = __builtin_ctzll(others) >> 3, length = digits;
    if (at[digits] == '.') {
        others &= others - 1; /* a byte that is not ASCII may spoil those behind it, and none before */
        if (others == 0)
            return NULL;
        uint64_t whole = (UINT64_C(1) << 8 * digits) - 1;
        text = (text & whole) | (text >> 8 & ~whole);
        length = __builtin_ctzll(others) >> 3;
    }
    int decimals = length > digits ? length - digits - 1 : 0;
    digits += decimals;
    if (digits == 0)
        return NULL;
    text <<= 8 * (8 - digits); /* what follows falls off; zeros come in front */
    text = text * 2561 >> 8 & UINT64_C(0x00ff00ff00ff00ff);
    text = text * 6553601 >> 16 & UINT64_C(0x0000ffff0000ffff);
    text = text * UINT64_C(42949672960001) >> 32;
    *value = (double)(int64_t)text / POWERS[decimals];
    return at + length;
}
#else
static const uint8_t *read_short(const uint8_t *at, double *value)
{
    (void)at, (void)value;
    return NULL;
}
#endif

/* Exact: an integer below 2^53 divided by a power of ten that a double holds is rounded once, as float() rounds it.
 * Null: there is no number, or one that this way does not read. */
static const uint8_t *read_number(const uint8_t *at, const uint8_t *end, double *value)
{
    bool negative = at < end && *at == '-';
    if (negative || (at < end && *at == '+'))
        at++;
    const uint8_t *behind = end - at >= 8 ? read_short(at, value) : NULL;
    if (behind != NULL) {
        *value = negative ? -*value : *value;
        return behind;
    }
    uint64_t mantissa = 0;
    ptrdiff_t digits = 0, decimals = 0;
    for (; at < end && is_digit(*at); at++, digits++)
        mantissa = mantissa * 10 + (uint64_t)(*at - '0');
    if (at < end && *at == '.')
        for (at++; at < end && is_digit(*at); at++, decimals++)
            mantissa = mantissa * 10 + (uint64_t)(*at - '0');
    digits += decimals;
    if (digits == 0 || digits > MAX_DIGITS || (int64_t)mantissa > EXACT_INTEGERS)
        return NULL;
    double number = (double)(int64_t)mantissa / POWERS[decimals];
    *value = negative ? -number : number;
    return at;
}

/* Whether a number may run into a letter with which some firmwares go on reading it: `gcode.reader` says what becomes of the line.
 * E0 and E0.5 behind a digit are no power, E05 is. */
static bool runs_on(double value, const uint8_t *at, const uint8_t *end)
{
    if (end - at > 1 && *at == 'E') {
        bool may_go_on = at[1] == '+' || at[1] == '-' || at[1] == '0';
        return may_go_on ? end - at > 2 && is_digit(at[2]) : is_digit(at[1]);
    }
    return at < end && (*at == 'e' || (*at == 'X' && value == 0));
}

/* The words of a move up to a comment or the end of the line; null when it is not plain. */
static const uint8_t *read_words(const uint8_t *at, const uint8_t *end, Words *words)
{
    words->present = 0;
    for (;;) {
        at = skip_blanks(at, end);
        if (at == end || *at == ';' || is_end(*at))
            return at;
        unsigned word = word_of(*at);
        double value;
        if (word == NO_WORD || has(words, word)) /* small letters and equal words are read in different ways */
            return NULL;
        at = read_number(skip_blanks(at + 1, end), end, &value);
        if (at == NULL || fabs(value) > MAX_NUMBER || runs_on(value, at, end))
            return NULL;
        words->value[word] = value;
        words->present |= 1u << word;
    }
}

/* Digits up to a number of four; -1: none or more, or a letter of another kind follows. */
static int read_code(const uint8_t **at, const uint8_t *end)
{
    int code = 0, digits = 0;
    for (; *at < end && is_digit(**at) && digits < 5; (*at)++, digits++)
        code = code * 10 + (**at - '0');
    return digits == 0 || digits > 4 ? -1 : code;
}

/* ---- events ---- */

/* The slot of a text, so that Python looks only once at what stands in a file a thousand times. -1: it is long, or there is no slot
 * near its place: then Python looks it up itself. */
static int64_t slot_of(Text *texts, const uint8_t *begin, ptrdiff_t length)
{
    if (length <= 0 || length > TEXT_BYTES)
        return -1;
    uint32_t hash = 2166136261u; /* FNV-1a */
    for (ptrdiff_t index = 0; index < length; index++)
        hash = (hash ^ begin[index]) * 16777619u;
    for (uint32_t probe = 0; probe < MAX_PROBES; probe++) {
        int64_t slot = (hash + probe) % TEXTS;
        Text *text = &texts[slot];
        if (text->length == 0) {
            text->hash = hash;
            text->length = (uint8_t)length;
            memcpy(text->text, begin, (size_t)length);
            return slot;
        }
        if (text->hash == hash && text->length == length && memcmp(text->text, begin, (size_t)length) == 0)
            return slot;
    }
    return -1;
}

/* The length of a comment's name when a figure follows it and nothing else (`;WIDTH:0.45`), else 0; gcode/scan/figures.py says what
 * that is. Slicers write thousands, hardly two alike, and what such a one says does not depend on its figure. */
static ptrdiff_t name_length(const uint8_t *begin, const uint8_t *end)
{
    const uint8_t *at = begin, *first;
    if (at == end || *at != ';')
        return 0;
    first = skip_blanks(at + 1, end);
    if (first - at > 1 + MAX_INDENT)
        return 0;
    for (at = first; at < end && at - first < MAX_NAME && is_letter(*at);)
        at++;
    if (at == first || at == end || *at != ':')
        return 0;
    ptrdiff_t length = ++at - begin;
    at = skip_blanks(at, end);
    if (at < end && *at == '-')
        at++;
    for (first = at; at < end && at - first < MAX_FIGURE && (is_digit(*at) || *at == '.');)
        at++;
    return at == end && at > first ? length : 0;
}

/* The number of a text for Python; see `Sheet.event_text`. */
static int64_t number_of(Text *texts, const uint8_t *begin, const uint8_t *end)
{
    ptrdiff_t name = name_length(begin, end);
    if (name == 0)
        return slot_of(texts, begin, end - begin);
    int64_t slot = slot_of(texts, begin, name);
    return slot < 0 ? slot : TEXTS + slot;
}

/* A line, or the comment behind a move, for Python to read; false: no room. */
static bool add_event(Sheet *sheet, const Reading *reading, const uint8_t *begin)
{
    if (sheet->events >= sheet->event_room)
        return false;
    const uint8_t *end = line_end(begin, reading->end);
    const uint8_t *cut = reading->end - reading->begin > MAX_LINE_BYTES ? reading->begin + MAX_LINE_BYTES + 1 : reading->end;
    end = end < cut ? end : cut;
    int64_t row = sheet->events++;
    sheet->event_before[row] = sheet->rows;
    sheet->event_line[row] = reading->line;
    sheet->event_begin[row] = begin - reading->block;
    sheet->event_end[row] = end - reading->block;
    sheet->event_text[row] = number_of(sheet->texts, begin, end);
    return true;
}

/* Whether the line holds a control byte where `gcode.reader` looks for one. */
static bool has_control(const Reading *reading)
{
    const uint8_t *at = reading->begin;
    for (int count = 0; at < reading->end && count <= MAX_LINE_BYTES && !is_end(*at); at++, count++)
        if (is_control(*at))
            return true;
    return false;
}

/* ---- moves ---- */

static void target_of(const Motion *motion, const Words *words, double target[3])
{
    for (unsigned axis = X; axis <= Z; axis++) {
        double position = motion->position[axis];
        if (has(words, axis))
            position = words->value[axis] * motion->unit_mm + (motion->relative ? position : motion->shift[axis]);
        target[axis] = position;
    }
}

/* How the E word fits its mode: `gcode.facts.ExtruderMode`. */
static void count_mode(Sheet *sheet, Motion *motion, double value)
{
    if (motion->relative_e) {
        sheet->relative++;
        sheet->relative_rises += value > motion->e_word;
    } else {
        sheet->absolute++;
        sheet->absolute_falls += value < motion->e;
    }
    motion->e_word = value;
}

static double take_filament(Sheet *sheet, Motion *motion, const Words *words)
{
    double value = words->value[E] * motion->unit_mm, filament_mm = value;
    if (has(words, X) || has(words, Y))
        count_mode(sheet, motion, value);
    if (motion->relative_e) {
        motion->e += value;
    } else {
        filament_mm = value - motion->e;
        motion->e = value;
    }
    return motion->e_mm3 != 0.0 ? filament_mm / motion->e_mm3 : filament_mm;
}

/* Whether this much filament is more than what was drawn back before. */
static bool lays(Motion *motion, double filament_mm)
{
    double missing_mm = motion->retracted_mm - filament_mm;
    double owed_mm = missing_mm < 0.0 ? 0.0 : missing_mm;
    motion->retracted_mm = owed_mm > MAX_RETRACTION_MM ? MAX_RETRACTION_MM : owed_mm;
    return missing_mm < -DUST_MM;
}

static void add_row(Sheet *sheet, const Reading *reading, const Motion *motion, const double start[3], const double end[3],
                    double filament_mm, double speed_mm_s, unsigned flags)
{
    int64_t row = sheet->rows++;
    sheet->line[row] = reading->line;
    sheet->offset[row] = reading->offset + (reading->begin - reading->block);
    for (int axis = 0; axis < 3; axis++) {
        sheet->start[axis * sheet->room + row] = start[axis];
        sheet->end[axis * sheet->room + row] = end[axis];
    }
    sheet->filament_mm[row] = filament_mm;
    sheet->speed_mm_s[row] = speed_mm_s;
    sheet->tool[row] = (uint8_t)motion->tool;
    sheet->flags[row] = (uint8_t)flags;
}

/* ---- arcs: the chords of `gcode.machine` ---- */

typedef struct {
    double centre[2];
    double radius;
    double begin; /* radians */
    double sweep;
    int64_t count;
} Arc;

static double distance_of(double across_x, double across_y) { return sqrt(across_x * across_x + across_y * across_y); }

static void find_centre(const Motion *motion, const Words *words, const double end[3], bool clockwise, double centre[2])
{
    const double *start = motion->position;
    double unit = motion->unit_mm;
    if (!has(words, R)) {
        centre[0] = start[0] + (has(words, I) ? words->value[I] * unit : 0.0);
        centre[1] = start[1] + (has(words, J) ? words->value[J] * unit : 0.0);
        return;
    }
    double radius = words->value[R] * unit;
    double across_x = end[0] - start[0], across_y = end[1] - start[1];
    double chord = distance_of(across_x, across_y);
    centre[0] = start[0];
    centre[1] = start[1];
    if (chord == 0)
        return;
    double squared = radius * radius - chord * chord / 4;
    double height = sqrt(squared < 0.0 ? 0.0 : squared);
    double side = clockwise == (radius > 0) ? -1.0 : 1.0;
    centre[0] = (start[0] + end[0]) / 2 - side * height * across_y / chord;
    centre[1] = (start[1] + end[1]) / 2 + side * height * across_x / chord;
}

/* Python's remainder of a figure between -2 pi and 2 pi. */
static double modulo_turn(double angle)
{
    if (angle >= 2 * PI || angle <= -2 * PI)
        return 0.0;
    return angle < 0 ? angle + 2 * PI : angle;
}

static Arc find_arc(const Motion *motion, const Words *words, const double end[3], bool clockwise)
{
    const double *start = motion->position;
    Arc arc;
    find_centre(motion, words, end, clockwise, arc.centre);
    arc.radius = distance_of(start[0] - arc.centre[0], start[1] - arc.centre[1]);
    arc.begin = atan2(start[1] - arc.centre[1], start[0] - arc.centre[0]);
    arc.sweep = modulo_turn(atan2(end[1] - arc.centre[1], end[0] - arc.centre[0]) - arc.begin);
    if (clockwise)
        arc.sweep -= 2 * PI;
    if (start[0] == end[0] && start[1] == end[1])
        arc.sweep = clockwise ? -2 * PI : 2 * PI;
    arc.count = 1;
    if (arc.radius > CHORD_ERROR_MM) {
        double chords = ceil(fabs(arc.sweep) / (2 * sqrt(2 * CHORD_ERROR_MM / arc.radius)));
        arc.count = !(chords >= 1) ? 1 : chords > MAX_CHORDS ? MAX_CHORDS : (int64_t)chords;
    }
    return arc;
}

static void add_arc(Sheet *sheet, const Reading *reading, const Motion *motion, const Arc *arc, const double end[3],
                    double filament_mm, unsigned flags)
{
    double from[3], to[3];
    double count = (double)arc->count, share_mm = filament_mm / count, speed_mm_s = motion->speed_mm_s * motion->speed_factor;
    double lowest = motion->position[Z], climb = end[Z] - lowest;
    memcpy(from, motion->position, sizeof from);
    for (int64_t index = 1; index < arc->count; index++) {
        double angle = arc->begin + arc->sweep * (double)index / count;
        to[X] = arc->centre[0] + arc->radius * cos(angle);
        to[Y] = arc->centre[1] + arc->radius * sin(angle);
        to[Z] = lowest + climb * (double)index / count;
        add_row(sheet, reading, motion, from, to, share_mm, speed_mm_s, flags | ARC);
        memcpy(from, to, sizeof from);
    }
    add_row(sheet, reading, motion, from, end, share_mm, speed_mm_s, flags | ARC | LAST);
}

/* ---- lines ---- */

typedef enum { TAKEN, ODD, NO_ROOM } Outcome;

static void obey_move(Sheet *sheet, const Reading *reading, Motion *motion, const Words *words, int code)
{
    if (has(words, F))
        motion->speed_mm_s = words->value[F] * motion->unit_mm / 60;
    double end[3];
    target_of(motion, words, end);
    double filament_mm = has(words, E) ? take_filament(sheet, motion, words) : 0.0;
    const double *start = motion->position;
    bool stays = start[X] == end[X] && start[Y] == end[Y] && start[Z] == end[Z];
    if (code >= 2) {
        Arc arc = find_arc(motion, words, end, code == 2);
        add_arc(sheet, reading, motion, &arc, end, filament_mm, lays(motion, filament_mm) ? EXTRUDES : 0);
    } else if (!stays || filament_mm != 0.0) {
        bool extrudes = filament_mm != 0.0 && lays(motion, filament_mm) && !stays;
        add_row(sheet, reading, motion, start, end, filament_mm, motion->speed_mm_s * motion->speed_factor,
                extrudes ? EXTRUDES | LAST : LAST);
    }
    memcpy(motion->position, end, sizeof end);
}

/* Whether an arc names one circle: `gcode.machine.Machine.doubted` decides, and the line is its own in any doubt. */
static bool has_circle(const Motion *motion, const Words *words)
{
    bool by_offset = (has(words, I) && words->value[I] != 0.0) || (has(words, J) && words->value[J] != 0.0);
    if (!has(words, R))
        return by_offset;
    double end[3];
    target_of(motion, words, end);
    bool near = fabs(end[X] - motion->position[X]) < SAME_MM && fabs(end[Y] - motion->position[Y]) < SAME_MM;
    return words->value[R] != 0.0 && !by_offset && !near;
}

/* G0 to G3; `reading->at` is behind the code. */
static Outcome take_move(Sheet *sheet, Reading *reading, Motion *motion, int code)
{
    Words words;
    if (reading->at < reading->end && *reading->at == 'E' && runs_on(1, reading->at, reading->end)) /* G1E2: command 100 to some */
        return ODD;
    const uint8_t *at = read_words(reading->at, reading->end, &words);
    if (at == NULL || at - reading->begin > MAX_MOVE_BYTES)
        return ODD;
    if (code >= 2 && (!motion->takes_arcs || !has_circle(motion, &words)))
        return ODD;
    if (sheet->room - sheet->rows < (code >= 2 ? MAX_CHORDS : 1))
        return NO_ROOM;
    if (at < reading->end && *at == ';') {
        if (has_control(reading))
            return ODD;
        if (!add_event(sheet, reading, at))
            return NO_ROOM;
        at = line_end(at, reading->end);
    }
    obey_move(sheet, reading, motion, &words, code);
    sheet->moves++;
    sheet->last_move_line = reading->line;
    reading->at = at;
    return TAKEN;
}

static void set_mode(Motion *motion, int code)
{
    if (code == 82 || code == 83)
        motion->asked_relative_e = code == 83;
    else
        motion->relative = code == 91;
    if (motion->flavour == KLIPPER)
        motion->relative_e = motion->relative || motion->asked_relative_e;
    else if (code == 82 || code == 83)
        motion->relative_e = motion->asked_relative_e;
    else if (motion->flavour == MARLIN)
        motion->relative_e = motion->asked_relative_e = motion->relative;
}

/* The words of a command of which firmwares agree only when it is written plainly: those of `wanted` and no others; null: it is not. */
static const uint8_t *read_exact(const Reading *reading, Words *words, unsigned wanted)
{
    const uint8_t *at = read_words(reading->at, reading->end, words);
    if (at == NULL || at - reading->begin > MAX_EXACT_BYTES || words->present != wanted || has_control(reading))
        return NULL;
    /* no firmware skips a tab as it skips a space */
    return memchr(reading->begin, '\t', (size_t)(at - reading->begin)) == NULL ? at : NULL;
}

/* G10 and G11 alone: the firmware draws the filament back once, and gives it back once. */
static Outcome take_retraction(Sheet *sheet, Reading *reading, Motion *motion, bool draws)
{
    Words words;
    const uint8_t *at = read_exact(reading, &words, 0);
    if (at == NULL)
        return ODD;
    if (sheet->rows >= sheet->room || !add_event(sheet, reading, reading->begin))
        return NO_ROOM;
    if (draws != (motion->drawn_back != 0)) {
        double filament_mm = draws ? -motion->draw_mm : motion->give_mm;
        motion->drawn_back = draws;
        lays(motion, filament_mm);
        if (filament_mm != 0.0)
            add_row(sheet, reading, motion, motion->position, motion->position, filament_mm,
                    draws ? motion->draw_mm_s : motion->give_mm_s, LAST);
    }
    reading->at = line_end(at, reading->end);
    return TAKEN;
}

/* G90, G91, G92 E, M82 and M83 with nothing else. */
static Outcome take_mode(Sheet *sheet, Reading *reading, Motion *motion, int code)
{
    Words words;
    const uint8_t *at = read_exact(reading, &words, code == 92 ? 1u << E : 0u);
    if (at == NULL)
        return ODD;
    if (!add_event(sheet, reading, reading->begin))
        return NO_ROOM;
    if (code == 92)
        motion->e = words.value[E] * motion->unit_mm;
    else
        set_mode(motion, code);
    reading->at = line_end(at, reading->end);
    return TAKEN;
}

static Outcome take_event(Sheet *sheet, Reading *reading)
{
    if (!add_event(sheet, reading, reading->begin))
        return NO_ROOM;
    reading->at = line_end(reading->at, reading->end);
    return TAKEN;
}

static Outcome take_g(Sheet *sheet, Reading *reading, Motion *motion)
{
    int code = read_code(&reading->at, reading->end);
    if (reading->at < reading->end && *reading->at == '.')
        return ODD;
    if (code >= 0 && code <= 3)
        return take_move(sheet, reading, motion, code);
    if (code == 90 || code == 91 || code == 92)
        return take_mode(sheet, reading, motion, code);
    if (code == 10 || code == 11)
        return take_retraction(sheet, reading, motion, code == 10);
    return code == 4 ? take_event(sheet, reading) : ODD;
}

static Outcome take_m(Sheet *sheet, Reading *reading, Motion *motion)
{
    int code = read_code(&reading->at, reading->end);
    bool whole = reading->at == reading->end || *reading->at != '.';
    if (whole && (code == 82 || code == 83))
        return take_mode(sheet, reading, motion, code);
    if (code < 0 || code >= M_CODES || sheet->mode_m[code])
        return ODD;
    return take_event(sheet, reading);
}

/* Words of Klipper that begin a line; the names are those of gcode/scan/columns.py: EVENT_WORDS. */
static bool is_event_word(const Reading *reading)
{
    static const char *const WORDS_OF_KLIPPER[] = {"EXCLUDE_OBJECT", "SET_VELOCITY_LIMIT", "SET_PRESSURE_ADVANCE",
                                                   "SET_PRINT_STATS_INFO"};
    for (size_t index = 0; index < sizeof WORDS_OF_KLIPPER / sizeof *WORDS_OF_KLIPPER; index++) {
        size_t length = strlen(WORDS_OF_KLIPPER[index]);
        if ((size_t)(reading->end - reading->at) >= length && memcmp(reading->at, WORDS_OF_KLIPPER[index], length) == 0)
            return true;
    }
    return false;
}

static Outcome take_line(Sheet *sheet, Reading *reading, Motion *motion)
{
    reading->at = skip_blanks(reading->begin, reading->end);
    if (reading->at == reading->end || is_end(*reading->at))
        return TAKEN;
    switch (*reading->at) {
    case ';': return take_event(sheet, reading);
    case 'G': reading->at++; return take_g(sheet, reading, motion);
    case 'M': reading->at++; return take_m(sheet, reading, motion);
    case 'E':
    case 'S': return is_event_word(reading) ? take_event(sheet, reading) : ODD;
    default: return ODD;
    }
}

/* Take whole lines until one is odd or the room ends; see gcode/scan/columns.py: Parser. `line` is the number of the first. */
EXPORT void essaim_parse(const uint8_t *block, int64_t size, int64_t line, int64_t offset, Motion *motion, Sheet *sheet)
{
    Reading reading = {block, block + size, block, block, line, offset};
    while (reading.begin < reading.end && take_line(sheet, &reading, motion) == TAKEN) {
        reading.begin = next_line(reading.at, reading.end);
        reading.line++;
    }
    sheet->consumed = reading.begin - block;
    sheet->lines = reading.line - line;
}

/* ---- what this build is ---- */

EXPORT int64_t essaim_abi(void) { return ABI; }

/* Bytes of what Python lays out: 0 Motion, 1 Sheet, 2 Limits, 3 Batch; 4 Plan and 5 all slots for texts, which it only keeps. */
EXPORT int64_t essaim_size(int64_t what)
{
    static const size_t SIZES[] = {sizeof(Motion), sizeof(Sheet), sizeof(Limits), sizeof(Batch), sizeof(Plan), TEXTS * sizeof(Text)};
    return what >= 0 && what < 6 ? (int64_t)SIZES[what] : -1;
}

/* Sine, cosine and arc tangent as this build has them, to be compared with Python's. */
EXPORT void essaim_angles(const double *angle, double *sine, double *cosine, double *tangent, int64_t count)
{
    for (int64_t index = 0; index < count; index++) {
        sine[index] = sin(angle[index]);
        cosine[index] = cos(angle[index]);
        tangent[index] = atan2(sine[index], cosine[index]);
    }
}
