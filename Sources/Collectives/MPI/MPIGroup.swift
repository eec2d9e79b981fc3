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
    private let pieceBytes: Int
    /// The requests of each message that is under way, and which of these places are free.
    private var transfers: [[MPI_Request?]] = []
    private var freeTransfers: [Int] = []

    static func world(sizes: TransferSizes) -> MPIGroup {
        MPIGroup(apus_mpi_comm_world(), messageBytes: sizes.messageBytes, pieceBytes: sizes.pieceBytes)
    }

    private init(_ handle: MPI_Comm, messageBytes: Int, pieceBytes: Int) {
        self.handle = handle
        self.messageBytes = messageBytes
        self.pieceBytes = pieceBytes
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
        return MPIGroup(part, messageBytes: messageBytes, pieceBytes: pieceBytes)
    }

    /// The ranks that can share memory with this one.
    func splitByHost() -> MPIGroup {
        var part: MPI_Comm?
        MPIRuntime.check(
            MPI_Comm_split_type(handle, apus_mpi_comm_type_shared(), Int32(rank), apus_mpi_info_null(), &part),
            "MPI_Comm_split_type")
        return MPIGroup(part!, messageBytes: messageBytes, pieceBytes: pieceBytes)
    }

    // MARK: Data

    /// How a call passes the time until its messages have arrived.
    enum Waiting {
        /// At full attention: the thread has nothing else to do, and its core neither.
        case spinning
        /// Asleep between two looks: others compute on the core.
        case sleeping
    }

    /// Sends and receives at the same time; either side may be absent. Both ends must agree on the number of bytes.
    ///
    /// Data travels in pieces that the library sends off without asking first whether they are expected. Where both sides
    /// of a TCP connection send much, the answer to such a question queues behind the data of the side that was first,
    /// and the two directions take turns instead of being used at the same time.
    func exchange(
        send: UnsafeRawBufferPointer, to destination: Int?, receive: UnsafeMutableRawBufferPointer, from source: Int?,
        waiting: Waiting = .spinning
    ) {
        let sending = destination == nil ? 0 : send.count
        let receiving = source == nil ? 0 : receive.count
        let windowBytes = pieceBytes * Self.piecesUnderWay
        for start in stride(from: 0, to: max(sending, receiving), by: windowBytes) {
            exchangeWindow(
                UnsafeRawBufferPointer(rebasing: send[min(start, sending)..<min(start + windowBytes, sending)]),
                to: destination,
                UnsafeMutableRawBufferPointer(
                    rebasing: receive[min(start, receiving)..<min(start + windowBytes, receiving)]),
                from: source, waiting: waiting)
        }
    }

    private static let piecesUnderWay = 64

    /// Exchanges up to `piecesUnderWay` pieces in each direction.
    private func exchangeWindow(
        _ send: UnsafeRawBufferPointer, to destination: Int?, _ receive: UnsafeMutableRawBufferPointer,
        from source: Int?, waiting: Waiting
    ) {
        withUnsafeTemporaryAllocation(of: MPI_Request?.self, capacity: 2 * Self.piecesUnderWay) { requests in
            var count = 0
            for start in stride(from: 0, to: receive.count, by: pieceBytes) {
                MPIRuntime.check(
                    MPI_Irecv(
                        receive.baseAddress! + start, Int32(min(pieceBytes, receive.count - start)), apus_mpi_byte(),
                        Int32(source!), Self.exchangeTag, handle, requests.baseAddress! + count),
                    "MPI_Irecv")
                count += 1
            }
            for start in stride(from: 0, to: send.count, by: pieceBytes) {
                MPIRuntime.check(
                    MPI_Isend(
                        send.baseAddress! + start, Int32(min(pieceBytes, send.count - start)), apus_mpi_byte(),
                        Int32(destination!), Self.exchangeTag, handle, requests.baseAddress! + count),
                    "MPI_Isend")
                count += 1
            }
            for index in 0..<count { wait(for: requests.baseAddress! + index, waiting) }
        }
    }

    private func wait(for request: UnsafeMutablePointer<MPI_Request?>, _ waiting: Waiting) {
        switch waiting {
        case .spinning:
            MPIRuntime.check(MPI_Wait(request, apus_mpi_status_ignore()), "MPI_Wait")
        case .sleeping:
            var isDone: Int32 = 0
            while true {
                MPIRuntime.check(MPI_Test(request, &isDone, apus_mpi_status_ignore()), "MPI_Test")
                if isDone != 0 { return }
                usleep(Self.microsecondsAsleep)
            }
        }
    }

    /// A fast network moves less in this time than the system holds for a connection.
    private static let microsecondsAsleep: UInt32 = 200

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

    /// Begins to send; the receiver must call `startReceive`. The number is for `finish(_:)`.
    ///
    /// Data travels in pieces that the library sends off without asking first, see `exchange`: nobody waits for a sender
    /// that computes.
    func startSend(_ buffer: UnsafeRawBufferPointer, to destination: Int, tag: Int) -> Int {
        let number = takeTransfer()
        forEachPiece(of: buffer.count, atMost: pieceBytes) { offset, count in
            var request: MPI_Request?
            MPIRuntime.check(
                MPI_Isend(
                    buffer.baseAddress.map { $0 + offset }, count, apus_mpi_byte(), Int32(destination),
                    Self.firstFreeTag + Int32(tag), handle, &request),
                "MPI_Isend")
            transfers[number].append(request)
        }
        return number
    }

    func startReceive(_ buffer: UnsafeMutableRawBufferPointer, from source: Int, tag: Int) -> Int {
        let number = takeTransfer()
        forEachPiece(of: buffer.count, atMost: pieceBytes) { offset, count in
            var request: MPI_Request?
            MPIRuntime.check(
                MPI_Irecv(
                    buffer.baseAddress.map { $0 + offset }, count, apus_mpi_byte(), Int32(source),
                    Self.firstFreeTag + Int32(tag), handle, &request),
                "MPI_Irecv")
            transfers[number].append(request)
        }
        return number
    }

    /// Waits for a message that was begun.
    func finish(_ number: Int) {
        for index in transfers[number].indices {
            MPIRuntime.check(MPI_Wait(&transfers[number][index], apus_mpi_status_ignore()), "MPI_Wait")
        }
        transfers[number].removeAll(keepingCapacity: true)
        freeTransfers.append(number)
    }

    private func takeTransfer() -> Int {
        if let number = freeTransfers.popLast() { return number }
        transfers.append([])
        // As many as there are: giving one back must not allocate.
        freeTransfers.reserveCapacity(transfers.count)
        return transfers.count - 1
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
    private func forEachPiece(
        of bytes: Int, atMost pieceBytes: Int? = nil, _ body: (_ offset: Int, _ count: Int32) -> Void
    ) {
        var offset = 0
        repeat {
            let count = min(pieceBytes ?? messageBytes, bytes - offset)
            body(offset, Int32(count))
            offset += count
        } while offset < bytes
    }
}
