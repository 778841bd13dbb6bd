/* Runs the compiled kernel of the scan without Python: under sanitizers, on random lines, or on another processor.
 *
 *   kernel_driver run LIBRARY < BLOCKS > ROWS    blocks: four bytes of length (little end first) and the text, one after the other
 *   kernel_driver fuzz BLOCKS SEED               makes its own lines out of a dictionary and damages them
 *
 * Each array has exactly the size that the kernel is told, so that a sanitizer sees the first byte beyond.
 */
#include "../../gcode/scan/kernel.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_ROWS = 2000, FUZZ_BYTES = 4096 };

typedef void (*ParseFunction)(const uint8_t *, int64_t, int64_t, int64_t, Motion *, Sheet *);
typedef int64_t (*PlanFunction)(Plan *, const Batch *);

typedef struct {
    ParseFunction parse;
    PlanFunction plan;
    FILE *out; /* null: nothing is written */
    int64_t rows;
    int64_t lines;
} Driver;

static void *take(size_t count, size_t size)
{
    void *memory = calloc(count ? count : 1, size);
    if (memory == NULL)
        exit(3);
    return memory;
}

static void write_all(const Driver *driver, const void *values, size_t size, int64_t count)
{
    if (driver->out != NULL && fwrite(values, size, (size_t)count, driver->out) != (size_t)count)
        exit(3);
}

static Sheet make_sheet(int64_t room, int64_t event_room, const uint8_t *mode_m)
{
    size_t rows = (size_t)room, events = (size_t)event_room;
    Sheet sheet = {0};
    sheet.line = take(rows, sizeof(int64_t));
    sheet.offset = take(rows, sizeof(int64_t));
    sheet.start = take(3 * rows, sizeof(double));
    sheet.end = take(3 * rows, sizeof(double));
    sheet.filament_mm = take(rows, sizeof(double));
    sheet.speed_mm_s = take(rows, sizeof(double));
    sheet.tool = take(rows, 1);
    sheet.flags = take(rows, 1);
    sheet.room = room;
    sheet.event_before = take(events, sizeof(int64_t));
    sheet.event_line = take(events, sizeof(int64_t));
    sheet.event_begin = take(events, sizeof(int64_t));
    sheet.event_end = take(events, sizeof(int64_t));
    sheet.event_text = take(events, sizeof(int64_t));
    sheet.texts = take(TEXTS, sizeof(Text));
    sheet.event_room = event_room;
    sheet.mode_m = mode_m;
    return sheet;
}

static void drop_sheet(Sheet *sheet)
{
    void *all[] = {sheet->line, sheet->offset, sheet->start, sheet->end, sheet->filament_mm, sheet->speed_mm_s, sheet->tool,
                   sheet->flags, sheet->event_before, sheet->event_line, sheet->event_begin, sheet->event_end,
                   sheet->event_text, sheet->texts};
    for (size_t index = 0; index < sizeof all / sizeof *all; index++)
        free(all[index]);
}

static void make_limits(Limits limits[3])
{
    for (int64_t index = 0; index < 3; index++) {
        Limits one = {{500, 400, 12, 60}, {3000, 2000, 100, 5000}, {8, 7, 0.4, 2.5}, 1250, 1500, 900, 0.013, 5, 0, 0, 0, 1e9, index};
        one.cruise_ratio = index == CORNER ? 0.5 : 0;
        limits[index] = one;
    }
}

