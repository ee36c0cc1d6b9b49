/* The least lateness that this host allows: sleep until each slot of a schedule, and note when this program ran again.
 * `nanosleep INTERVAL_NS SLOTS` prints, as JSON, how late it was (ns), and how many slots had gone by unused. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <time.h>

static long long now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000000000LL + now.tv_nsec;
}

static int compare(const void *one, const void *other)
{
    long long a = *(const long long *)one, b = *(const long long *)other;

    return (a > b) - (a < b);
}

static long long percentile(const long long *ascending, long count, long percent)
{
    return ascending[(count * percent + 99) / 100 - 1];
}

int main(int argc, char **argv)
{
    if (argc != 3)
        return 2;
    long long interval = atoll(argv[1]);
    long slots = atol(argv[2]), used = 0, slot = 0;
    long long *late = malloc(slots * sizeof *late);

    if (interval < 1 || slots < 1 || !late)
        return 2;
    prctl(PR_SET_TIMERSLACK, 1); /* a timerfd, which eragent waits for, has no slack either */
    long long begun = now_ns() + interval;
    while (slot < slots) {
        long long due = begun + slot * interval;
        struct timespec until = {due / 1000000000, due % 1000000000};

        clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL);
        long long now = now_ns();
        if ((now - begun) / interval > slot) { /* as eragent does: the latest slot that is due is used */
            slot = (now - begun) / interval;
            if (slot >= slots)
                break;
            due = begun + slot * interval;
        }
        late[used++] = now - due;
        slot++;
    }
    if (!used)
        return 3;
    qsort(late, used, sizeof *late, compare);
    printf("{\"p50\": %lld, \"p99\": %lld, \"max\": %lld, \"slots_missed\": %ld}\n", percentile(late, used, 50),
           percentile(late, used, 99), late[used - 1], slots - used);
    return 0;
}
