/* The compiled planner: seconds of moves with junction speeds and look-ahead, as `gcode/kinematics.py: Planner` finds them.
 *
 * Python gives all memory (gcode/scan/kernel.py); the look-ahead is a fixed array. See kernel.c for the rules of both files.
 */
#include "kernel.h"

#include <math.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

enum { MAX_WAITING = 65536 }; /* moves that may wait behind a held one: those that take no time are not held */

static const double STANDSTILL = 1e-9;
static const double SLOWEST_MM_S2 = 1.0;
static const double STRAIGHT = 0.999999;
static const double SHARED = 0.99;
static const double SMALL_BLOCK_MM = 1.0;
static const double CURVE = 0.7071067812;

static double least(double left, double right) { return right < left ? right : left; }

static double most(double left, double right) { return right > left ? right : left; }

/* A value along a direction, made smaller until every axis keeps within its limit; an axis with limit 0 has none. */
static double within(double value, const double limits[AXES], const double direction[AXES])
{
    for (int axis = 0; axis < AXES; axis++)
        if (limits[axis] > 0 && fabs(direction[axis]) * value > limits[axis])
            value = limits[axis] / fabs(direction[axis]);
    return value;
}

static double product(const double left[AXES], const double right[AXES], int axes)
{
    double sum = 0.0;
    for (int axis = 0; axis < axes; axis++)
        sum += left[axis] * right[axis];
    return sum;
}

static void unit_of(const double vector[AXES], double unit[AXES])
{
    double length = sqrt(product(vector, vector, AXES));
    for (int axis = 0; axis < AXES; axis++)
        unit[axis] = length > STANDSTILL ? vector[axis] / length : 0.0;
}

/* ---- corners ---- */

/* How much a junction must slow down (0 to 1) so that no axis jumps by more than its jerk. */
static double jerk_factor(const double jerk[AXES], const double before[AXES], const double after[AXES], double speed)
{
    double factor = 1.0;
    for (int axis = 0; axis < AXES; axis++) {
        double leaving = before[axis] * speed, entering = after[axis] * speed;
        double change = leaving * entering < 0 ? most(fabs(leaving), fabs(entering)) : fabs(entering - leaving);
        if (change * factor > jerk[axis])
            factor = jerk[axis] / change;
    }
    return factor;
}

/* Radius of the arc that rounds a corner, in units of its deviation. */
static double arc_factor(double cosine)
{
    double half_sine = sqrt((1 - most(cosine, -STRAIGHT)) / 2);
    return half_sine / (1 - half_sine);
}

static double deviation_squared(const Plan *plan, const Limits *limits, const double direction[AXES], const Block *block)
{
    double before[AXES], after[AXES], turn[AXES];
    unit_of(plan->direction, before);
    unit_of(direction, after);
    double cosine = -product(before, after, AXES);
    if (cosine > STRAIGHT)
        return 0.0;
    for (int axis = 0; axis < AXES; axis++)
        turn[axis] = after[axis] - before[axis];
    unit_of(turn, turn);
    double acceleration = within(block->acceleration, limits->acceleration, turn);
    double squared = acceleration * limits->deviation * arc_factor(cosine);
    if (block->distance < SMALL_BLOCK_MM && cosine < -CURVE)
        squared = least(squared, acceleration * block->distance / acos(-most(cosine, -STRAIGHT)));
    return squared;
}

static bool travels(const double direction[AXES]) { return direction[0] != 0.0 || direction[1] != 0.0 || direction[2] != 0.0; }

static double corner_squared(const Plan *plan, const Limits *limits, const double direction[AXES], const Block *block)
{
    if (!travels(plan->direction) || !travels(direction))
        return 0.0;
    double cosine = -product(plan->direction, direction, 3);
    if (cosine > STRAIGHT)
        return 0.0;
    double squared = limits->corner * limits->corner * (sqrt(2) - 1) * arc_factor(cosine);
    cosine = most(cosine, -STRAIGHT);
    double half_tangent = sqrt((1 - cosine) / (1 + cosine)) / 2;
    squared = least(squared, half_tangent * block->distance * block->acceleration);
    squared = least(squared, half_tangent * plan->last.distance * plan->last.acceleration);
    double change = fabs(direction[3] - plan->direction[3]);
    if (change <= STANDSTILL)
        return squared;
    double extruder = limits->jerk[3] / change;
    return least(squared, extruder * extruder);
}

/* The speed at which the junction with the block before may be passed. */
static double junction(const Plan *plan, const Limits *limits, const double direction[AXES], const Block *block)
{
    double slowest = least(plan->last.cruise, block->cruise);
    if (limits->junction == JERK)
        return slowest * jerk_factor(limits->jerk, plan->direction, direction, slowest);
    double squared = limits->junction == DEVIATION ? deviation_squared(plan, limits, direction, block)
                                                   : corner_squared(plan, limits, direction, block);
    return least(slowest, sqrt(squared));
}

/* ---- blocks ---- */

/* Seconds for a block; the speeds at its ends are reachable from each other within the distance. */
static double trapezoid_s(const Block *block, double entry, double entry_squared, double leaving, double leaving_squared)
{
    double cruise = block->cruise, acceleration = block->acceleration;
    double mean_squared = (entry_squared + leaving_squared) / 2;
    double peak_squared = mean_squared + acceleration * block->distance * (1 - block->cruise_ratio);
    if (peak_squared < cruise * cruise)
        cruise = most(sqrt(peak_squared), most(entry, leaving));
    double even_mm = block->distance - (cruise * cruise - mean_squared) / acceleration;
    return (2 * cruise - entry - leaving) / acceleration + most(even_mm, 0.0) / cruise;
}

