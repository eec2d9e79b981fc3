/// Spans of time of this process, in memory that is set aside beforehand: to record one allocates nothing.
///
/// What exceeds the capacity is counted and left out. Not thread-safe by itself: while it is being recorded to it belongs
/// to `Profiler`, which lets in one thread at a time, and afterwards to whoever stopped that.
public final class Trace: @unchecked Sendable {
    /// What a span is a part of.
    public enum Kind: UInt8, Sendable {
        /// A whole training step; everything else of a step lies inside it.
        case step
        /// A part of a step, such as the forward pass.
        case phase
        case forward
        case backward
        case collective
        /// What happens beside the steps, such as saving a checkpoint.
        case besides
    }

    /// Operations and bytes that a piece of work cannot do without: what its speed is judged by.
    public struct Work: Hashable, Sendable {
        /// Floating-point operations, a multiply-add being two.
        public var operations: Double
        /// Bytes read and written when every operand passes through memory once.
        public var bytes: Double

        public init(operations: Double = 0, bytes: Double = 0) {
            self.operations = operations
            self.bytes = bytes
        }

        /// Reading and writing as many floats in all.
        public static func moving(_ floats: Int) -> Work { Work(bytes: 4 * Double(floats)) }

        /// A matrix product of `[rows, depth]` and `[depth, columns]`.
        public static func product(rows: Int, columns: Int, depth: Int) -> Work {
            Work(
                operations: 2 * Double(rows) * Double(columns) * Double(depth),
                bytes: 4 * Double(rows * depth + depth * columns + rows * columns))
        }

        public static func + (a: Work, b: Work) -> Work {
            Work(operations: a.operations + b.operations, bytes: a.bytes + b.bytes)
        }
    }

    /// The sizes that tell one call of an operator from another of the same name.
    public struct Shape: Hashable, Sendable {
        public var rows: Int
        public var inputs: Int
        public var outputs: Int

        /// An operator on a matrix `[rows, inputs]`; `outputs` are the columns of its result where they differ.
        public init(rows: Int, inputs: Int, outputs: Int? = nil) {
            self.rows = rows
            self.inputs = inputs
            self.outputs = outputs ?? inputs
        }

        public static let none = Shape(rows: 0, inputs: 0)

        /// For example `1024 × 768 → 3072`; empty for none.
        public var text: String {
            guard rows > 0 else { return "" }
            return "\(rows) × \(inputs)" + (outputs == inputs ? "" : " → \(outputs)")
        }
    }

    /// Bytes of an arena at the end of a span.
    public struct Memory: Hashable, Sendable {
        public var inUse: Int
        public var reserved: Int

        public init(inUse: Int, reserved: Int) {
            self.inUse = inUse
            self.reserved = reserved
        }
    }

    public struct Event: Sendable {
        public var kind: Kind
        public var name: StaticString
        /// What the name alone doesn't say: an index into `labels`.
        public var label: Int?
        public var shape: Shape
        public var work: Work
        /// Nanoseconds of `Profiler.now`.
        public var start: UInt64
        public var end: UInt64
        /// Nanoseconds of it spent waiting for other ranks.
        public var waiting: UInt64
        /// Nanoseconds that the pool's threads did nothing, added up over them.
        public var idle: UInt64
        public var memory: Memory?
        /// Tells the threads of the process apart.
        public var thread: UInt

        package init(
            kind: Kind, name: StaticString, label: Int? = nil, shape: Shape = .none, work: Work = .init(),
            start: UInt64, end: UInt64, waiting: UInt64 = 0, idle: UInt64 = 0, memory: Memory? = nil, thread: UInt
        ) {
            self.kind = kind
            self.name = name
            self.label = label
            self.shape = shape
            self.work = work
            self.start = start
            self.end = end
            self.waiting = waiting
            self.idle = idle
            self.memory = memory
            self.thread = thread
        }
    }

    private let buffer: UnsafeMutableBufferPointer<Event>
    private var count = 0
    private var labelNumbers: [String: Int] = [:]
    public private(set) var labels: [String] = []
    /// Events that came when the trace was full.
    public private(set) var droppedCount = 0

    private static let mostLabels = 4096

    /// - Parameter capacity: Events that fit; one takes about 150 bytes.
    public init(capacity: Int = 1 << 18) {
        buffer = .allocate(capacity: max(capacity, 1))
        labelNumbers.reserveCapacity(256)
        labels.reserveCapacity(256)
    }

    deinit { buffer.deallocate() }

    /// What was recorded, in the order in which it ended.
    public var events: UnsafeBufferPointer<Event> { UnsafeBufferPointer(rebasing: buffer[..<count]) }

    public var capacity: Int { buffer.count }

    package func append(_ event: Event) {
        guard count < buffer.count else {
            droppedCount += 1
            return
        }
        buffer.initializeElement(at: count, to: event)
        count += 1
    }

    /// The number of a label; nil when there are more of them than a reader would want to see.
    package func number(of label: String) -> Int? {
        if let known = labelNumbers[label] { return known }
        guard labels.count < Self.mostLabels else { return nil }
        labels.append(label)
        labelNumbers[label] = labels.count - 1
        return labels.count - 1
    }
}
