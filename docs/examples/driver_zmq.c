/* A robot's driver on another computer: cc -O2 -std=c11 driver_zmq.c -lzmq -o driver_zmq
 * Run: ./driver_zmq tcp://<host>:<port> '<public key of the robot>' <driver>.secret
 * All TCP is CURVE. `trocar keys new` makes the driver's key; the secret stays in its file. */
#define _POSIX_C_SOURCE 200809L
#include "driver.h"

#include <stdio.h>
#include <zmq.h>

static int dial(void *robot, const char *endpoint, const char *server, const char *secret_file)
{
    char secret[41] = "", own[41]; /* HWM: a longer queue would only hold older motion */
    const int options[][2] = {{ZMQ_LINGER, 0}, {ZMQ_SNDHWM, 8}, {ZMQ_RCVHWM, 8}, {ZMQ_TOS, 0xb8},
                              {ZMQ_IMMEDIATE, 1}, {ZMQ_HEARTBEAT_IVL, 100}, {ZMQ_MAXMSGSIZE, 4096}};
    FILE *file = fopen(secret_file, "r");
    if (!file || fread(secret, 1, 40, file) != 40 || fclose(file) || zmq_curve_public(own, secret))
        return fprintf(stderr, "%s: no CURVE secret key\n", secret_file), -1;
    for (size_t i = 0; i < sizeof options / sizeof *options; i++)
        zmq_setsockopt(robot, options[i][0], &options[i][1], sizeof(int));
    if (zmq_setsockopt(robot, ZMQ_CURVE_SERVERKEY, server, strlen(server)) ||
        zmq_setsockopt(robot, ZMQ_CURVE_PUBLICKEY, own, 40) ||
        zmq_setsockopt(robot, ZMQ_CURVE_SECRETKEY, secret, 40) || zmq_connect(robot, endpoint))
        return fprintf(stderr, "%s: %s\n", endpoint, zmq_strerror(zmq_errno())), -1;
    return 0;
}

int main(int argc, char **argv)
{
    void *context = zmq_ctx_new(), *robot = zmq_socket(context, ZMQ_DEALER);
    void *refusal = zmq_socket(context, ZMQ_PAIR); /* libzmq never knocks again after a refusal */
    zmq_socket_monitor(robot, "inproc://refusal", ZMQ_EVENT_HANDSHAKE_FAILED_AUTH);
    zmq_connect(refusal, "inproc://refusal");
    if (argc != 4 || dial(robot, argv[1], argv[2], argv[3]) != 0)
        return fprintf(stderr, "usage: %s <endpoint> <robot's key> <secret file>\n", argv[0]), 2;
    uint8_t out[MEASURE_BYTES], in[BYTES_MAX];
    struct arm arm = power_up();
    for (int64_t due_ns = 0;;) { /* a lost connection needs no rule: the watchdog brakes */
        int64_t now_ns = advance(&arm);
        if (now_ns >= due_ns) { /* never block: what cannot leave now is old */
            measure(&arm, out);
            zmq_send(robot, out, sizeof out, ZMQ_DONTWAIT);
            due_ns = now_ns + PERIOD_MS * MS;
        }
        zmq_pollitem_t wait[] = {{robot, 0, ZMQ_POLLIN, 0}, {refusal, 0, ZMQ_POLLIN, 0}};
        zmq_poll(wait, 2, (long)((due_ns - now_ns) / MS));
        if (wait[1].revents)
            return fprintf(stderr, "refused: is this key known there, with role driver?\n"), 1;
        int size, left = PASS_MAX;
        while (left-- > 0 && (size = zmq_recv(robot, in, sizeof in, ZMQ_DONTWAIT)) >= 0)
            if ((size_t)size <= sizeof in) /* a longer one was cut, and is none of ours */
                obey(&arm, in, (size_t)size);
    }
}
