import COpenMPI
import Foundation
import Numerics

/// Two ranks that send each other messages and read each other's memory: what `apus doctor` starts under `mpirun`.
public enum MPIProbe {
    public struct Result: Codable, Hashable, Sendable {
        /// Half of the time in which 8 bytes go to the other rank and back, in microseconds; the median of many.
        public var latencyMicroseconds: Double
        /// Reading the other rank's shared window, in GB/s.
        public var sharedWindowGBs: Double
        /// Open MPI's own words, for example `Open MPI v4.1.4, …`.
        public var libraryVersion: String

        public init(latencyMicroseconds: Double, sharedWindowGBs: Double, libraryVersion: String) {
            self.latencyMicroseconds = latencyMicroseconds
            self.sharedWindowGBs = sharedWindowGBs
            self.libraryVersion = libraryVersion
        }
    }

    /// The library's version; may be asked for before MPI is initialised.
    public static var libraryVersion: String {
        var buffer = [CChar](repeating: 0, count: Int(MPI_MAX_LIBRARY_VERSION_STRING))
        var length: Int32 = 0
        guard MPI_Get_library_version(&buffer, &length) == MPI_SUCCESS else { return "unknown MPI library" }
        return String(decoding: buffer.prefix(Int(length)).map(UInt8.init(bitPattern:)), as: UTF8.self)
            .trimmingCharacters(in: CharacterSet(charactersIn: "\0 \n"))
    }

    /// This rank's part. Returns the result on rank 0 and nil on rank 1.
    ///
    /// - Throws: `ApusError` when this is not one of two ranks of one host, or memory cannot be shared.
    public static func run() throws -> Result? {
        guard MPI_Init(nil, nil) == MPI_SUCCESS else {
            throw ApusError("probing MPI", "MPI_Init failed", kind: .runtime)
        }
        defer { MPI_Finalize() }
        let world = apus_mpi_comm_world()!
        var (rank, size): (Int32, Int32) = (0, 0)
        MPI_Comm_rank(world, &rank)
        MPI_Comm_size(world, &size)
        guard size == 2 else {
            throw ApusError("probing MPI", "expected two ranks, found \(size)", remedy: "start it with mpirun -np 2")
        }
        let latency = measureLatency(world, rank: rank)
        let bandwidth = try measureSharedWindow(world, rank: rank)
        guard rank == 0 else { return nil }
        return Result(
            latencyMicroseconds: latency, sharedWindowGBs: bandwidth, libraryVersion: libraryVersion)
    }

    private static func measureLatency(_ world: MPI_Comm, rank: Int32) -> Double {
        var message: Int64 = 0
        let rounds = (0..<1_000).map { _ in
            let start = MPI_Wtime()
            if rank == 0 {
                MPI_Send(&message, 1, apus_mpi_int64(), 1, 0, world)
                MPI_Recv(&message, 1, apus_mpi_int64(), 1, 0, world, apus_mpi_status_ignore())
            } else {
                MPI_Recv(&message, 1, apus_mpi_int64(), 0, 0, world, apus_mpi_status_ignore())
                MPI_Send(&message, 1, apus_mpi_int64(), 0, 0, world)
            }
            return MPI_Wtime() - start
        }
        return rounds.sorted()[rounds.count / 2] / 2 * 1e6
    }

    /// Each rank fills 32 MiB of a shared window and reads the other's: the best of several readings.
    private static func measureSharedWindow(_ world: MPI_Comm, rank: Int32) throws -> Double {
        let count = 8 << 20
        var window: MPI_Win?
        var own: UnsafeMutableRawPointer?
        guard
            MPI_Win_allocate_shared(MPI_Aint(count * 4), 4, apus_mpi_info_null(), world, &own, &window) == MPI_SUCCESS,
            let own
        else {
            throw ApusError(
                "probing MPI", "memory shared by two ranks could not be allocated",
                remedy: "look at the size of /dev/shm", kind: .runtime)
        }
        defer { MPI_Win_free(&window) }
        let mine = own.bindMemory(to: Float.self, capacity: count)
        mine.initialize(repeating: Float(rank + 1), count: count)
        MPI_Barrier(world)

        var (bytes, unit): (MPI_Aint, Int32) = (0, 0)
        var theirs: UnsafeMutableRawPointer?
        let other = 1 - rank
        guard MPI_Win_shared_query(window, other, &bytes, &unit, &theirs) == MPI_SUCCESS, let theirs else {
            throw ApusError("probing MPI", "the other rank's memory is not visible", kind: .runtime)
        }
        let values = theirs.bindMemory(to: SIMD16<Float>.self, capacity: count / 16)
        var best = Double.infinity
        for _ in 0..<5 {
            let start = MPI_Wtime()
            var sums = (SIMD16<Float>.zero, SIMD16<Float>.zero)
            for index in stride(from: 0, to: count / 16, by: 2) {
                sums.0 += values[index]
                sums.1 += values[index + 1]
            }
            best = min(best, MPI_Wtime() - start)
            let expected = Float(other + 1) * Float(count)
            guard (sums.0 + sums.1).sum() == expected else {
                throw ApusError(
                    "probing MPI", "the other rank's memory holds other values than it wrote", kind: .runtime)
            }
        }
        MPI_Barrier(world)
        return Double(count * 4) / best / 1e9
    }
}
