/* What the measurement of processes is made of: the least that a supervisor has to do, the services,
 * and who looks on.
 *
 *   worker OUT NAME            a service: writes down when main() began, tells NOTIFY_SOCKET that it is
 *                              ready if there is one, and waits
 *   floor COUNT OUT GROUPS [chain]
 *                              starts COUNT workers, each in a control group of its own made below
 *                              GROUPS and with a pipe for its output, reads the pipes, and starts again
 *                              who ends; with `chain` each waits until the one before is ready
 *   begin COUNT OUT WORD...    runs a command and prints the microseconds from before it to the last
 *                              of COUNT main()s, and its number; the command may go on
 *   crash COUNT OUT GAP        kills a worker of OUT every GAP milliseconds, COUNT times in turn, and
 *                              prints the microseconds from the signal to the next main() of each
 *
 *   storm SECONDS OUT RATE     kills RATE workers of OUT a second in turn, and prints how many were
 *                              killed and how many began again until two seconds later
 *
 * No library is needed at run time: build it static.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

static void fail(const char *what) {
    perror(what);
    exit(1);
}

static int64_t now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * INT64_C(1000000000) + time.tv_nsec;
}

static void rest(long microseconds) {
    struct timespec time = {microseconds / 1000000, microseconds % 1000000 * 1000};
    nanosleep(&time, NULL);
}

static int worker(const char *out, const char *name) {
    char line[100];
    int64_t time = now();
    int length = snprintf(line, sizeof line, "%s %d %lld\n", name, getpid(), (long long)time);
    int fd = open(out, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
    if (fd < 0 || write(fd, line, length) != length)
        fail(out);
    close(fd);
    const char *told = getenv("NOTIFY_SOCKET");
    if (told && *told) {
        struct sockaddr_un address = {.sun_family = AF_UNIX};
        strncpy(address.sun_path, told, sizeof address.sun_path - 1);
        socklen_t size = sizeof address;
        if (*told == '@') {
            address.sun_path[0] = 0;
            size = offsetof(struct sockaddr_un, sun_path) + strlen(told);
        }
        fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        if (sendto(fd, "READY=1", 7, 0, (struct sockaddr *)&address, size) < 0)
            fail(told);
        close(fd);
    }
    for (;;)
        pause();
    return 0;
}

/* The floor. */

struct service {
    int group, pipe[2], pidfd;
    char name[24];
};

static struct service *services;
static char *own, *where;
static struct service *next;

static void become(void) {
    char *words[] = {own, "worker", where, next->name, NULL};
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    setsid();
    dup2(next->pipe[1], 1);
    dup2(next->pipe[1], 2);
    execve(own, words, environ);
    _exit(127);
}

/* A child that shares our memory until it executes, born in its group. */
static int spawn(struct service *service) {
    static char stack[64 * 1024] __attribute__((aligned(16)));
    int pidfd = -1;
    struct clone_args how = {
        .flags = CLONE_VM | CLONE_VFORK | CLONE_PIDFD | CLONE_INTO_CGROUP,
        .pidfd = (uintptr_t)&pidfd,
        .exit_signal = SIGCHLD,
        .stack = (uintptr_t)stack,
        .stack_size = sizeof stack,
        .cgroup = service->group,
    };
    long result;
    next = service;
#ifdef __x86_64__
    register void (*child)(void) __asm__("r12") = become;
    __asm__ volatile("syscall\n\ttest %%rax, %%rax\n\tjnz 1f\n\txor %%ebp, %%ebp\n\tcall *%%r12\n\thlt\n1:"
                     : "=a"(result)
                     : "a"(SYS_clone3), "D"(&how), "S"(sizeof how), "r"(child)
                     : "rcx", "r11", "memory");
#else
    how.flags &= ~(uint64_t)CLONE_VM;
    how.stack = how.stack_size = 0;
    result = syscall(SYS_clone3, &how, sizeof how);
    if (result == 0)
        become();
#endif
    if (result < 0) {
        fprintf(stderr, "clone3: %s\n", strerror((int)-result));
        exit(1);
    }
    return pidfd;
}

