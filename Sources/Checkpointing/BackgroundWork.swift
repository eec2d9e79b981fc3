import Foundation
import Synchronization

/// Work on a thread of its own, whose end others can look at or wait for.
final class BackgroundWork<Value: Sendable>: @unchecked Sendable {
    private let condition = NSCondition()
    /// Under the lock of `condition`.
    private var result: Result<Value, any Error>?
    private let ended = Atomic<Bool>(false)

    init(_ name: String, _ body: @escaping @Sendable () throws -> Value) {
        let thread = Thread { self.end(with: Result(catching: body)) }
        thread.name = name
        thread.stackSize = 8 << 20
        thread.start()
    }

    /// Takes neither a lock nor memory.
    var hasEnded: Bool { ended.load(ordering: .acquiring) }

    func wait() throws -> Value {
        try condition.withLock {
            while true {
                if let result { return try result.get() }
                condition.wait()
            }
        }
    }

    private func end(with result: Result<Value, any Error>) {
        condition.withLock {
            self.result = result
            condition.broadcast()
        }
        ended.store(true, ordering: .releasing)
    }
}
