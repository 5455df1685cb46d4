// What this machine can do at most: bytes read from memory and multiply-adds, each a second.
//
// Usage: probe THREADS ARRAY_BYTES PASS_MS PASSES
// Prints `kind NAME TEXT` for what was compiled in, then a line for each pass: `NAME RATE CPU_SHARE`, where CPU_SHARE is
// the share of the pass that the threads really ran; below 1, something else took their CPU.

#define _GNU_SOURCE
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#if defined(__x86_64__) || defined(__i386__)
#include <immintrin.h>
#elif defined(__ARM_NEON)
#include <arm_neon.h>
#endif

#if defined(__AVX512F__)
#define VECTOR 64
#elif defined(__AVX__)
#define VECTOR 32
#else
#define VECTOR 16
#endif

// Enough independent sums to hide the latency of an instruction, few enough to stay in registers.
#define SUMS_8(F) F(0) F(1) F(2) F(3) F(4) F(5) F(6) F(7)
#define SUMS_12(F) SUMS_8(F) F(8) F(9) F(10) F(11)
#define SUMS_16(F) SUMS_12(F) F(12) F(13) F(14) F(15)
#if defined(__AVX512F__) || !(defined(__x86_64__) || defined(__i386__))
#define SUMS SUMS_16
#define N_SUMS 16
#else
#define SUMS SUMS_12
#define N_SUMS 12
#endif

typedef uint32_t words __attribute__((vector_size(VECTOR)));
typedef float floats __attribute__((vector_size(VECTOR)));

enum { BLOCK_BYTES = 1 << 20, ROUNDS = 4096 };

typedef struct {
    const char *slice;  // of the array, a multiple of BLOCK_BYTES
    size_t n_blocks, next;
} place;

static volatile uint32_t sink;

static uint32_t folded(words sum) {
    uint32_t out = 0;
    for (unsigned i = 0; i < VECTOR / 4; i++) out += sum[i];
    return out;
}

// Each kernel does one piece of work and returns how much that was (bytes, or multiply-adds).

#define BLOCK_OF(p) ((const words *)((p)->slice + (p)->next * BLOCK_BYTES))
#define N_WORDS (BLOCK_BYTES / VECTOR)

static double done_block(place *p, words sum) {
    sink = folded(sum);
    p->next = p->next + 1 == p->n_blocks ? 0 : p->next + 1;
    return BLOCK_BYTES;
}

static double read_in_order(place *p) {
    const words *at = BLOCK_OF(p);
    words s0 = {0}, s1 = {0}, s2 = {0}, s3 = {0};
    for (size_t i = 0; i < N_WORDS; i += 4) {
        s0 += at[i];
        s1 += at[i + 1];
        s2 += at[i + 2];
        s3 += at[i + 3];
    }
    return done_block(p, s0 + s1 + s2 + s3);
}

static double read_four_streams(place *p) {
    const words *at = BLOCK_OF(p);
    const size_t quarter = N_WORDS / 4;
    words s0 = {0}, s1 = {0}, s2 = {0}, s3 = {0};
    for (size_t i = 0; i < quarter; i += 2) {
        s0 += at[i] + at[i + 1];
        s1 += at[i + quarter] + at[i + quarter + 1];
        s2 += at[i + 2 * quarter] + at[i + 2 * quarter + 1];
        s3 += at[i + 3 * quarter] + at[i + 3 * quarter + 1];
    }
    return done_block(p, s0 + s1 + s2 + s3);
}

static double read_prefetched(place *p) {
    const words *at = BLOCK_OF(p);
    words s0 = {0}, s1 = {0}, s2 = {0}, s3 = {0};
    for (size_t i = 0; i < N_WORDS; i += 256 / VECTOR) {
        for (size_t line = 0; line < 256; line += 64) __builtin_prefetch((const char *)&at[i] + 4096 + line, 0, 0);
        for (size_t j = i; j < i + 256 / VECTOR; j += 4) {
            s0 += at[j];
            s1 += at[j + 1];
            s2 += at[j + 2];
            s3 += at[j + 3];
        }
    }
    return done_block(p, s0 + s1 + s2 + s3);
}

static volatile float one = 1.0f, little = 1e-3f;

static double multiply_add_f32(place *p) {
    (void)p;
    floats by = {0}, more = {0};
    by += 1.0f - little;
    more += little;
#define F(n) floats s##n = {(float)n * one};
    SUMS(F)
#undef F
    for (int i = 0; i < ROUNDS; i++) {
#define F(n) s##n = s##n * by + more;
        SUMS(F)
#undef F
    }
    floats sum = {0};
#define F(n) sum += s##n;
    SUMS(F)
#undef F
    sink = (uint32_t)sum[0];
    return (double)ROUNDS * N_SUMS * (VECTOR / 4);
}

