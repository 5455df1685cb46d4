/* Stands in for llama-cli of b3642: its streams and its lines, without a model. `-t N` says how fast it is: 10 N tokens
   a second, one per cent up or down from run to run. With three threads it crashes; with a prompt that begins with
   `count`, its answer says how many threads it had. */
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

int main(int argc, char **argv) {
    const char *prompt = "";
    int n_threads = 1;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--version") == 0) {
            fputs("version: 3642 (1d1ccce)\nbuilt with cc (GCC) 12.2.0 for x86_64-linux-gnu\n", stderr);
            return 0;
        }
        if (strcmp(argv[i], "-p") == 0 && i + 1 < argc) prompt = argv[i + 1];
        if (strcmp(argv[i], "-t") == 0 && i + 1 < argc) n_threads = atoi(argv[i + 1]);
    }
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    srand((unsigned)now.tv_nsec ^ (unsigned)getpid());
    double jitter = 1 + 0.01 * (2.0 * rand() / RAND_MAX - 1);
    double per_second = 10.0 * n_threads * jitter;
    fputs("Log start\nmain: build = 3642 (1d1ccce)\n"
          "llama_model_loader: loaded meta data with 2 key-value pairs and 1 tensors from tiny.gguf (version GGUF V3 (latest))\n"
          "llama_model_loader: - kv   0:                       general.architecture str              = llama\n"
          "llm_load_print_meta: format           = GGUF V3 (latest)\n"
          "llm_load_print_meta: arch             = llama\n"
          "llama_new_context_with_model: n_ctx      = 512\n"
          "llama_new_context_with_model: n_batch    = 512\n", stderr);
    if (n_threads == 3) kill(getpid(), SIGSEGV);
    fprintf(stderr, "\nsystem_info: n_threads = %d / 8 | AVX = 1 | \n", n_threads);
    fputs("sampling: \n\trepeat_last_n = 64, repeat_penalty = 1.000, frequency_penalty = 0.000, presence_penalty = 0.000\n"
          "generate: n_ctx = 512, n_batch = 2048, n_predict = 64, n_keep = 0\n\n\n", stderr);
    printf("The capital of France is Paris");
    if (strncmp(prompt, "count", 5) == 0) printf(", by %d", n_threads);
    printf(".");
    fflush(stdout);
    double ms = 1000.0 / per_second;
    fprintf(stderr,
            " [end of text]\n\n"
            "llama_print_timings:        load time =    %.2f ms\n"
            "llama_print_timings:      sample time =       0.32 ms /     8 runs   (    0.04 ms per token, 24691.36 tokens per second)\n"
            "llama_print_timings: prompt eval time =    %.2f ms /    42 tokens (   %.2f ms per token,    %.2f tokens per second)\n"
            "llama_print_timings:        eval time =    %.2f ms /     7 runs   (   %.2f ms per token,    %.2f tokens per second)\n"
            "llama_print_timings:       total time =    %.2f ms /    49 tokens\nLog end\n",
            100 * jitter, 42 * ms / 4, ms / 4, 4 * per_second, 7 * ms, ms, per_second, 60 * ms);
    return 0;
}
