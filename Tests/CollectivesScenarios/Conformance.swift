import Collectives
import Foundation

/// The one set of checks that every implementation must pass, on the world and on groups split from it.
func runConformance() throws {
    var tiny = TransferSizes()
    // Every border is crossed by a few thousand elements, and none is a multiple of an element.
    tiny.messageBytes = 1_001
    tiny.pieceBytes = 9
    tiny.exchangeChunkBytes = 1_500
    tiny.segmentBytes = 100
    tiny.smallExchangeBytes = 300
    tiny.stagingBytes = 1_500
    tiny.smallBytes = 250
    for preference in ProcessGroup.Preference.allCases {
        for (name, sizes, counts) in [
            ("default sizes", TransferSizes(), [0, 1, 17, 4_099, 40_001]),
            ("tiny sizes", tiny, [0, 1, 16, 63, 400, 1_501]),
        ] {
            let world = try ProcessGroup.world(preference: preference, sizes: sizes)
            let subject = Subject(
                communicator: world, name: "\(type(of: world)) preferred \(preference), \(name), world")
            checkAll(subject, counts: counts, rounds: 1_000)
            checkGroups(subject, counts: Array(counts.suffix(2)))
            checkDiagnostics(subject)
        }
    }
    let world = try ProcessGroup.world()
    if world.rank == 0 { print("conformance passed on \(world.size) ranks, \(type(of: world))") }
}

private func checkAll(_ subject: Subject, counts: [Int], rounds: Int) {
    for count in counts {
        checkReductions(subject, count: count, of: Float.self) { subject.communicator.allReduce($0, $1, label: $2) }
        checkReductions(subject, count: count, of: Double.self) { subject.communicator.allReduce($0, $1, label: $2) }
        checkReductions(subject, count: count, of: Int64.self) { subject.communicator.allReduce($0, $1, label: $2) }
        checkParts(subject, part: count)
        checkMessages(subject, bytes: count * 4 + 3)
        checkMessagesUnderWay(subject, bytes: count * 4 + 3)
    }
    checkNaN(subject)
    checkGatherToAll(subject)
    checkShared(subject, count: counts.last!)
    for count in [16, counts.last!] { checkReplicas(subject, count: count) }
    checkBarrier(subject)
    checkManySmall(subject, rounds: rounds)
}

/// Groups as a mesh makes them: both axes of a 2-wide mesh, a reversed order, ranks that alternate between hosts, and
/// a group of a group.
private func checkGroups(_ world: Subject, counts: [Int]) {
    let communicator = world.communicator
    let (rank, size) = (world.rank, world.size)
    let groups: [(name: String, color: Int, key: Int, members: [Int])] = [
        ("pairs", rank / 2, rank, (0..<size).filter { $0 / 2 == rank / 2 }),
        ("strides", rank % 2, rank, (0..<size).filter { $0 % 2 == rank % 2 }),
        ("reversed", 0, -rank, (0..<size).reversed()),
        ("interleaved", 0, rank % 2 * size + rank, (0..<size).sorted { ($0 % 2, $0) < ($1 % 2, $1) }),
        ("all but the last", rank == size - 1 ? 1 : 0, rank, rank == size - 1 ? [rank] : Array(0..<size - 1)),
    ]
    for group in groups {
        let part = communicator.split(color: group.color, key: group.key)
        let subject = Subject(communicator: part, name: "\(world.name) split into \(group.name), \(type(of: part))")
        world.expect(part.size == group.members.count, "size of \(group.name)")
        world.expect(group.members[part.rank] == rank, "rank in \(group.name)")
        checkAll(subject, counts: counts, rounds: 100)
    }
    let halves = communicator.split(color: rank / 2, key: 0)
    let alone = halves.split(color: halves.rank, key: 0)
    world.expect(alone.size == 1 && alone.rank == 0, "group of one from a split of a split")
    checkAll(Subject(communicator: alone, name: "\(world.name) split twice"), counts: [7], rounds: 10)
}

private func checkDiagnostics(_ subject: Subject) {
    let communicator = subject.communicator
    guard communicator.size > 1 else { return }
    let before = communicator.volume
    var values: [Float] = [1, 2, 3]
    values.withUnsafeMutableBufferPointer { communicator.allReduce($0, .sum, label: "three values") }
    _ = communicator.gatherToAll([1, 2], label: "two bytes")
    let volume = communicator.volume.since(before)
    subject.expect(volume[.allReduce].calls == 1 && volume[.allReduce].bytes == 12, "volume of an all-reduce")
    subject.expect(volume.total.calls == 2 && volume.total.bytes == 14, "volume of two calls")
    guard let latest = LabelledCall.latest else { subject.fail("latest call", expected: "a call", found: "none") }
    subject.expect(latest.kind == .gatherToAll && latest.label == "two bytes" && !latest.isRunning, "latest call")
}