static void prepare(struct service *service, int number, int groups) {
    snprintf(service->name, sizeof service->name, "w%d", number);
    if (mkdirat(groups, service->name, 0755) < 0)
        fail("mkdir");
    service->group = openat(groups, service->name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (service->group < 0 || pipe2(service->pipe, O_CLOEXEC | O_NONBLOCK) < 0)
        fail("prepare");
}

static void watch(int epoll, int fd, uint64_t what) {
    struct epoll_event event = {.events = EPOLLIN, .data.u64 = what};
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) < 0)
        fail("epoll_ctl");
}

static int run_floor(int count, const char *groups_path, int chain) {
    struct rlimit files = {1 << 16, 1 << 16};
    setrlimit(RLIMIT_NOFILE, &files);
    int epoll = epoll_create1(EPOLL_CLOEXEC), ready = -1;
    mkdir(groups_path, 0755);
    int groups = open(groups_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    services = calloc(count, sizeof *services);
    if (groups < 0 || !services)
        fail(groups_path);
    if (chain) {
        struct sockaddr_un address = {.sun_family = AF_UNIX};
        static char variable[140];
        int length = snprintf(address.sun_path + 1, sizeof address.sun_path - 1, "bench-%d", getpid());
        snprintf(variable, sizeof variable, "NOTIFY_SOCKET=@%s", address.sun_path + 1);
        putenv(variable);
        ready = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        if (bind(ready, (struct sockaddr *)&address, offsetof(struct sockaddr_un, sun_path) + 1 + length) < 0)
            fail("bind");
    }
    for (int number = 0; number < count; number++) {
        struct service *service = services + number;
        prepare(service, number, groups);
        watch(epoll, service->pipe[0], number * 2);
        service->pidfd = spawn(service);
        watch(epoll, service->pidfd, number * 2 + 1);
        char bytes[64];
        if (chain && recv(ready, bytes, sizeof bytes, 0) < 0)
            fail("recv");
    }
    for (;;) {
        struct epoll_event events[64];
        int seen = epoll_wait(epoll, events, 64, -1);
        for (int at = 0; at < seen; at++) {
            struct service *service = services + events[at].data.u64 / 2;
            if (events[at].data.u64 % 2 == 0) {
                static char bytes[1 << 16];
                while (read(service->pipe[0], bytes, sizeof bytes) > 0) {}
                continue;
            }
            siginfo_t info;
            waitid(P_PIDFD, service->pidfd, &info, WEXITED);
            close(service->pidfd);
            service->pidfd = spawn(service);
            watch(epoll, service->pidfd, events[at].data.u64);
        }
    }
}

/* Who looks on. */

static char *text;
static size_t length, room;

/* Reads what came to the end of the file since the last time. */
static void read_more(int fd) {
    for (;;) {
        if (room - length < 1 << 16)
            text = realloc(text, room += 1 << 20);
        ssize_t count = read(fd, text + length, (1 << 16) - 1);
        if (count <= 0)
            break;
        length += count;
    }
    if (text)
        text[length] = 0;
}

static int open_out(const char *out, int flags) {
    int fd = open(out, O_RDONLY | O_CREAT | O_CLOEXEC | flags, 0666);
    if (fd < 0)
        fail(out);
    return fd;
}

static int begin(int count, const char *out, char **command) {
    pid_t pid;
    int fd = open_out(out, O_TRUNC), lines = 0;
    size_t seen = 0;
    int64_t last = 0, start = now();
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
    posix_spawn_file_actions_adddup2(&actions, 1, 2);
    if (posix_spawnp(&pid, command[0], &actions, NULL, command, environ) != 0)
        fail(command[0]);
    while (lines < count) {
        rest(2000);
        read_more(fd);
        for (char *end; seen < length && (end = memchr(text + seen, '\n', length - seen)); lines++) {
            long long time = 0;
            sscanf(text + seen, "%*s %*d %lld", &time);
            last = time > last ? time : last;
            seen = end + 1 - text;
        }
        if (now() - start > INT64_C(60000000000)) {
            fprintf(stderr, "%d of %d began in 60 s\n", lines, count);
            return 1;
        }
    }
    printf("%.0f %d\n", (last - start) / 1e3, pid);
    return 0;
}

struct seen {
    char name[24];
    int pid;
};

static struct seen all[1 << 14];

/* The last of each name, in the order of their first lines; how many there are. */
static int read_workers(int fd) {
    int known = 0;
    read_more(fd);
    for (char *line = text ? strtok(text, "\n") : NULL; line; line = strtok(NULL, "\n")) {
        struct seen it;
        if (sscanf(line, "%23s %d", it.name, &it.pid) != 2)
            continue;
        int at = 0;
        while (at < known && strcmp(all[at].name, it.name))
            at++;
        if (at == known && ++known == sizeof all / sizeof *all)
            fail("too many");
        all[at] = it;
    }
    if (known == 0)
        fail("no worker");
    return known;
}

static int crash(int count, const char *out, int gap) {
    int fd = open_out(out, 0), known = read_workers(fd);
    for (int number = 0; number < count; number++) {
        struct seen *one = all + number % known;
        int64_t start;
        long long time = 0;
        rest(gap * 1000L);
        length = 0;
        read_more(fd);
        length = 0;
        start = now();
        if (kill(one->pid, SIGKILL) < 0)
            fail("kill");
        for (int pid = 0; !time;) {
            char name[24];
            rest(300);
            read_more(fd);
            if (length && text[length - 1] == '\n' &&
                sscanf(text, "%23s %d %lld", name, &pid, &time) == 3 && !strcmp(name, one->name))
                one->pid = pid;
            else if (now() - start > INT64_C(5000000000)) {
                fprintf(stderr, "%s was not started again in 5 s\n", one->name);
                return 1;
            }
        }
        printf("%.1f\n", (time - start) / 1e3);
    }
    return 0;
}

static int storm(int seconds, const char *out, int rate) {
    int fd = open_out(out, 0), known = read_workers(fd), began = 0, killed = 0;
    int64_t start = now(), spacing = INT64_C(1000000000) / rate;
    length = 0;
    for (int number = 0; number < seconds * rate; number++) {
        int64_t due = start + number * spacing;
        if (due > now())
            rest((due - now()) / 1000);
        /* Everybody has been started long before it is its turn again. */
        if (number % known == 0) {
            length = 0;
            lseek(fd, 0, SEEK_SET);
            known = read_workers(fd);
            length = 0;
        }
        killed += kill(all[number % known].pid, SIGKILL) == 0;
    }
    rest(2000000);
    lseek(fd, 0, SEEK_SET);
    length = 0;
    read_more(fd);
    for (size_t at = 0; at < length; at++)
        began += text[at] == '\n';
    printf("%d %d\n", killed, began - known);
    return 0;
}

int main(int count, char **words) {
    const char *what = count > 1 ? words[1] : "";
    if (count == 4 && !strcmp(what, "worker"))
        return worker(words[2], words[3]);
    own = words[0];
    if (count >= 5 && !strcmp(what, "floor")) {
        where = words[3];
        return run_floor(atoi(words[2]), words[4], count == 6);
    }
    if (count >= 5 && !strcmp(what, "begin"))
        return begin(atoi(words[2]), words[3], words + 4);
    if (count == 5 && !strcmp(what, "crash"))
        return crash(atoi(words[2]), words[3], atoi(words[4]));
    if (count == 5 && !strcmp(what, "storm"))
        return storm(atoi(words[2]), words[3], atoi(words[4]));
    fprintf(stderr, "what to do? see the top of floor.c\n");
    return 2;
}
