// Swift can hand a closure that does not escape to another thread only by way of a new object on the heap. It is but a
// function and a context, though, and the function's calling convention is known to clang.
#pragma once
#include <stddef.h>

// The body of a loop over tiles, `(Int, Int) -> Void`, while the call that it was passed to has not returned.
typedef struct {
    void *function;
    void *context;
} apus_tile_body;

// Calls the closure.
void apus_call_tile_body(apus_tile_body body, ptrdiff_t tile, ptrdiff_t thread);
