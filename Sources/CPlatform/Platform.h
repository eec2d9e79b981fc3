// What Swift has no words for: which vector instructions the compiler was allowed to use (clang's macros follow the same
// -march that the Swift code is built with), and prefetching.
#pragma once
#include <stdbool.h>

static inline bool apus_built_with_avx2(void) {
#ifdef __AVX2__
    return true;
#else
    return false;
#endif
}

static inline bool apus_built_with_fma(void) {
#ifdef __FMA__
    return true;
#else
    return false;
#endif
}

static inline bool apus_built_with_f16c(void) {
#ifdef __F16C__
    return true;
#else
    return false;
#endif
}

static inline bool apus_built_with_bmi2(void) {
#ifdef __BMI2__
    return true;
#else
    return false;
#endif
}

static inline bool apus_built_with_avx512f(void) {
#ifdef __AVX512F__
    return true;
#else
    return false;
#endif
}

static inline bool apus_built_with_avx512bw(void) {
#ifdef __AVX512BW__
    return true;
#else
    return false;
#endif
}

static inline bool apus_built_with_avx512dq(void) {
#ifdef __AVX512DQ__
    return true;
#else
    return false;
#endif
}

static inline bool apus_built_with_avx512vl(void) {
#ifdef __AVX512VL__
    return true;
#else
    return false;
#endif
}

static inline bool apus_built_with_avx512cd(void) {
#ifdef __AVX512CD__
    return true;
#else
    return false;
#endif
}

static inline bool apus_built_with_avx512_bf16(void) {
#ifdef __AVX512BF16__
    return true;
#else
    return false;
#endif
}

// Asks for a cache line that will be written soon.
static inline void apus_prefetch_for_write(const void *address) { __builtin_prefetch(address, 1, 3); }