/* Plans the rows of a sheet; every seventh call waits behind the last of them. Gives how many rows are settled for good. */
static void plan_rows(Driver *driver, Plan *plan, const Sheet *sheet, int finish)
{
    static const double DWELL_S = 0.25;
    Limits limits[3];
    make_limits(limits);
    size_t count = (size_t)sheet->rows;
    int64_t first = plan->held > 0 ? plan->block[0].row : plan->rows;
    int64_t waiting = plan->rows - first;
    double *seconds = take((size_t)waiting + count, sizeof(double));
    int32_t *which = take(count, sizeof(int32_t));
    for (size_t index = 0; index < count; index++)
        which[index] = (int32_t)((sheet->line[index] / 50) % 3);
    int64_t stop_before = sheet->rows;
    Batch batch = {0};
    for (int64_t axis = 0; axis < 3; axis++) {
        batch.start[axis] = sheet->start + axis * sheet->room;
        batch.end[axis] = sheet->end + axis * sheet->room;
    }
    batch.filament_mm = sheet->filament_mm;
    batch.speed_mm_s = sheet->speed_mm_s;
    batch.which = which;
    batch.count = sheet->rows;
    batch.limits = limits;
    batch.limits_count = 3;
    batch.stop_before = &stop_before;
    batch.stop_s = &DWELL_S;
    batch.stops = finish || sheet->lines % 7 == 0;
    batch.seconds = seconds;
    batch.first = first;
    batch.room = waiting + sheet->rows;
    int64_t settled = driver->plan(plan, &batch);
    if (settled < first || settled > plan->rows)
        abort();
    write_all(driver, seconds, sizeof(double), settled - first);
    free(seconds);
    free(which);
}

static void write_sheet(const Driver *driver, const Sheet *sheet)
{
    write_all(driver, sheet->line, sizeof(int64_t), sheet->rows);
    write_all(driver, sheet->flags, 1, sheet->rows);
    for (int64_t axis = 0; axis < 3; axis++) {
        write_all(driver, sheet->start + axis * sheet->room, sizeof(double), sheet->rows);
        write_all(driver, sheet->end + axis * sheet->room, sizeof(double), sheet->rows);
    }
    write_all(driver, sheet->filament_mm, sizeof(double), sheet->rows);
    write_all(driver, sheet->speed_mm_s, sizeof(double), sheet->rows);
}

static int64_t after_line(const uint8_t *text, int64_t size)
{
    int64_t at = 0;
    while (at < size && text[at] != '\n' && text[at] != '\r')
        at++;
    return at + 1 < size && text[at] == '\r' && text[at + 1] == '\n' ? at + 2 : at < size ? at + 1 : size;
}

/* One block as the engine reads it; lines that the kernel does not take are left out. */
static void run_block(Driver *driver, const uint8_t *text, int64_t size, int64_t room)
{
    uint8_t *mode_m = take(M_CODES, 1);
    static const int MODES[] = {82, 83, 200, 206, 207, 208, 209, 218, 220, 221, 290, 428};
    for (size_t index = 0; index < sizeof MODES / sizeof *MODES; index++)
        mode_m[MODES[index]] = 1;
    uint8_t *exact = take((size_t)size, 1);
    memcpy(exact, text, (size_t)size);
    Motion motion = {.speed_mm_s = 25, .speed_factor = 1, .unit_mm = 1, .takes_arcs = 1, .flavour = room % 3};
    motion.draw_mm = 3;
    motion.give_mm = room % 4; /* 0: nothing is given */
    motion.draw_mm_s = motion.give_mm_s = 30;
    Sheet sheet = make_sheet(room, room % 50 + 1, mode_m);
    Plan *plan = take(1, sizeof *plan);
    int64_t at = 0, line = 1;
    while (at < size) {
        sheet.rows = sheet.events = sheet.moves = sheet.last_move_line = 0;
        driver->parse(exact + at, size - at, line, at, &motion, &sheet);
        if (sheet.consumed < 0 || sheet.consumed > size - at || sheet.rows > room || sheet.events > sheet.event_room)
            abort();
        write_sheet(driver, &sheet);
        plan_rows(driver, plan, &sheet, 0);
        at += sheet.consumed;
        line += sheet.lines;
        driver->rows += sheet.rows;
        if (sheet.consumed == 0) {
            at += after_line(exact + at, size - at);
            line++;
        }
    }
    sheet.rows = 0;
    plan_rows(driver, plan, &sheet, 1);
    driver->lines += line - 1;
    drop_sheet(&sheet);
    free(plan);
    free(exact);
    free(mode_m);
}

