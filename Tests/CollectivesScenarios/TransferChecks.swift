import Collectives
import Foundation

/// Collectives over equal parts, `part` elements for each rank.
func checkParts(_ subject: Subject, part: Int) {
    let communicator = subject.communicator
    let (rank, size) = (subject.rank, subject.size)
    func contribution(_ rank: Int, _ index: Int) -> Float { Float(value(rank, index, salt: 2)) }
    let buffer = UnsafeMutableBufferPointer<Float>.allocate(capacity: part * size)
    let received = UnsafeMutableBufferPointer<Float>.allocate(capacity: part * size)
    defer {
        buffer.deallocate()
        received.deallocate()
    }
    let mine = UnsafeMutableBufferPointer(rebasing: buffer[rank * part..<(rank + 1) * part])

    for index in buffer.indices { buffer[index] = contribution(rank, index) }
    communicator.reduceScatter(buffer, .sum, label: "parts")
    subject.expect("reduce-scatter", mine) { index in
        combined(0, size, { contribution($0, rank * part + index) }, +)
    }

    buffer.update(repeating: .infinity)
    for index in mine.indices { mine[index] = contribution(rank, index) }
    communicator.allGather(buffer, label: "parts")
    subject.expect("all-gather", buffer) { contribution($0 / max(part, 1), $0 % max(part, 1)) }

    for index in buffer.indices { buffer[index] = contribution(rank, index) }
    communicator.allToAll(UnsafeBufferPointer(buffer), into: received, label: "parts")
    subject.expect("all-to-all", received) { contribution($0 / max(part, 1), rank * part + $0 % max(part, 1)) }
}

/// Broadcast from every rank, and a message round the ring of ranks.
func checkMessages(_ subject: Subject, bytes: Int) {
    let communicator = subject.communicator
    let (rank, size) = (subject.rank, subject.size)
    func byte(_ rank: Int, _ index: Int) -> UInt8 { UInt8(truncatingIfNeeded: (rank + 1) * 37 + index * 11) }
    for root in 0..<size {
        var message = [UInt8](repeating: 0, count: bytes)
        if rank == root { for index in 0..<bytes { message[index] = byte(rank, index) } }
        message.withUnsafeMutableBytes { communicator.broadcast($0, from: root, label: "from \(root)") }
        subject.expect("broadcast from \(root)", message) { byte(root, $0) }
    }
    guard size > 1 else { return }
    let message = (0..<bytes).map { byte(rank, $0) }
    var received = [UInt8](repeating: 0, count: bytes)
    func send() {
        message.withUnsafeBytes { communicator.send($0, to: (rank + 1) % size, tag: 5, label: "ring") }
    }
    // A send may wait for its receiver: the first rank breaks the circle.
    if rank > 0 { send() }
    received.withUnsafeMutableBytes {
        communicator.receive($0, from: (rank + size - 1) % size, tag: 5, label: "ring")
    }
    if rank == 0 { send() }
    subject.expect("ring of messages", received) { byte((rank + size - 1) % size, $0) }
}

/// Messages that are begun, several of a tag at a time and in both directions round the ring, and waited for later.
func checkMessagesUnderWay(_ subject: Subject, bytes: Int) {
    let communicator = subject.communicator
    let (rank, size) = (subject.rank, subject.size)
    guard size > 1 else { return }
    func byte(_ rank: Int, _ message: Int, _ index: Int) -> UInt8 {
        UInt8(truncatingIfNeeded: (rank + 1) * 37 + message * 5 + index * 11)
    }
    let (next, last) = ((rank + 1) % size, (rank + size - 1) % size)
    let count = 3
    let received = (0..<2 * count).map { _ in UnsafeMutableRawBufferPointer.allocate(byteCount: bytes, alignment: 16) }
    let sent = (0..<2 * count).map { message in
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: bytes, alignment: 16)
        for index in 0..<bytes { buffer[index] = byte(rank, message, index) }
        return buffer
    }
    defer { for buffer in received + sent { buffer.deallocate() } }
    func peers(_ message: Int) -> (to: Int, from: Int) { message < count ? (next, last) : (last, next) }
    var transfers: [Transfer] = []
    for message in 0..<2 * count {
        transfers.append(
            communicator.startReceive(
                received[message], from: peers(message).from, tag: message / count, label: "under way"))
    }
    for message in 0..<2 * count {
        transfers.append(
            communicator.startSend(
                UnsafeRawBufferPointer(sent[message]), to: peers(message).to, tag: message / count,
                label: "under way"))
    }
    // The order in which they are waited for does not matter.
    for transfer in transfers.reversed() { communicator.finish(transfer, label: "under way") }
    for message in 0..<2 * count {
        subject.expect("message \(message) under way", received[message]) {
            byte(peers(message).from, message, $0)
        }
    }
}

/// Lengths that differ, nothing among them.
func checkGatherToAll(_ subject: Subject) {
    func bytes(_ rank: Int) -> [UInt8] { (0..<rank * 1_237).map { UInt8(truncatingIfNeeded: $0 * 7 + rank) } }
    let gathered = subject.communicator.gatherToAll(bytes(subject.rank), label: "unequal")
    subject.expect(gathered == (0..<subject.size).map(bytes), "gather-to-all of unequal lengths")
}

/// Nobody leaves before everybody has come, by the clock that all processes of a machine share.
func checkBarrier(_ subject: Subject) {
    for late in 0..<min(subject.size, 2) {
        if subject.rank == late { usleep(2_000) }
        let before = monotonicNanoseconds()
        subject.communicator.barrier(label: "late \(late)")
        let after = monotonicNanoseconds()
        let times = subject.communicator.gatherToAll(
            withUnsafeBytes(of: (before, after)) { Array($0) }, label: "times"
        ).map { $0.withUnsafeBytes { $0.loadUnaligned(as: (UInt64, UInt64).self) } }
        subject.expect(times.map(\.0).max()! <= times.map(\.1).min()!, "barrier with rank \(late) late")
    }
}

private func monotonicNanoseconds() -> UInt64 {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
}
