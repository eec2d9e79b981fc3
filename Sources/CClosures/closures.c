#include "CClosures.h"

typedef __attribute__((swiftcall)) void (*tile_function)(
    ptrdiff_t tile, ptrdiff_t thread, __attribute__((swift_context)) void *context);

// Declared in ThreadPool.swift as a function of a closure, which is passed as these two.
__attribute__((swiftcall)) apus_tile_body apus_make_tile_body(void *function, void *context) {
    return (apus_tile_body){function, context};
}

void apus_call_tile_body(apus_tile_body body, ptrdiff_t tile, ptrdiff_t thread) {
    ((tile_function)body.function)(tile, thread, body.context);
}