static int run(Driver *driver)
{
    uint8_t head[4];
    while (fread(head, 1, sizeof head, stdin) == sizeof head) {
        size_t size = (size_t)head[0] | (size_t)head[1] << 8 | (size_t)head[2] << 16 | (size_t)head[3] << 24;
        uint8_t *text = take(size, 1);
        if (fread(text, 1, size, stdin) != size)
            return 2;
        run_block(driver, text, (int64_t)size, 720 + (int64_t)size % 1000);
        free(text);
    }
    return 0;
}

/* ---- random lines ---- */

static uint64_t state;

static uint32_t any(uint32_t below)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (uint32_t)(state >> 32) % below;
}

static const char *const PIECES[] = {
    "G1", "G0", "G2", "G3", "g1", "G01", "G92", "G90", "G91", "M82", "M83", "G28", "G4 P100", "M104 S200", "M220 S50", "T1", "N5 G1",
    " X", " Y", " Z", " E", " F", " I", " J", " R", "x", "y", "e", " K1", " X10", " Y20.5", " E.5", " E-1.2", " F1800", " Z0.2", " X-",
    " X1e5", " E1E+3", " X1.2.3", " Y+7.", " X1000000", " X1000000.1", " X99999999999999999999", " E0.000000000000000001", "123", ".",
    "-", "+", ";", ";TYPE:Perimeter", "; comment", "\n", "\n", "\n", "\r\n", "\r", " ", "\t", "\xc3\xa9", "\xff", "*33", "(x)", "{a}",
    "M117 text", "M862.3 P", "M83 ; relative", "G92 E0", "G92 E", "G92 X1", "EXCLUDE_OBJECT_START NAME=a", "SET_VELOCITY_LIMIT ACCEL=5",
    "G10", "G11", "G10 ; back\n", "G11\n", ";WIDTH:0.45", ";Z:", "; LINE_WIDTH: -.4", ";HEIGHT:12.3.4", "_", ":",
    "G2 X10 I5", "G3 X0 Y0 R7", "G2 I30", "G3 J-100 E5", "G1 X10 Y10 E1\n", "G1 X20 F3000\n", "G1 E-.8\n", "G1 E.8\n"};

static int64_t make_lines(uint8_t *text)
{
    int64_t size = 0;
    uint32_t wanted = any(FUZZ_BYTES - 128);
    while (size < wanted) {
        if (any(200) == 0) {
            text[size++] = (uint8_t)any(256);
            continue;
        }
        const char *piece = PIECES[any(sizeof PIECES / sizeof *PIECES)];
        size_t length = strlen(piece);
        memcpy(text + size, piece, length);
        size += (int64_t)length;
        if (any(300) == 0)
            for (int count = 0; count < 100 && size < FUZZ_BYTES - 128; count++)
                text[size++] = '7';
    }
    return size;
}

static int fuzz(Driver *driver, long blocks, uint64_t seed)
{
    uint8_t text[FUZZ_BYTES];
    state = seed * 2654435761u + 1;
    for (long block = 0; block < blocks; block++)
        run_block(driver, text, make_lines(text), 720 + any(MOST_ROWS));
    printf("%ld blocks, %lld lines, %lld rows\n", blocks, (long long)driver->lines, (long long)driver->rows);
    return 0;
}

int main(int count, char **words)
{
    Driver driver = {0};
#ifdef WITH_KERNEL
    driver.parse = essaim_parse;
    driver.plan = essaim_plan;
#else
    void *library = count > 2 ? dlopen(words[2], RTLD_NOW) : NULL;
    if (library == NULL)
        return 2;
    *(void **)&driver.parse = dlsym(library, "essaim_parse");
    *(void **)&driver.plan = dlsym(library, "essaim_plan");
    if (driver.parse == NULL || driver.plan == NULL)
        return 2;
#endif
    if (count > 3 && strcmp(words[1], "fuzz") == 0)
        return fuzz(&driver, atol(words[2]), (uint64_t)atoll(words[3]));
    driver.out = stdout;
    return run(&driver);
}