// Products of 8-bit integers added to 32-bit sums: what kernels for quantized weights are made of.
#if defined(__AMX_INT8__)
#define INT8_NOT "AMX"
#elif defined(__AVX512VNNI__) && defined(__AVX512F__)
#define INT8_NAME "AVX512-VNNI"
typedef __m512i ints;
#define INT8_SUMS SUMS_16
#define INT8_EACH (16 * 64)
#define INT8_ZERO _mm512_setzero_si512()
#define INT8_SET(v) _mm512_set1_epi8((char)(v))
#define INT8_DOT(sum, a, b) _mm512_dpbusd_epi32(sum, a, b)
#define INT8_FIRST(v) _mm_cvtsi128_si32(_mm512_castsi512_si128(v))
#define INT8_ADD _mm512_add_epi32
#define REGISTER "v"
#elif defined(__AVXVNNI__) && defined(__AVX2__)
#define INT8_NAME "AVX-VNNI"
typedef __m256i ints;
#define INT8_SUMS SUMS_12
#define INT8_EACH (12 * 32)
#define INT8_DOT(sum, a, b) _mm256_dpbusd_avx_epi32(sum, a, b)
#elif defined(__AVX2__)
#define INT8_NAME "AVX2"
typedef __m256i ints;
#define INT8_SUMS SUMS_8
#define INT8_EACH (8 * 32)
#define INT8_DOT(sum, a, b) \
    _mm256_add_epi32(sum, _mm256_madd_epi16(_mm256_maddubs_epi16(a, b), _mm256_set1_epi16(1)))
#elif defined(__SSSE3__)
#define INT8_NAME "SSSE3"
typedef __m128i ints;
#define INT8_SUMS SUMS_8
#define INT8_EACH (8 * 16)
#define INT8_ZERO _mm_setzero_si128()
#define INT8_SET(v) _mm_set1_epi8((char)(v))
#define INT8_DOT(sum, a, b) _mm_add_epi32(sum, _mm_madd_epi16(_mm_maddubs_epi16(a, b), _mm_set1_epi16(1)))
#define INT8_FIRST(v) _mm_cvtsi128_si32(v)
#define INT8_ADD _mm_add_epi32
#define REGISTER "x"
#elif defined(__ARM_FEATURE_MATMUL_INT8)
#define INT8_NAME "NEON i8mm"
#define INT8_EACH (16 * 32)
#define INT8_DOT(sum, a, b) vmmlaq_s32(sum, a, b)
#elif defined(__ARM_FEATURE_DOTPROD)
#define INT8_NAME "NEON dotprod"
#define INT8_EACH (16 * 16)
#define INT8_DOT(sum, a, b) vdotq_s32(sum, a, b)
#elif defined(__ARM_NEON) && defined(__aarch64__)
#define INT8_NAME "NEON"
#define INT8_EACH (16 * 16)
#define INT8_DOT(sum, a, b) \
    vpadalq_s16(sum, vmlal_s8(vmull_s8(vget_low_s8(a), vget_low_s8(b)), vget_high_s8(a), vget_high_s8(b)))
#endif

#if defined(INT8_NAME) && defined(__AVX2__) && !defined(INT8_ZERO)
#define INT8_ZERO _mm256_setzero_si256()
#define INT8_SET(v) _mm256_set1_epi8((char)(v))
#define INT8_FIRST(v) _mm_cvtsi128_si32(_mm256_castsi256_si128(v))
#define INT8_ADD _mm256_add_epi32
#define REGISTER "x"
#endif

#if defined(INT8_NAME)
static double multiply_add_int8(place *p) {
    (void)p;
#if defined(__ARM_NEON)
#define INT8_SUMS SUMS_16
    int8x16_t a = vdupq_n_s8((int8_t)one), b = vdupq_n_s8((int8_t)(2 * one));
#define F(n) int32x4_t s##n = vdupq_n_s32(0);
#define HIDE(v) __asm__ volatile("" : "+w"(v))
#else
    ints a = INT8_SET(one), b = INT8_SET(2 * one);
#define F(n) ints s##n = INT8_ZERO;
#define HIDE(v) __asm__ volatile("" : "+" REGISTER(v))
#endif
    INT8_SUMS(F)
#undef F
    for (int i = 0; i < ROUNDS; i++) {
        // The compiler must not see that the factors stay the same, or it would multiply once.
#define F(n)  \
    HIDE(a);  \
    s##n = INT8_DOT(s##n, a, b);
        INT8_SUMS(F)
#undef F
    }
#if defined(__ARM_NEON)
    int32x4_t sum = vdupq_n_s32(0);
#define F(n) sum = vaddq_s32(sum, s##n);
    INT8_SUMS(F)
    sink = (uint32_t)vgetq_lane_s32(sum, 0);
#else
    ints sum = INT8_ZERO;
#define F(n) sum = INT8_ADD(sum, s##n);
    INT8_SUMS(F)
    sink = (uint32_t)INT8_FIRST(sum);
#endif
#undef F
    return (double)ROUNDS * INT8_EACH;
}
#endif

