/* driver.h: a robot's driver without its socket: an arm that is not there, two messages that it
 * obeys, one that it says. C11, libc only. For a real arm change `advance`; keep the rules. */
#include <math.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <time.h>

enum { VERSION = 1, MEASURE = 32, SERVO = 33, STOP = 34, NIL = 0xc0, BIN8 = 0xc4, UINT64 = 0xcf };
enum { SIMULATED = 2, ENABLED = 4, BRAKED = 8 }; /* flags of MEASURE */
enum { POSE = 8, TWIST = 6, LAG_MS = 4, MEASURE_BYTES = 142, BYTES_MAX = 512, PASS_MAX = 64 };
static const int64_t MS = 1000000, PERIOD_MS = 2, WATCHDOG_MS = 30, VALID_US_MAX = 30000;

struct arm {
    double pose[POSE]; /* in the base: x y z (m), quaternion w x y z, jaw (rad) */
    double goal[POSE + TWIST]; /* the same, and behind it how fast it moves: x y z m/s, rad/s */
    bool enabled;
    int64_t energy; /* 16 cut, 32 coagulation, 64 bipolar: a level, not an event */
    int64_t moved_ns, accepted_ns, instance; /* our own clock; another number after each start */
};

static int64_t clock_ns(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return t.tv_sec * 1000 * MS + t.tv_nsec;
}

static struct arm power_up(void) /* braked: only `clear` enables */
{
    return (struct arm){.pose = {0, 0, -0.10, 1}, .goal = {0, 0, -0.10, 1},
        .moved_ns = clock_ns(CLOCK_MONOTONIC), .instance = clock_ns(CLOCK_REALTIME)};
}

static void brake(struct arm *arm)
{
    for (int i = 0; i < POSE + TWIST; i++)
        arm->goal[i] = i < POSE ? arm->pose[i] : 0;
    arm->enabled = false, arm->energy = 0;
}

static int64_t advance(struct arm *arm) /* let time pass until now, and say when that is */
{
    int64_t now_ns = clock_ns(CLOCK_MONOTONIC);
    if (arm->enabled && now_ns - arm->accepted_ns > WATCHDOG_MS * MS)
        brake(arm); /* rule 2: nothing was accepted for too long */
    double dt_ms = (double)(now_ns - arm->moved_ns) / (double)MS, share = dt_ms / (LAG_MS + dt_ms);
    for (int i = 0; i < 3; i++) /* velocity: what is missing / LAG_MS, plus the feed-forward */
        arm->pose[i] += share * (arm->goal[i] - arm->pose[i] + LAG_MS * 1e-3 * arm->goal[POSE + i]);
    memcpy(arm->pose + 3, arm->goal + 3, sizeof arm->pose - 3 * sizeof *arm->pose);
    return arm->moved_ns = now_ns;
}

struct bytes { /* nothing is read beyond `end`; whatever is not as expected makes it `bad` */
    const uint8_t *at, *end;
    bool bad;
};

static uint8_t take(struct bytes *in)
{
    in->bad |= in->at == in->end;
    return in->bad ? 0 : *in->at++;
}

static int64_t take_uint(struct bytes *in)
{
    uint8_t first = take(in);
    uint64_t value = first;
    if (first >= 0x80) {
        in->bad |= first < 0xcc || first > UINT64; /* 0xcc to 0xcf: 1, 2, 4, 8 bytes follow */
        int left = in->bad ? 0 : 1 << (first - 0xcc);
        for (value = 0; left > 0; left--)
            value = value << 8 | take(in);
    }
    in->bad |= value > INT64_MAX;
    return in->bad ? 0 : (int64_t)value;
}

static void take_goal(struct bytes *in, double goal[POSE + TWIST])
{
    for (int i = 0; i < POSE + TWIST; i++) {
        if (i == 0 || i == POSE) /* two bins: the setpoint, its velocity */
            in->bad |= take(in) != BIN8 || take(in) != (i == 0 ? POSE : TWIST) * sizeof *goal;
        uint64_t bits = 0; /* little-endian, whatever this machine is */
        for (int shift = 0; shift < 64; shift += 8)
            bits |= (uint64_t)take(in) << shift;
        memcpy(&goal[i], &bits, sizeof bits);
        in->bad |= !isfinite(goal[i]);
    }
    double norm = goal[3] * goal[3] + goal[4] * goal[4] + goal[5] * goal[5] + goal[6] * goal[6];
    in->bad |= !(norm > 0.999 && norm < 1.001);
}

static void obey(struct arm *arm, const uint8_t *message, size_t size)
{
    int64_t now_ns = advance(arm); /* our watchdog before their wishes: we may have slept */
    struct bytes in = {message, message + size, false};
    uint8_t array = take(&in), version = take(&in), kind = take(&in);
    if (array == 0x9b && version == VERSION && kind == SERVO) {
        double goal[POSE + TWIST];
        int64_t number = take_uint(&in), seq = take_uint(&in), tick_ns = take_uint(&in);
        int64_t valid_us = take_uint(&in);
        take_goal(&in, goal);
        int64_t energy = take_uint(&in), tool = take_uint(&in), camera = take(&in);
        (void)seq, (void)tool, (void)camera; /* a real arm has a use for the last two */
        if (in.bad || in.at != in.end || number != 0 || valid_us > VALID_US_MAX)
            return;
        /* Rule 1: not if it answers a measurement that is too old, or none of ours. */
        if (arm->enabled && tick_ns <= now_ns && now_ns - tick_ns <= valid_us * 1000) {
            memcpy(arm->goal, goal, sizeof goal);
            arm->energy = energy, arm->accepted_ns = now_ns;
        }
    } else if (array == 0x93 && version == VERSION && kind == STOP) {
        uint8_t category = take(&in);
        if (in.bad || in.at != in.end || (category > 2 && category != NIL))
            return;
        brake(arm);
        arm->enabled = category == NIL; /* rule 3: `clear` alone enables, and where we stand */
        arm->accepted_ns = now_ns;
    }
}

static void put(uint8_t *out, uint64_t value, bool big)
{
    for (int i = 0; i < 8; i++)
        out[i] = (uint8_t)(value >> 8 * (big ? 7 - i : i));
}

static void measure(struct arm *arm, uint8_t out[MEASURE_BYTES])
{
    int64_t now_ns = advance(arm);
    memset(out, 0, MEASURE_BYTES);
    memcpy(out, (uint8_t[]){0x9a, VERSION, MEASURE, UINT64}, 4);
    put(out + 4, (uint64_t)now_ns, true); /* driver_tick */
    out[12] = UINT64;
    put(out + 13, (uint64_t)arm->instance, true);
    out[21] = SIMULATED | (arm->enabled ? ENABLED : BRAKED);
    out[23] = out[25] = BIN8, out[26] = sizeof arm->pose; /* arm 0, no joints, the pose */
    for (int i = 0; i < POSE; i++) {
        uint64_t bits;
        memcpy(&bits, &arm->pose[i], sizeof bits);
        put(out + 27 + 8 * i, bits, false);
    }
    out[91] = BIN8, out[92] = TWIST * sizeof *arm->pose; /* velocity not measured; rule 0 */
}
