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
