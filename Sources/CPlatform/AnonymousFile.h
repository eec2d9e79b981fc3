// An anonymous file in memory. Swift's view of the C library leaves out what it declares for GNU sources only.
#pragma once
#include <sys/syscall.h>
#include <unistd.h>

static inline int apus_memfd_create(const char *name) {
    const unsigned int closeOnExec = 1u;
    return (int)syscall(SYS_memfd_create, name, closeOnExec);
}

// Asks for huge pages under a mapping now, whatever the system's policy for shared memory (Linux 6.1).
static inline int apus_advice_collapse(void) { return 25; }