typedef double kernel(place *);

static const struct {
    const char *name;
    kernel *run;
} kernels[] = {
    {"read.in_order", read_in_order},
    {"read.four_streams", read_four_streams},
    {"read.prefetched", read_prefetched},
    {"f32", multiply_add_f32},
#if defined(INT8_NAME)
    {"int8", multiply_add_int8},
#endif
};
enum { N_KERNELS = sizeof kernels / sizeof *kernels };

typedef struct {
    pthread_t id;
    place where;
    size_t n_bytes;
    double done, elapsed_s, cpu_s;
} worker;

static pthread_barrier_t gate;
static int n_passes;
static double pass_s;

static double seconds(clockid_t clock) {
    struct timespec now;
    clock_gettime(clock, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static void *work(void *argument) {
    worker *me = argument;
    char *slice = mmap(NULL, me->n_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (slice == MAP_FAILED) {
        fprintf(stderr, "no memory for %zu bytes\n", me->n_bytes);
        exit(3);
    }
#if defined(MADV_HUGEPAGE)
    madvise(slice, me->n_bytes, MADV_HUGEPAGE);
#endif
    // By the thread that will read it, so that it lies in the memory next to it.
    memset(slice, 0x5a, me->n_bytes);
    me->where.slice = slice;
    me->where.n_blocks = me->n_bytes / BLOCK_BYTES;
    for (int pass = 0; pass < n_passes; pass++) {
        for (int each = 0; each < N_KERNELS; each++) {
            pthread_barrier_wait(&gate);
            double cpu = seconds(CLOCK_THREAD_CPUTIME_ID), start = seconds(CLOCK_MONOTONIC), now = start;
            double done = 0;
            while (now - start < pass_s) {
                done += kernels[each].run(&me->where);
                now = seconds(CLOCK_MONOTONIC);
            }
            me->done = done;
            me->elapsed_s = now - start;
            me->cpu_s = seconds(CLOCK_THREAD_CPUTIME_ID) - cpu;
            // Then the first thread adds up what all have done.
            pthread_barrier_wait(&gate);
        }
    }
    munmap(slice, me->n_bytes);
    return NULL;
}

int main(int argc, char **argv) {
    if (argc != 5) {
        fprintf(stderr, "usage: probe THREADS ARRAY_BYTES PASS_MS PASSES\n");
        return 2;
    }
    const long n_threads = strtol(argv[1], NULL, 10);
    const size_t array = strtoull(argv[2], NULL, 10);
    pass_s = 1e-3 * strtod(argv[3], NULL);
    n_passes = (int)strtol(argv[4], NULL, 10);
    if (n_threads < 1 || n_threads > 4096 || array / (size_t)n_threads < BLOCK_BYTES || !(pass_s > 0) || n_passes < 1) {
        fprintf(stderr, "an argument is out of its range\n");
        return 2;
    }
#if defined(INT8_NAME)
    printf("kind int8 %s\n", INT8_NAME);
#elif defined(INT8_NOT)
    printf("not int8 %s\n", INT8_NOT);
#endif
    printf("kind f32 %d bits\n", VECTOR * 8);
    worker *workers = calloc((size_t)n_threads, sizeof *workers);
    if (workers == NULL || pthread_barrier_init(&gate, NULL, (unsigned)n_threads + 1)) return 3;
    for (long i = 0; i < n_threads; i++) {
        workers[i].n_bytes = array / (size_t)n_threads / BLOCK_BYTES * BLOCK_BYTES;
        if (pthread_create(&workers[i].id, NULL, work, &workers[i])) {
            fprintf(stderr, "cannot start %ld threads\n", n_threads);
            return 3;
        }
    }
    for (int pass = 0; pass < n_passes; pass++) {
        for (int each = 0; each < N_KERNELS; each++) {
            pthread_barrier_wait(&gate);
            pthread_barrier_wait(&gate);
            double rate = 0, elapsed = 0, cpu = 0;
            for (long i = 0; i < n_threads; i++) {
                rate += workers[i].done / workers[i].elapsed_s;
                elapsed += workers[i].elapsed_s;
                cpu += workers[i].cpu_s;
            }
            printf("%s %.6e %.4f\n", kernels[each].name, rate, cpu / elapsed);
        }
    }
    for (long i = 0; i < n_threads; i++) pthread_join(workers[i].id, NULL);
    free(workers);
    return 0;
}
