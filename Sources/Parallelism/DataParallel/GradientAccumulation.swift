import Autograd
import Numerics

/// Adds up the gradients of a rank's micro-batches within a step.
///
/// With `.fast` the operators of every backward pass add to what is there. With `.topology` each micro-batch's gradients
/// are computed by themselves, and sums of two equally long runs of micro-batches are combined as a binary counter
/// carries; what is left at the end is combined smallest first. That is the order of `ReductionTree`, of which a rank's
/// micro-batches are the leaves if it is alone, and otherwise, where it has a power of two of them, a node:
///
///     after micro-batch   1    2    3      4    5      6      7 (last)
///     sums that wait      0    01   01 2   0–3  0–3 4  0–3 45 → 0–3 + (45 + 6)
///
/// Every parameter counts by itself, when a micro-batch first contributes to it: with several micro-batches under way,
/// or weights' gradients computed later than those of the activations, parameters are at different micro-batches. All
/// that is asked of the order is that each parameter sees the micro-batches in theirs.
///
/// The last sum is always in the store's own buffer, where the exchange finds it; the others wait in spare buffers.
public final class GradientAccumulation: GradientTurns {
    private let determinism: Determinism
    private let store: ParameterStore
    private let tape: Tape
    /// Elements of the flat buffers that each of the tape's bound tensors has.
    private let ranges: [Range<Int>]
    /// Sums that wait for a partner are in the first of these, the longest run first.
    private var spares: [UnsafeMutablePointer<Float>] = []
    /// Micro-batches of the step.
    private var count = 1
    /// In the last backward pass: where the elements begin that the waiting sums have been added to already.
    private var finishedFrom: Int

    private static let tileSize = 1 << 15
    /// Elements that stay in the first-level cache while all waiting sums are added to them.
    private static let blockSize = 1 << 11

    /// - Parameter tape: That on which the store's tensors are bound, and no others.
    public init(_ determinism: Determinism, of store: ParameterStore, on tape: Tape) {
        self.determinism = determinism
        self.store = store
        self.tape = tape
        finishedFrom = store.gradients.count
        let whole = store.gradients.baseAddress!
        ranges = (0..<tape.boundTensorCount).map { index in
            guard let gradient = tape.boundGradient(index) else { return 0..<0 }
            let start = gradient.baseAddress! - whole
            return start..<start + gradient.count
        }
        if determinism == .topology { tape.setTurns(self) }
    }

    deinit {
        tape.setTurns(nil)
        for spare in spares { Arena.deallocate(spare) }
    }

    private var whole: UnsafeMutablePointer<Float> { store.gradients.baseAddress! }

    /// Begins a step of `count` micro-batches.
    public func begin(microBatches count: Int) {
        self.count = count
        finishedFrom = store.gradients.count
        tape.turn = 0
        if determinism == .fast { tape.startGradients() } else { tape.forgetTurns() }
    }

    /// What operators contribute from here on is of the micro-batch `index`.
    public func take(microBatch index: Int) { tape.turn = index }

    /// Whether operators contribute to the last micro-batch's gradients now.
    var isAtLast: Bool { tape.turn == count - 1 }

    /// Says that all micro-batches have contributed to the parameters from `first` on, or to all.
    ///
    /// Sums are complete only after `finish(from: 0)`, or `finish(_:)` of every range.
    public func complete(from first: Tensor? = nil) {
        if determinism == .topology {
            for index in Int(first?.slot ?? 0)..<ranges.count where tape.turn(of: index) < count - 1 {
                begin(count - 1, of: index)
            }
        }
        tape.zeroUntouchedGradients(from: first)
    }

    public func begin(_ turn: Int, of index: Int) {
        let range = ranges[index]
        guard !range.isEmpty else { return }
        for next in tape.turn(of: index) + 1..<turn + 1 {
            if next > 0 { carry(after: next - 1, range) }
            let place = place(of: next) + range.lowerBound
            tape.beginTurn(next, of: index, at: place)
            // One that contributes nothing counts as zeros.
            if next < turn { place.update(repeating: 0, count: range.count) }
        }
    }

    /// How many sums wait before a micro-batch's own.
    private func waiting(before microBatch: Int) -> Int { microBatch.nonzeroBitCount }

    /// A micro-batch that nothing waits for to be combined with computes its sum where that will wait itself.
    private func place(of microBatch: Int) -> UnsafeMutablePointer<Float> {
        guard microBatch % 2 == 0, microBatch < count - 1 else { return whole }
        let level = waiting(before: microBatch)
        while spares.count <= level { addSpare() }
        return spares[level]
    }

    /// In or after the last backward pass, which has completed all gradients from an element on: completes their sums.
    public func finish(from start: Int) {
        guard start < finishedFrom else { return }
        let range = start..<finishedFrom
        finishedFrom = start
        guard waitingAtLast > 0 else { return }
        span(floats: (waitingAtLast + 2) * range.count) {
            tape.pool.forEachRange(range.count, tileSize: Self.tileSize) { tile, _ in
                finish(range.lowerBound + tile.lowerBound..<range.lowerBound + tile.upperBound)
            }
        }
    }

    /// The same for one range, on the calling thread, for who has other work on it while it is in the cache.
    public func finish(_ range: Range<Int>) {
        let waiting = waitingAtLast
        guard waiting > 0 else { return }
        for start in stride(from: range.lowerBound, to: range.upperBound, by: Self.blockSize) {
            let count = min(Self.blockSize, range.upperBound - start)
            for level in (0..<waiting).reversed() { add(spares[level] + start, to: whole + start, count: count) }
        }
    }

    /// Sums that wait for the last micro-batch's.
    private var waitingAtLast: Int { determinism == .topology ? waiting(before: count - 1) : 0 }

    /// Combines a micro-batch's gradients with those sums that wait for them, into the place of the longest of these.
    private func carry(after microBatch: Int, _ range: Range<Int>) {
        let carries = (~microBatch).trailingZeroBitCount
        guard carries > 0 else { return }
        let waiting = waiting(before: microBatch)
        let (longest, newest) = (waiting - carries, waiting - 1)
        span(floats: (carries + 2) * range.count) {
            tape.pool.forEachRange(range.count, tileSize: Self.tileSize) { tile, _ in
                let end = range.lowerBound + tile.upperBound
                for start in stride(from: range.lowerBound + tile.lowerBound, to: end, by: Self.blockSize) {
                    let elements = min(Self.blockSize, end - start)
                    for level in (longest + 1..<newest + 1).reversed() {
                        add(spares[level] + start, to: whole + start, count: elements)
                    }
                    add(whole + start, to: spares[longest] + start, count: elements)
                }
            }
        }
    }

    /// Addition has the same bits in either order.
    private func add(_ source: UnsafePointer<Float>, to sum: UnsafeMutablePointer<Float>, count: Int) {
        for index in 0..<count { sum[index] += source[index] }
    }

    private func span(floats: Int, _ body: () -> Void) {
        Profiler.span(
            .phase, "gradient accumulation", work: Trace.Work(bytes: 4 * Double(floats)), pool: tape.pool, body)
    }

    private func addSpare() {
        let spare = Arena.allocateAligned(store.gradients.count)
        // Padding between parameters is never computed, and must stay zero.
        spare.initialize(repeating: 0, count: store.gradients.count)
        spares.append(spare)
    }
}
