// Open MPI's handles are macros that cast addresses of globals; Swift cannot import those, so each one used has a getter.
#pragma once
#include <mpi.h>

static inline MPI_Comm apus_mpi_comm_world(void) { return MPI_COMM_WORLD; }
static inline MPI_Comm apus_mpi_comm_self(void) { return MPI_COMM_SELF; }
static inline MPI_Comm apus_mpi_comm_null(void) { return MPI_COMM_NULL; }
static inline MPI_Info apus_mpi_info_null(void) { return MPI_INFO_NULL; }
static inline MPI_Datatype apus_mpi_float(void) { return MPI_FLOAT; }
static inline MPI_Datatype apus_mpi_double(void) { return MPI_DOUBLE; }
static inline MPI_Datatype apus_mpi_int64(void) { return MPI_INT64_T; }
static inline MPI_Datatype apus_mpi_byte(void) { return MPI_BYTE; }
static inline MPI_Op apus_mpi_sum(void) { return MPI_SUM; }
static inline MPI_Op apus_mpi_max(void) { return MPI_MAX; }
static inline MPI_Op apus_mpi_min(void) { return MPI_MIN; }
static inline void *apus_mpi_in_place(void) { return MPI_IN_PLACE; }
static inline MPI_Errhandler apus_mpi_errors_return(void) { return MPI_ERRORS_RETURN; }
static inline MPI_Status *apus_mpi_status_ignore(void) { return MPI_STATUS_IGNORE; }
static inline int apus_mpi_success(void) { return MPI_SUCCESS; }
static inline int apus_mpi_undefined(void) { return MPI_UNDEFINED; }
static inline int apus_mpi_proc_null(void) { return MPI_PROC_NULL; }
static inline int apus_mpi_any_source(void) { return MPI_ANY_SOURCE; }
static inline int apus_mpi_any_tag(void) { return MPI_ANY_TAG; }
static inline int apus_mpi_comm_type_shared(void) { return MPI_COMM_TYPE_SHARED; }
static inline int apus_mpi_thread_funneled(void) { return MPI_THREAD_FUNNELED; }
static inline int apus_mpi_thread_multiple(void) { return MPI_THREAD_MULTIPLE; }
static inline MPI_Request apus_mpi_request_null(void) { return MPI_REQUEST_NULL; }
static inline MPI_Status *apus_mpi_statuses_ignore(void) { return MPI_STATUSES_IGNORE; }
static inline int apus_mpi_max_error_string(void) { return MPI_MAX_ERROR_STRING; }
static inline int apus_mpi_max_library_version_string(void) { return MPI_MAX_LIBRARY_VERSION_STRING; }

// Tells the core that it is in a loop that waits for another core's store.
static inline void apus_spin_hint(void) {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}
