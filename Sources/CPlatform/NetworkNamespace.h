// Entering a network namespace, which Swift's view of the C library leaves out as well.
#pragma once
#include <sys/syscall.h>
#include <unistd.h>

/// Moves the calling thread into the network namespace that an open file stands for; -1 and `errno` on failure.
static inline int apus_enter_network_namespace(int descriptor) {
    const int networkNamespace = 0x40000000; // CLONE_NEWNET
    return (int)syscall(SYS_setns, descriptor, networkNamespace);
}
