import COpenMPI
import Foundation

/// An MPI communicator and the calls that Apus makes on it, each C function in one wrapper.
///
/// A failing call ends the job (see `MPIRuntime.fail`). Sizes are in bytes and of any length: what exceeds MPI's
/// 32-bit counts travels in pieces. The handle lives until MPI is ended: freeing it earlier is a collective call, and
/// nothing makes all ranks drop their last reference in the same order.
final class MPIGroup {
    private let handle: MPI_Comm
    let rank: Int
    let size: Int

    private let messageBytes: Int

    static func world(sizes: TransferSizes) -> MPIGroup {
        MPIGroup(apus_mpi_comm_world(), messageBytes: sizes.messageBytes)
    }

    private init(_ handle: MPI_Comm, messageBytes: Int) {
        self.handle = handle
        self.messageBytes = messageBytes
        MPIRuntime.check(MPI_Comm_set_errhandler(handle, apus_mpi_errors_return()), "MPI_Comm_set_errhandler")
        var (rank, size): (Int32, Int32) = (0, 0)
        MPIRuntime.check(MPI_Comm_rank(handle, &rank), "MPI_Comm_rank")
        MPIRuntime.check(MPI_Comm_size(handle, &size), "MPI_Comm_size")
        self.rank = Int(rank)
        self.size = Int(size)
    }

    // MARK: Groups

    /// The ranks that passed the same color, ordered by key and rank; nil for a rank without a color.
    func split(color: Int?, key: Int) -> MPIGroup? {
        var part: MPI_Comm?
        let color = color.map { Int32($0) } ?? apus_mpi_undefined()
        MPIRuntime.check(MPI_Comm_split(handle, color, Int32(key), &part), "MPI_Comm_split")
        guard let part, part != apus_mpi_comm_null() else { return nil }
        return MPIGroup(part, messageBytes: messageBytes)
    }

    /// The ranks that can share memory with this one.
    func splitByHost() -> MPIGroup {
        var part: MPI_Comm?
        MPIRuntime.check(
            MPI_Comm_split_type(handle, apus_mpi_comm_type_shared(), Int32(rank), apus_mpi_info_null(), &part),
            "MPI_Comm_split_type")
        return MPIGroup(part!, messageBytes: messageBytes)
    }

    // MARK: Data

    /// Sends and receives at the same time; either side may be absent. Both ends must agree on the number of bytes.
    func exchange(
        send: UnsafeRawBufferPointer, to destination: Int?, receive: UnsafeMutableRawBufferPointer, from source: Int?
    ) {
        var sent = 0
        var received = 0
        repeat {
            let sending = destination == nil ? 0 : min(messageBytes, send.count - sent)
            let receiving = source == nil ? 0 : min(messageBytes, receive.count - received)
            MPIRuntime.check(
                MPI_Sendrecv(
                    sending > 0 ? send.baseAddress! + sent : nil, Int32(sending), apus_mpi_byte(),
                    sending > 0 ? Int32(destination!) : apus_mpi_proc_null(), Self.exchangeTag,
                    receiving > 0 ? receive.baseAddress! + received : nil, Int32(receiving), apus_mpi_byte(),
                    receiving > 0 ? Int32(source!) : apus_mpi_proc_null(), Self.exchangeTag,
                    handle, apus_mpi_status_ignore()),
                "MPI_Sendrecv")
            sent += sending
            received += receiving
        } while (destination != nil && sent < send.count) || (source != nil && received < receive.count)
    }

    func send(_ buffer: UnsafeRawBufferPointer, to destination: Int, tag: Int) {
        forEachPiece(of: buffer.count) { offset, count in
            MPIRuntime.check(
                MPI_Send(
                    buffer.baseAddress.map { $0 + offset }, count, apus_mpi_byte(), Int32(destination),
                    Self.firstFreeTag + Int32(tag), handle),
                "MPI_Send")
        }
    }

