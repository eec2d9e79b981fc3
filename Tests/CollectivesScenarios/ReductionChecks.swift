import Collectives

/// An element type of reductions, made from the test's values.
protocol TestElement: BitwiseCopyable, Comparable {
    static func make(_ value: Double) -> Self
    static func add(_ a: Self, _ b: Self) -> Self
}

extension Float: TestElement {
    static func make(_ value: Double) -> Float { Float(value) }
    static func add(_ a: Float, _ b: Float) -> Float { a + b }
}

extension Double: TestElement {
    static func make(_ value: Double) -> Double { value }
    static func add(_ a: Double, _ b: Double) -> Double { a + b }
}

extension Int64: TestElement {
    /// Beyond 2⁵³, so that a detour through floating point would show.
    static func make(_ value: Double) -> Int64 { Int64(value * 0x1p52) }
    static func add(_ a: Int64, _ b: Int64) -> Int64 { a + b }
}

func checkReductions<Element: TestElement>(
    _ subject: Subject, count: Int, of type: Element.Type,
    _ allReduce: (UnsafeMutableBufferPointer<Element>, Reduction, String) -> Void
) {
    let reductions: [(Reduction, (Element, Element) -> Element)] = [
        (.sum, Element.add), (.max, { max($0, $1) }), (.min, { min($0, $1) }),
    ]
    for (reduction, combine) in reductions {
        let contribution = { (rank: Int, index: Int) in Element.make(value(rank, index, salt: count)) }
        let buffer = UnsafeMutableBufferPointer<Element>.allocate(capacity: count)
        defer { buffer.deallocate() }
        for index in 0..<count { buffer[index] = contribution(subject.rank, index) }
        allReduce(buffer, reduction, "\(reduction) of \(type)")
        subject.expect("all-reduce \(reduction) of \(type)", buffer) { index in
            combined(0, subject.size, { contribution($0, index) }, combine)
        }
    }
}

/// Not a number on one rank must reach all: a maximum that loses it would hide a diverged rank.
func checkNaN(_ subject: Subject) {
    for reduction in [Reduction.sum, .max, .min] {
        for culprit in 0..<subject.size {
            var values: [Float] = [1, subject.rank == culprit ? .nan : 2, 3]
            values.withUnsafeMutableBufferPointer { subject.communicator.allReduce($0, reduction, label: "NaN") }
            subject.expect(values[1].isNaN && !values[0].isNaN && !values[2].isNaN, "\(reduction) hands a NaN on")
        }
    }
}

/// Calls that follow each other as fast as they can, of changing kinds and sizes: a rank that runs ahead must not
/// overwrite what a slower one still reads.
func checkManySmall(_ subject: Subject, rounds: Int) {
    let communicator = subject.communicator
    let values = UnsafeMutableBufferPointer<Float>.allocate(capacity: 64)
    defer { values.deallocate() }
    for round in 0..<rounds {
        let count = 1 + round % 64
        for index in 0..<count { values[index] = Float(value(subject.rank, index, salt: round)) }
        let part = UnsafeMutableBufferPointer(rebasing: values[..<count])
        communicator.allReduce(part, .sum, label: "small")
        subject.expect("all-reduce \(round) of \(rounds)", part) { index in
            combined(0, subject.size, { Float(value($0, index, salt: round)) }, +)
        }
        if round.isMultiple(of: 7) {
            let root = round % subject.size
            var number = subject.rank == root ? round : -1
            withUnsafeMutableBytes(of: &number) { communicator.broadcast($0, from: root, label: "round") }
            subject.expect("broadcast after all-reduce \(round)", CollectionOfOne(number)) { _ in round }
        }
    }
}

/// Memory from `allocate` gives the results that other memory gives, whole or in part, also beside other allocations.
func checkShared(_ subject: Subject, count: Int) {
    let communicator = subject.communicator
    let other = communicator.allocate(10, label: "other")
    let total = count * subject.size + 5
    let buffer = communicator.allocate(total, label: "shared")
    subject.expect("allocate gives zeros", buffer) { _ in 0 }
    func contribution(_ rank: Int, _ index: Int) -> Float { Float(value(rank, index, salt: 1)) }
    func fill() { for index in 0..<total { buffer[index] = contribution(subject.rank, index) } }
    func sum(_ index: Int) -> Float { combined(0, subject.size, { contribution($0, index) }, +) }

    fill()
    communicator.allReduce(buffer, .sum, label: "shared")
    subject.expect("all-reduce of shared memory", buffer) { sum($0) }

    fill()
    communicator.allReduce(UnsafeMutableBufferPointer(rebasing: buffer[3..<total - 1]), .sum, label: "part")
    subject.expect("all-reduce of a part of shared memory", buffer) { index in
        (3..<total - 1).contains(index) ? sum(index) : contribution(subject.rank, index)
    }

    let parts = UnsafeMutableBufferPointer(rebasing: buffer[5...])
    fill()
    communicator.reduceScatter(parts, .sum, label: "shared")
    let mine = parts[subject.rank * count..<(subject.rank + 1) * count]
    subject.expect("reduce-scatter of shared memory", mine) { sum(5 + subject.rank * count + $0) }
    communicator.allGather(parts, label: "shared")
    subject.expect("all-gather of shared memory", parts) { sum(5 + $0) }
    subject.expect("memory beside shared memory", other) { _ in 0 }
}
