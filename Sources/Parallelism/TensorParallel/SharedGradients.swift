import Collectives

/// Sums over tensor-parallel ranks the gradients of parameters that all of them hold whole but each of them used for a
/// share of the tokens: norms, output biases and position tables under sequence parallelism.
///
/// They lie between split parameters in the flat buffer, so they are collected, summed at once and put back. All ranks
/// end with the same bits.
public final class SharedGradients {
    private let communicator: any Communicator
    private let gradients: UnsafeMutableBufferPointer<Float>
    /// Of the flat buffer, ascending.
    private let ranges: [Range<Int>]
    private let collected: UnsafeMutableBufferPointer<Float>
    /// Those of the ranges before this one are still to be summed.
    private var end: Int

    /// - Parameter communicator: The tensor-parallel ranks.
    public init(_ communicator: any Communicator, of store: ParameterStore) {
        self.communicator = communicator
        gradients = store.gradients
        ranges = store.entries.filter { $0.specification.partition == .replicated }.map(\.range)
        collected = .allocate(capacity: ranges.reduce(0) { $0 + $1.count })
        end = ranges.count
    }

    deinit { collected.deallocate() }

    /// In or after the last backward pass of a step, which has completed all of this rank's gradients from an element on:
    /// sums those that have not been summed yet. Collective.
    public func sum(from start: Int) {
        var first = end
        while first > 0, ranges[first - 1].lowerBound >= start { first -= 1 }
        defer { end = first }
        guard first < end else { return }
        var count = 0
        for range in ranges[first..<end] {
            (collected.baseAddress! + count).update(from: gradients.baseAddress! + range.lowerBound, count: range.count)
            count += range.count
        }
        communicator.allReduce(
            UnsafeMutableBufferPointer(rebasing: collected[..<count]), .sum, label: "gradients of shared parameters")
        count = 0
        for range in ranges[first..<end] {
            (gradients.baseAddress! + range.lowerBound).update(from: collected.baseAddress! + count, count: range.count)
            count += range.count
        }
    }

    /// Begins the next step.
    public func begin() { end = ranges.count }
}
