import Collectives

/// Sums where the ranks of a host share out the ranges have the bits of an all-reduce, in memory that they do share.
func checkReplicas(_ subject: Subject, count: Int) {
    let communicator = subject.communicator
    let memory = communicator.allocateReplicaMemory(
        partCount: count, commonBytes: (communicator.size + count) * 8, label: "replicas")
    subject.expect("a part is zero", memory.part) { _ in 0 }
    checkCommonArea(subject, memory)

    func contribution(_ rank: Int, _ index: Int) -> Float { Float(value(rank, index, salt: 3)) }
    let sum = communicator.makeReplicaSum(of: memory, threads: 2, wireFormat: .float32)
    let ranges = [0..<count / 3, count / 3..<count / 3, count / 3..<count]
    for round in 0..<2 {
        for index in 0..<count { memory.part[index] = contribution(subject.rank, index + round) }
        let before = communicator.volume[.allReduce].bytes
        sum.perform("replicas") {
            communicator.hostBarrier(label: "replicas written")
            for (index, range) in ranges.enumerated() where index % memory.sharerCount == memory.index {
                sum.sumOnHost(range, thread: index % 2)
            }
            communicator.hostBarrier(label: "summed on the host")
            if sum.exchanges { sum.exchangeBetweenHosts(0..<count) }
            communicator.hostBarrier(label: "summed")
        }
        for (index, range) in ranges.enumerated()
        where sum.spansHosts || index % memory.sharerCount == memory.index {
            let found = UnsafeBufferPointer(start: UnsafePointer(sum.total) + range.lowerBound, count: range.count)
            subject.expect("sum of replicas, range \(range)", found) { offset in
                combined(0, subject.size, { contribution($0, range.lowerBound + offset + round) }, +)
            }
        }
        let counted = communicator.volume[.allReduce].bytes - before
        subject.expect(counted == (subject.size > 1 ? count * 4 : 0), "volume of a sum of replicas")
        communicator.barrier(label: "all have looked")
    }
    checkRoundedSum(subject, memory)
    checkProgress(subject, memory)
}

/// Rounded between hosts: all ranks have the same bits, close to the exact sum, and what needs no rounding is exact.
private func checkRoundedSum(_ subject: Subject, _ memory: ReplicaMemory) {
    let communicator = subject.communicator
    let count = memory.part.count
    let sum = communicator.makeReplicaSum(of: memory, threads: 1, wireFormat: .bfloat16)
    func contribution(_ rank: Int, _ index: Int) -> Float {
        index % 2 == 0 ? Float(index % 16 - 8 + rank) : 1 + Float(abs(value(rank, index, salt: 4)))
    }
    for index in 0..<count { memory.part[index] = contribution(subject.rank, index) }
    communicator.hostBarrier(label: "replicas written")
    if memory.index == 0 { sum.sumOnHost(0..<count, thread: 0) }
    communicator.hostBarrier(label: "summed on the host")
    if sum.exchanges { sum.exchangeBetweenHosts(0..<count, sleeps: true) }
    communicator.barrier(label: "summed")
    if sum.spansHosts || memory.index == 0 {
        let found = UnsafeBufferPointer(start: UnsafePointer(sum.total), count: count)
        for index in 0..<count {
            let exact = combined(0, subject.size, { contribution($0, index) }, +)
            let isRight = index % 2 == 0 ? found[index] == exact : abs(found[index] - exact) <= exact / 128
            if !isRight {
                subject.fail("rounded sum, element \(index)", expected: "\(exact)", found: "\(found[index])")
            }
        }
        if sum.spansHosts {
            let all = communicator.gatherToAll(Array(UnsafeRawBufferPointer(found)), label: "rounded sums")
            subject.expect(all.allSatisfy { $0 == all[0] }, "all ranks have the same rounded sums")
        }
    }
    communicator.barrier(label: "all have looked")
}

private func checkProgress(_ subject: Subject, _ memory: ReplicaMemory) {
    memory.setProgress(.summed, UInt64(memory.index + 7))
    subject.communicator.hostBarrier(label: "progress")
    for sharer in 0..<memory.sharerCount {
        subject.expect(memory.progress(.summed, of: sharer) == UInt64(sharer + 7), "progress of sharer \(sharer)")
        subject.expect(memory.progress(.computed, of: sharer) == 0, "progress that nobody made")
    }
    subject.communicator.hostBarrier(label: "all have looked")
}

/// Every sharer writes a number, and all see all of them.
private func checkCommonArea(_ subject: Subject, _ memory: ReplicaMemory) {
    let communicator = subject.communicator
    let common = memory.common.bindMemory(to: Int64.self)
    subject.expect("the common area is zero", common) { _ in 0 }
    communicator.barrier(label: "all have looked")
    common[memory.index] = Int64(subject.rank + 1)
    communicator.hostBarrier(label: "numbers written")
    let ranks = common.prefix(memory.sharerCount)
    subject.expect(ranks.contains(Int64(subject.rank + 1)), "this rank's number in the common area")
    subject.expect(Set(ranks).count == memory.sharerCount && !ranks.contains(0), "everyone's numbers")
    communicator.barrier(label: "all have looked")
}
