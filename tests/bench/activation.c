/* What the measurement of socket activation is made of: a bare floor, services, and clients.
 *
 *   floor PATH PROGRAM ARG...  listens at PATH; for each connection that waits makes a process
 *                              that gets the socket as sd_listen_fds(3) says, and waits for its
 *                              end: the least that anybody could do
 *   one                        a service: takes one connection from descriptor 3 and answers it
 *   word                       a service: answers the connection that is its standard output
 *   first PATH                 prints microseconds from before connect() to the first byte
 *   storm PATH COUNT CLIENTS   prints connections per second: each client connects, reads to the
 *                              end, and connects again
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static void fail(const char *what) {
    perror(what);
    exit(1);
}

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * 1e6 + time.tv_nsec / 1e3;
}

static struct sockaddr_un at(const char *path) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    strncpy(address.sun_path, path, sizeof address.sun_path - 1);
    return address;
}

static int dial(const char *path) {
    struct sockaddr_un address = at(path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address) < 0)
        fail("connect");
    return fd;
}

static char **command;
static int listener;

static int become(void *unused) {
    char pid[40];
    (void)unused;
    snprintf(pid, sizeof pid, "LISTEN_PID=%d", getpid());
    char *environment[] = {"LISTEN_FDS=1", pid, NULL};
    if (listener == 3)
        _exit(126);
    dup2(listener, 3);
    execve(command[0], command, environment);
    _exit(127);
}

static void run_floor(const char *path) {
    static char stack[64 * 1024] __attribute__((aligned(16)));
    struct sockaddr_un address = at(path);
    listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (listener == 3)
        listener = dup3(listener, 10, O_CLOEXEC);
    unlink(path);
    if (listener < 0 || bind(listener, (struct sockaddr *)&address, sizeof address) < 0 ||
        listen(listener, 128) < 0)
        fail("listen");
    for (;;) {
        struct pollfd ready = {.fd = listener, .events = POLLIN};
        if (poll(&ready, 1, -1) < 0)
            fail("poll");
        int pid = clone(become, stack + sizeof stack, CLONE_VM | CLONE_VFORK | SIGCHLD, NULL);
        if (pid < 0 || waitpid(pid, NULL, 0) < 0)
            fail("clone");
    }
}

static int serve_one(void) {
    int fd = accept(3, NULL, NULL);
    return fd < 0 || write(fd, "x", 1) != 1;
}

static int first_byte(const char *path) {
    char byte;
    double begin = now();
    int fd = dial(path);
    if (read(fd, &byte, 1) != 1)
        fail("no answer");
    printf("%.0f\n", now() - begin);
    return 0;
}

static int storm(const char *path, int count, int clients) {
    double begin = now();
    for (int client = 0; client < clients; client++) {
        int pid = fork();
        if (pid < 0)
            fail("fork");
        if (pid > 0)
            continue;
        for (int number = client; number < count; number += clients) {
            char bytes[16];
            int fd = dial(path);
            if (read(fd, bytes, sizeof bytes) != 1) {
                fprintf(stderr, "connection %d was not served\n", number);
                _exit(1);
            }
            while (read(fd, bytes, sizeof bytes) > 0) {}
            close(fd);
        }
        _exit(0);
    }
    int worst = 0, status;
    while (wait(&status) > 0)
        worst |= status;
    printf("%.0f\n", count * 1e6 / (now() - begin));
    return worst != 0;
}

int main(int count, char **words) {
    const char *what = count > 1 ? words[1] : "";
    if (count > 3 && !strcmp(what, "floor")) {
        command = words + 3;
        run_floor(words[2]);
    }
    if (!strcmp(what, "one"))
        return serve_one();
    if (!strcmp(what, "word"))
        return write(1, "x", 1) != 1;
    if (count == 3 && !strcmp(what, "first"))
        return first_byte(words[2]);
    if (count == 5 && !strcmp(what, "storm"))
        return storm(words[2], atoi(words[3]), atoi(words[4]));
    fprintf(stderr, "what to do? see the top of activation.c\n");
    return 2;
}
