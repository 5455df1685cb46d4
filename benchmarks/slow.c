/* Runs REAL so that it takes 1 + SHARE times as long: four times a second a helper stops the whole program until its wall
   time is 1 + SHARE times the CPU time of its main thread. So what a stop costs besides (the signal, waking up) is a
   part of the delay and does not come on top of it; the caches, which are cold afterwards, do, so there are few stops.
   The program itself is the process that was started, so its memory and its exit are seen as ever.

   cc -O2 -DREAL='"/path/of/llama-cli"' -DSHARE=0.1 -o llama-cli slow.c */
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

static double now_s(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec + now.tv_nsec / 1e9;
}

static void wait_s(double seconds) {
    if (seconds <= 0) return;
    struct timespec time = {(time_t)seconds, (long)((seconds - (time_t)seconds) * 1e9)};
    nanosleep(&time, NULL);
}

/* Of the main thread, in seconds; below 0 where the kernel does not tell. */
static double cpu_s(pid_t program) {
    char path[64];
    unsigned long long ns;
    snprintf(path, sizeof path, "/proc/%d/schedstat", (int)program);
    FILE *file = fopen(path, "r");
    if (!file) return -1;
    int found = fscanf(file, "%llu", &ns);
    fclose(file);
    return found == 1 ? ns / 1e9 : -1;
}

static void slow_down(pid_t program) {
    double begun = now_s(), cpu_begun = cpu_s(program);
    while (getppid() == program) {
        wait_s(0.25);
        if (kill(program, SIGSTOP) != 0) return;
        /* It is off its CPU soon; only then is its CPU time exact. */
        wait_s(0.0005);
        double cpu = cpu_s(program);
        if (cpu >= 0 && cpu_begun >= 0) {
            double ran = cpu - cpu_begun, waited = now_s() - begun - ran;
            wait_s(ran * SHARE - waited);
        }
        if (kill(program, SIGCONT) != 0) return;
        /* It waited longer by itself, for a disk perhaps: that is not made up for. */
        cpu = cpu_s(program);
        if (cpu >= 0 && now_s() - begun > (1 + SHARE) * (cpu - cpu_begun) + 0.1) {
            begun = now_s();
            cpu_begun = cpu;
        }
    }
}

int main(int argc, char **argv) {
    pid_t program = getpid();
    (void)argc;
    if (SHARE > 0 && fork() == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        signal(SIGINT, SIG_IGN);
        signal(SIGTERM, SIG_IGN);
        /* The program's output ends with the program. */
        for (int file = 0; file < 256; file++) close(file);
        slow_down(program);
        _exit(0);
    }
    execv(REAL, argv);
    perror(REAL);
    return 127;
}
