import Foundation

/// Works on items on several threads, and hands the results on in the order in which the items came.
///
/// What is submitted and not yet consumed is bounded, so a slow consumer slows the producer down. The first error, on
/// whichever side, ends everything and is thrown to the producer.
package final class OrderedPipeline<Item, Result>: @unchecked Sendable {  // All state is behind `condition`.
    /// Turns items into results; every thread makes its own.
    package typealias Work = (Item) throws -> Result

    private let consume: (Result) throws -> Void
    private let mostInFlight: Int
    private let condition = NSCondition()
    private var threads: [Thread] = []

    private var waiting: [(number: Int, item: Item)] = []
    private var finished: [Int: Result] = [:]
    private var costs: [Int: Int] = [:]
    private var costInFlight = 0
    private var submitted = 0
    private var consumed = 0
    private var isConsuming = false
    private var isClosed = false
    private var runningThreads: Int
    private var failure: (any Error)?

    /// - Parameters:
    ///   - mostInFlight: the most cost that may be submitted and not yet consumed; a single dearer item is let through.
    ///   - makeWork: called once on each thread.
    ///   - consume: called with one result at a time, in order, on any of the threads.
    package init(
        threadCount: Int, mostInFlight: Int, makeWork: @escaping @Sendable () -> Work,
        consume: @escaping (Result) throws -> Void
    ) {
        self.mostInFlight = mostInFlight
        self.consume = consume
        runningThreads = threadCount
        for _ in 0..<threadCount {
            let thread = Thread { self.run(makeWork()) }
            thread.stackSize = 8 << 20
            threads.append(thread)
            thread.start()
        }
    }

    /// Hands an item in, after waiting until there is room for it.
    ///
    /// - Throws: the first error of any thread.
    package func submit(_ item: Item, cost: Int) throws {
        condition.lock()
        defer { condition.unlock() }
        while failure == nil, costInFlight > 0, costInFlight + cost > mostInFlight { condition.wait() }
        if let failure { throw failure }
        waiting.append((submitted, item))
        costs[submitted] = cost
        costInFlight += cost
        submitted += 1
        condition.broadcast()
    }

    /// Waits until all is consumed and the threads have ended. Must be called once, also when the producer failed.
    ///
    /// - Parameter cancelling: drops what isn't consumed yet.
    /// - Throws: the first error of any thread.
    package func finish(cancelling: Bool = false) throws {
        condition.lock()
        defer { condition.unlock() }
        isClosed = true
        if cancelling { waiting = [] }
        condition.broadcast()
        while runningThreads > 0 { condition.wait() }
        if let failure { throw failure }
    }

    private func run(_ work: Work) {
        condition.lock()
        defer {
            runningThreads -= 1
            condition.broadcast()
            condition.unlock()
        }
        while failure == nil {
            if waiting.isEmpty {
                if isClosed { return }
                condition.wait()
                continue
            }
            let (number, item) = waiting.removeFirst()
            do {
                finished[number] = try unlocked { try work(item) }
                try consumeInOrder()
            } catch {
                if failure == nil { failure = error }
            }
        }
    }

    /// Consumes all results whose turn it is, unless another thread is at it.
    private func consumeInOrder() throws {
        guard !isConsuming else { return }
        isConsuming = true
        defer { isConsuming = false }
        while failure == nil, let result = finished.removeValue(forKey: consumed) {
            try unlocked { try consume(result) }
            costInFlight -= costs.removeValue(forKey: consumed) ?? 0
            consumed += 1
            condition.broadcast()
        }
    }

    private func unlocked<Value>(_ body: () throws -> Value) rethrows -> Value {
        condition.unlock()
        defer { condition.lock() }
        return try body()
    }
}
