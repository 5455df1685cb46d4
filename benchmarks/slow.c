/* Runs REAL so that it takes 1 + SHARE times as long: a helper stops the whole program and lets it go on, some twenty
   times a second. The program itself is the process that was started, so its memory and its exit are seen as ever.

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

static void slow_down(pid_t program) {
    double ran = 0, stood = 0;
    while (getppid() == program) {
        double begun = now_s();
        wait_s(0.05);
        if (kill(program, SIGSTOP) != 0) return;
        double stopped = now_s();
        ran += stopped - begun;
        /* What one stop had too much or too little, the next makes good. */
        wait_s(ran * SHARE - stood);
        if (kill(program, SIGCONT) != 0) return;
        stood += now_s() - stopped;
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
