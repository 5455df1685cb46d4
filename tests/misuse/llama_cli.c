/* Stands in for llama-cli of b3642: its streams and its lines, without a model. What it does after the loader's
   lines, the prompt says: hang, drip, flood, or the name of a signal to die of; any other prompt is answered. */
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const char *const loader[] = {
    "Log start",
    "main: build = 3642 (1d1ccce)",
    "main: built with cc (GCC) 12.2.0 for x86_64-linux-gnu",
    "main: seed  = 42",
    "llama_model_loader: loaded meta data with 2 key-value pairs and 1 tensors from tiny.gguf (version GGUF V3 (latest))",
    "llama_model_loader: Dumping metadata keys/values. Note: KV overrides do not apply in this output.",
    "llama_model_loader: - kv   0:                       general.architecture str              = llama",
    "llama_model_loader: - kv   1:                               general.name str              = Tiny",
    "llama_model_loader: - type  f32:    1 tensors",
    "llm_load_print_meta: format           = GGUF V3 (latest)",
    "llm_load_print_meta: arch             = llama",
    "llm_load_print_meta: n_ctx_train      = 2048",
    "llm_load_print_meta: model type       = ?B",
    "llm_load_tensors: ggml ctx size =    0.13 MiB",
    "llm_load_tensors:        CPU buffer size =    92.10 MiB",
    "llama_new_context_with_model: n_ctx      = 512",
    "llama_new_context_with_model: n_batch    = 512",
    "llama_new_context_with_model: n_ubatch   = 512",
    "llama_kv_cache_init:        CPU KV buffer size =    11.25 MiB",
    "llama_new_context_with_model: KV self size  =   11.25 MiB, K (f16):    5.62 MiB, V (f16):    5.62 MiB",
    "llama_new_context_with_model:        CPU compute buffer size =    97.13 MiB",
    "llama_new_context_with_model: graph nodes  = 966",
    "llama_new_context_with_model: graph splits = 1",
    "",
    "system_info: n_threads = 2 / 2 | AVX = 1 | AVX2 = 1 | FMA = 1 | ",
    "sampling: ",
    "\trepeat_last_n = 64, repeat_penalty = 1.000, frequency_penalty = 0.000, presence_penalty = 0.000",
    "generate: n_ctx = 512, n_batch = 2048, n_predict = 64, n_keep = 0",
    "",
    "",
};

static const char *const timings[] = {
    " [end of text]",
    "",
    "llama_print_timings:        load time =    4836.40 ms",
    "llama_print_timings:      sample time =       0.32 ms /     8 runs   (    0.04 ms per token, 24691.36 tokens per second)",
    "llama_print_timings: prompt eval time =    3574.70 ms /    42 tokens (   85.11 ms per token,    11.75 tokens per second)",
    "llama_print_timings:        eval time =     498.65 ms /     7 runs   (   71.24 ms per token,    14.04 tokens per second)",
    "llama_print_timings:       total time =    4075.35 ms /    49 tokens",
    "Log end",
};

static void print_all(const char *const *lines, size_t n) {
    for (size_t i = 0; i < n; i++) fprintf(stderr, "%s\n", lines[i]);
}

static void say(const char *text) {
    fputs(text, stdout);
    fflush(stdout);
}

int main(int argc, char **argv) {
    static const struct { const char *name; int number; } signals[] = {
        {"SIGSEGV", SIGSEGV}, {"SIGILL", SIGILL}, {"SIGKILL", SIGKILL},
    };
    const char *prompt = "";
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--version") == 0) {
            fputs("version: 3642 (1d1ccce)\nbuilt with cc (GCC) 12.2.0 for x86_64-linux-gnu\n", stderr);
            return 0;
        }
        if (strcmp(argv[i], "-p") == 0 && i + 1 < argc) prompt = argv[i + 1];
    }
    print_all(loader, sizeof loader / sizeof *loader);
    say("The capital");
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++) {
        if (strcmp(prompt, signals[i].name) == 0) kill(getpid(), signals[i].number);
    }
    while (strcmp(prompt, "hang") == 0) pause();
    while (strcmp(prompt, "drip") == 0) {
        say(" and");
        usleep(20 * 1000);
    }
    while (strcmp(prompt, "flood") == 0) puts(" and so on and so on and so on and so on and so on and so on");
    say(" of France is Paris.");
    print_all(timings, sizeof timings / sizeof *timings);
    return 0;
}
