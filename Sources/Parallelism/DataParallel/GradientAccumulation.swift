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
/// The last sum is always in the store's own buffer, where the exchange finds it; the others wait in spare buffers.
public final class GradientAccumulation {
    private let determinism: Determinism
    private let store: ParameterStore
    private let tape: Tape
    /// Sums that wait for a partner are in the first of these, the longest run first.
    private var spares: [UnsafeMutablePointer<Float>] = []
    private var waiting = 0
    /// Where the tape puts gradients now.
    private var target: UnsafeMutablePointer<Float>
    /// In the last backward pass: where the elements begin that the waiting sums have been added to already.
    private var finishedFrom: Int

    private static let tileSize = 1 << 15
    /// Elements that stay in the first-level cache while all waiting sums are added to them.
    private static let blockSize = 1 << 11

    /// - Parameter tape: That on which the store's tensors are bound.
    public init(_ determinism: Determinism, of store: ParameterStore, on tape: Tape) {
        self.determinism = determinism
        self.store = store
        self.tape = tape
        target = store.gradients.baseAddress!
        finishedFrom = store.gradients.count
    }

    deinit { for spare in spares { Arena.deallocate(spare) } }

    private var whole: UnsafeMutablePointer<Float> { store.gradients.baseAddress! }

    /// Prepares for the forward and backward pass of the micro-batch `index` of `count`.
    public func begin(microBatch index: Int, of count: Int) {
        guard determinism == .topology else {
            if index == 0 { tape.startGradients() }
            return
        }
        if index == 0 { waiting = 0 }
        // A micro-batch that nothing waits for to be combined with computes its sum where that will wait itself.
        let waits = index % 2 == 0 && index < count - 1
        if waits, waiting == spares.count { addSpare() }
        moveTarget(to: waits ? spares[waiting] : whole)
        tape.startGradients()
        finishedFrom = store.gradients.count
    }

    /// Takes in the gradients of the micro-batch `index` of `count`, whose backward pass is done.
    ///
    /// Those of the last are complete only after `finish(from: 0)`, or `finish(_:)` of every range.
    public func end(microBatch index: Int, of count: Int) {
        let isLast = index == count - 1
        if isLast || determinism == .topology { tape.zeroUntouchedGradients() }
        guard determinism == .topology, !isLast else { return }
        let carries = (~index).trailingZeroBitCount
        if carries > 0 { carry(carries) }
        waiting += 1 - carries
    }

    /// In or after the last backward pass, which has completed all gradients from an element on: completes their sums.
    public func finish(from start: Int) {
        guard start < finishedFrom else { return }
        let range = start..<finishedFrom
        finishedFrom = start
        guard waiting > 0 else { return }
        span(floats: (waiting + 2) * range.count) {
            tape.pool.forEachRange(range.count, tileSize: Self.tileSize) { tile, _ in
                finish(range.lowerBound + tile.lowerBound..<range.lowerBound + tile.upperBound)
            }
        }
    }

    /// The same for one range, on the calling thread, for who has other work on it while it is in the cache.
    public func finish(_ range: Range<Int>) {
        guard waiting > 0 else { return }
        for start in stride(from: range.lowerBound, to: range.upperBound, by: Self.blockSize) {
            let count = min(Self.blockSize, range.upperBound - start)
            for level in (0..<waiting).reversed() { add(spares[level] + start, to: whole + start, count: count) }
        }
    }

    /// Combines the newest micro-batch with the last `count` sums that wait, into the place of the longest of them.
    private func carry(_ count: Int) {
        let (longest, newest) = (waiting - count, waiting - 1)
        span(floats: (count + 2) * store.gradients.count) {
            tape.pool.forEachRange(store.gradients.count, tileSize: Self.tileSize) { tile, _ in
                for start in stride(from: tile.lowerBound, to: tile.upperBound, by: Self.blockSize) {
                    let elements = min(Self.blockSize, tile.upperBound - start)
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

    private func moveTarget(to place: UnsafeMutablePointer<Float>) {
        guard place != target else { return }
        tape.moveGradients(from: target, to: place)
        target = place
    }

    private func addSpare() {
        let spare = Arena.allocateAligned(store.gradients.count)
        // Padding between parameters is never computed, and must stay zero.
        spare.initialize(repeating: 0, count: store.gradients.count)
        spares.append(spare)
    }
}
