/* A robot's driver on Trocar's own computer: cc -O2 -std=c11 driver_unix.c -o driver_unix
 * Run: ./driver_unix <run_dir>/driver-<robot>.sock   (it waits for Trocar, and comes back to it) */
#define _POSIX_C_SOURCE 200809L
#include "driver.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static bool lost(void) { return errno != EAGAIN && errno != EINTR; }

static void serve(struct arm *arm, int robot)
{
    uint8_t out[MEASURE_BYTES], in[BYTES_MAX];
    for (int64_t due_ns = 0;;) {
        int64_t now_ns = advance(arm);
        if (now_ns >= due_ns) { /* never block: what cannot leave now is old */
            measure(arm, out);
            if (send(robot, out, sizeof out, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 && lost())
                return;
            due_ns = now_ns + PERIOD_MS * MS;
        }
        poll(&(struct pollfd){.fd = robot, .events = POLLIN}, 1, (int)((due_ns - now_ns) / MS));
        for (int pass = 0; pass < PASS_MAX; pass++) {
            ssize_t size = recv(robot, in, sizeof in, MSG_DONTWAIT | MSG_TRUNC);
            if (size <= 0 && (size == 0 || lost()))
                return;
            if (size < 0)
                break;
            if ((size_t)size <= sizeof in) /* a longer one was cut, and is none of ours */
                obey(arm, in, (size_t)size);
        }
    }
}

int main(int argc, char **argv)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (argc != 2 || strlen(argv[1]) >= sizeof address.sun_path)
        return fprintf(stderr, "usage: %s <run_dir>/driver-<robot>.sock\n", argv[0]), 2;
    strcpy(address.sun_path, argv[1]);
    struct arm arm = power_up();
    for (;; poll(NULL, 0, 50)) {
        int robot = socket(AF_UNIX, SOCK_SEQPACKET, 0);
        if (connect(robot, (struct sockaddr *)&address, sizeof address) == 0)
            serve(&arm, robot);
        brake(&arm); /* without Trocar there is nothing to follow */
        close(robot);
    }
}