    func receive(_ buffer: UnsafeMutableRawBufferPointer, from source: Int, tag: Int) {
        forEachPiece(of: buffer.count) { offset, count in
            MPIRuntime.check(
                MPI_Recv(
                    buffer.baseAddress.map { $0 + offset }, count, apus_mpi_byte(), Int32(source),
                    Self.firstFreeTag + Int32(tag), handle, apus_mpi_status_ignore()),
                "MPI_Recv")
        }
    }

    func broadcast(_ buffer: UnsafeMutableRawBufferPointer, from root: Int) {
        forEachPiece(of: buffer.count) { offset, count in
            MPIRuntime.check(
                MPI_Bcast(buffer.baseAddress.map { $0 + offset }, count, apus_mpi_byte(), Int32(root), handle),
                "MPI_Bcast")
        }
    }

    /// `all` receives `size` pieces as long as `mine`, in rank order; for short messages.
    func allGather(_ mine: UnsafeRawPointer, bytes: Int, into all: UnsafeMutableRawPointer) {
        MPIRuntime.check(
            MPI_Allgather(mine, Int32(bytes), apus_mpi_byte(), all, Int32(bytes), apus_mpi_byte(), handle),
            "MPI_Allgather")
    }

    func allGather(_ value: Int) -> [Int] {
        withUnsafeBytes(of: value) { mine in
            [Int](unsafeUninitializedCapacity: size) { all, count in
                allGather(mine.baseAddress!, bytes: mine.count, into: all.baseAddress!)
                count = size
            }
        }
    }

    func barrier() {
        MPIRuntime.check(MPI_Barrier(handle), "MPI_Barrier")
    }

    /// Lets the library work on messages under way; it does so in no other thread.
    func makeProgress() {
        var flag: Int32 = 0
        MPIRuntime.check(
            MPI_Iprobe(apus_mpi_any_source(), apus_mpi_any_tag(), handle, &flag, apus_mpi_status_ignore()),
            "MPI_Iprobe")
    }

    // MARK: Shared memory

    /// Memory of which every rank of the group (all on one host) contributes as many bytes as it likes; returns where
    /// each rank's part is mapped in this process. The parts are zero and page-aligned, and live until MPI is ended.
    func allocateShared(bytes: Int) -> [UnsafeMutableRawPointer] {
        // A window's parts begin right after the library's own data; one page more lets each be aligned. The distance
        // to the next page is the same in all processes because each maps the whole at a page boundary.
        let page = Int(sysconf(Int32(_SC_PAGESIZE)))
        let wholePages = (bytes + page - 1) / page * page
        var window: MPI_Win?
        var mine: UnsafeMutableRawPointer?
        MPIRuntime.check(
            MPI_Win_allocate_shared(wholePages + page, 1, apus_mpi_info_null(), handle, &mine, &window),
            "MPI_Win_allocate_shared")
        let parts = (0..<size).map { rank in
            var partBytes: MPI_Aint = 0
            var unit: Int32 = 0
            var base: UnsafeMutableRawPointer?
            MPIRuntime.check(
                MPI_Win_shared_query(window, Int32(rank), &partBytes, &unit, &base), "MPI_Win_shared_query")
            return base!.alignedUp(toMultipleOf: page)
        }
        // The first to write a page decides where it is placed, which is near this rank's core, and that it is not
        // missing later.
        memset(parts[rank], 0, bytes)
        barrier()
        return parts
    }

    // MARK: Pieces and tags

    // Internal exchanges and the caller's messages must not be taken for each other.
    private static let exchangeTag: Int32 = 0
    private static let firstFreeTag: Int32 = 1

    /// An empty buffer is one empty piece: its message still travels.
    private func forEachPiece(of bytes: Int, _ body: (_ offset: Int, _ count: Int32) -> Void) {
        var offset = 0
        repeat {
            let count = min(messageBytes, bytes - offset)
            body(offset, Int32(count))
            offset += count
        } while offset < bytes
    }
}
