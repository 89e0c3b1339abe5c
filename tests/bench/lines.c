/* What a piece of a program touches, by the trace of valgrind's lackey (--trace-mem=yes) on standard input.
 *
 *   lines FROM TO SKIP FILE   addresses in hexadecimal: each time TO is executed after FROM, from the
 *                             SKIPth time on, prints instructions, and how many cache lines and pages of
 *                             code and of data were touched between the two. FILE gets the last of them,
 *                             a line each: what (0 and 1 for lines of code and data, 2 and 3 for pages),
 *                             its number, and the instruction that came to it first, in that order.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CODE_LINE, DATA_LINE, CODE_PAGE, DATA_PAGE, KINDS };
enum { LINE_BITS = 6, PAGE_BITS = 12, ROOM_BITS = 20, ROOM = 1 << ROOM_BITS };

struct touched {
    uint64_t known[ROOM]; /* by hash, each plus one: zero is free */
    uint64_t number[ROOM], by[ROOM];
    int count;
};

static struct touched all[KINDS];

static void touch(int kind, uint64_t number, uint64_t by) {
    struct touched *to = &all[kind];
    uint64_t place = number * 0x9E3779B97F4A7C15ull >> (64 - ROOM_BITS);
    while (to->known[place] && to->known[place] != number + 1)
        place = (place + 1) % ROOM;
    if (to->known[place])
        return;
    if (to->count == ROOM - 1) {
        fprintf(stderr, "too much is touched\n");
        exit(1);
    }
    to->known[place] = number + 1;
    to->number[to->count] = number;
    to->by[to->count++] = by;
}

static void write_all(const char *path) {
    FILE *file = fopen(path, "w");
    if (!file) {
        perror(path);
        exit(1);
    }
    for (int kind = 0; kind < KINDS; kind++)
        for (int i = 0; i < all[kind].count; i++)
            fprintf(file, "%d %llx %llx\n", kind, (unsigned long long)all[kind].number[i],
                    (unsigned long long)all[kind].by[i]);
    fclose(file);
}

int main(int count, char **words) {
    char line[256];
    uint64_t instruction = 0;
    long executed = 0;
    int counts = 0;
    if (count != 5) {
        fprintf(stderr, "usage: see the top of lines.c\n");
        return 2;
    }
    uint64_t from = strtoull(words[1], NULL, 16), to = strtoull(words[2], NULL, 16);
    int skip = atoi(words[3]);
    while (fgets(line, sizeof line, stdin)) {
        int is_code = line[0] == 'I';
        if (!is_code && line[0] != ' ')
            continue;
        char *comma;
        uint64_t first = strtoull(line + 3, &comma, 16), last = first + strtoul(comma + 1, NULL, 10) - 1;
        if (is_code) {
            instruction = first;
            if (first == from) {
                memset(all, 0, sizeof all);
                executed = 0;
                counts = 1;
            }
            if (first == to && counts) {
                counts = 0;
                if (--skip <= 0) {
                    printf("%ld instructions, lines: code %d data %d, pages: code %d data %d\n", executed,
                           all[CODE_LINE].count, all[DATA_LINE].count, all[CODE_PAGE].count,
                           all[DATA_PAGE].count);
                    fflush(stdout);
                    write_all(words[4]);
                }
            }
        }
        if (!counts)
            continue;
        executed += is_code;
        touch(is_code ? CODE_LINE : DATA_LINE, first >> LINE_BITS, instruction);
        touch(is_code ? CODE_LINE : DATA_LINE, last >> LINE_BITS, instruction);
        touch(is_code ? CODE_PAGE : DATA_PAGE, first >> PAGE_BITS, instruction);
    }
    return 0;
}
