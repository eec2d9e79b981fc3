import COpenMPI

/// The MPI library's own all-reduce over all ranks of the job: what benchmarks compare with. Nothing else uses it,
/// because the order of its sums depends on the size of the message.
package enum LibraryReduction {
    package static func allReduceSum(_ buffer: UnsafeMutableBufferPointer<Float>) {
        precondition(MPIRuntime.isRunning, "MPI is not running")
        MPIRuntime.check(
            MPI_Allreduce(
                apus_mpi_in_place(), buffer.baseAddress, Int32(buffer.count), apus_mpi_float(), apus_mpi_sum(),
                apus_mpi_comm_world()),
            "MPI_Allreduce")
    }
}