/* The squared entry speed of each held block from which its followers can still brake, and the exit of the last. */
static void plan_backwards(Plan *plan)
{
    double squared = plan->safe_speed * plan->safe_speed;
    plan->planned[plan->held] = squared;
    for (int64_t index = plan->held - 1; index >= 0; index--) {
        const Block *block = &plan->block[index];
        squared = least(block->entry_squared, squared + 2 * block->acceleration * block->distance);
        plan->planned[index] = squared;
    }
}

/* Plan everything that is held, as if it stopped after the last block, and settle the first `count`. */
static void commit(Plan *plan, int64_t count, const Batch *batch)
{
    plan_backwards(plan);
    double entry_squared = plan->committed_squared, entry = sqrt(entry_squared);
    for (int64_t index = 0; index < count; index++) {
        const Block *block = &plan->block[index];
        double squared = least(plan->planned[index + 1], entry_squared + 2 * block->acceleration * block->distance);
        double leaving = sqrt(squared);
        batch->seconds[block->row - batch->first] += trapezoid_s(block, entry, entry_squared, leaving, squared);
        entry_squared = squared;
        entry = leaving;
    }
    plan->committed_squared = entry_squared;
    plan->held -= count;
    memmove(plan->block, plan->block + count, (size_t)plan->held * sizeof *plan->block);
}

static void hold(Plan *plan, const Limits *limits, const double direction[AXES], Block *block)
{
    double safe = limits->junction == JERK ? within(block->cruise, limits->jerk, direction) : 0.0;
    double entry = safe;
    if (plan->moving) {
        entry = junction(plan, limits, direction, block);
        if (least(safe, plan->safe_speed) > SHARED * entry)
            entry = least(safe, plan->last.cruise);
    }
    block->entry_squared = entry * entry;
    if (!plan->moving)
        plan->committed_squared = block->entry_squared;
    plan->block[plan->held++] = *block;
    plan->last = *block;
    plan->moving = 1;
    plan->safe_speed = safe;
    memcpy(plan->direction, direction, sizeof plan->direction);
}

static void plan_move(Plan *plan, const Batch *batch, int64_t index)
{
    double delta[AXES], direction[AXES];
    for (int axis = 0; axis < 3; axis++)
        delta[axis] = batch->end[axis][index] - batch->start[axis][index];
    double filament_mm = delta[3] = batch->filament_mm[index];
    double distance = sqrt(product(delta, delta, 3)), speed = batch->speed_mm_s[index];
    bool along_path = distance > STANDSTILL;
    if (!along_path)
        distance = fabs(filament_mm);
    int32_t which = batch->which[index];
    if (distance <= STANDSTILL || speed <= 0 || which < 0 || which >= batch->limits_count)
        return;
    const Limits *limits = &batch->limits[which];
    for (int axis = 0; axis < AXES; axis++)
        direction[axis] = delta[axis] / distance;
    double acceleration = !along_path       ? limits->retract_acceleration
                          : filament_mm > 0 ? limits->print_acceleration
                                            : limits->travel_acceleration;
    acceleration = within(acceleration, limits->acceleration, direction);
    speed = most(speed, filament_mm > 0 ? limits->least_print : limits->least_travel);
    speed = within(least(speed, limits->path), limits->speed, direction);
    Block block = {distance, speed, most(acceleration, SLOWEST_MM_S2), limits->cruise_ratio, 0.0, plan->rows};
    hold(plan, limits, direction, &block);
}

static void stop(Plan *plan, double seconds, const Batch *batch)
{
    commit(plan, plan->held, batch);
    plan->moving = 0;
    plan->safe_speed = plan->committed_squared = 0.0;
    if (plan->rows > batch->first)
        batch->seconds[plan->rows - 1 - batch->first] += most(seconds, 0.0);
    else
        plan->owed_s += most(seconds, 0.0);
}

static bool fits(const Plan *plan, const Batch *batch)
{
    return plan->held >= 0 && plan->held < LOOK_AHEAD && batch->first >= 0 && batch->first <= plan->rows && batch->count >= 0 &&
           batch->room - (plan->rows - batch->first) >= batch->count && (plan->held == 0 || plan->block[0].row >= batch->first);
}

/* Plan a batch; gives the number of the first move that is not settled. -1: the batch does not fit. */
EXPORT int64_t essaim_plan(Plan *plan, const Batch *batch)
{
    if (!fits(plan, batch))
        return -1;
    int64_t next = 0;
    for (int64_t index = 0; index <= batch->count; index++) {
        for (; next < batch->stops && batch->stop_before[next] <= index; next++)
            stop(plan, batch->stop_s[next], batch);
        if (index == batch->count)
            break;
        plan_move(plan, batch, index);
        batch->seconds[plan->rows++ - batch->first] = plan->owed_s;
        plan->owed_s = 0.0;
        if (plan->held == LOOK_AHEAD)
            commit(plan, LOOK_AHEAD / 2, batch);
    }
    if (plan->held > 0 && plan->rows - plan->block[0].row > MAX_WAITING)
        commit(plan, plan->held, batch);
    return plan->held > 0 ? plan->block[0].row : plan->rows;
}
