import Numerics

/// What a rank spent its training steps on, added up by operator, collective and part of the step.
///
/// Every moment of a step belongs to the innermost span around it, so that the times add up to the steps' own.
public struct Profile: Sendable {
    /// Where the spans come from, and the measurements that their speed is judged by.
    public struct Facts: Hashable, Sendable {
        public var rank: Int
        public var ranks: Int
        public var threads: Int
        /// The first step that was profiled, counted from 1 at the start of the process.
        public var firstStep: Int
        /// Multiply-add peak of the rank's threads in GFLOP/s, while all ranks of its host are as busy.
        public var peakGFLOPs: Double
        /// Copy bandwidth of the rank's threads in GB/s, reads and writes both counted, likewise.
        public var copyGBs: Double

        public init(
            rank: Int, ranks: Int, threads: Int, firstStep: Int, peakGFLOPs: Double, copyGBs: Double
        ) {
            self.rank = rank
            self.ranks = ranks
            self.threads = threads
            self.firstStep = firstStep
            self.peakGFLOPs = peakGFLOPs
            self.copyGBs = copyGBs
        }
    }

    public enum Group: Int, CaseIterable, Sendable {
        case forward
        /// Forward passes that run again inside a backward pass.
        case recomputation
        case backward
        case collectives
        /// Parts of a step that are no operator, and what lies between the operators of the others.
        case rest
    }

    /// All spans of one kind, over all steps.
    public struct Row: Sendable {
        public var group: Group
        public var title: String
        public var calls = 0
        /// Without the spans inside.
        public var seconds = 0.0
        public var waitingSeconds = 0.0
        /// Of all threads together.
        public var idleSeconds = 0.0
        /// Of a collective, the bytes are those of the buffers that the rank passed in.
        public var work = Trace.Work()
        /// What it would take at the measured peak and bandwidth.
        public var floorSeconds = 0.0
        /// Whether the floor is that of the operations rather than of the bytes.
        public var isComputeBound = false
    }

    public let facts: Facts
    /// Steps that were recorded in full.
    public private(set) var stepCount = 0
    /// All steps together.
    public private(set) var stepSeconds = 0.0
    /// Parts of the steps; their times add up to `stepSeconds`.
    public private(set) var rows: [Row] = []
    /// What happened between the steps, such as saving, and collectives on other threads than the steps'.
    public private(set) var besides: [Row] = []
    public let droppedCount: Int

    public init(_ trace: Trace, facts: Facts) {
        self.facts = facts
        droppedCount = trace.droppedCount
        var builder = Builder(facts: facts, labels: trace.labels)
        for events in Self.threads(of: trace.events) { builder.add(events) }
        stepCount = builder.stepCount
        stepSeconds = builder.stepSeconds
        rows = Self.sorted(builder.rows)
        besides = Self.sorted(builder.besides)
    }

    /// The events of each thread, outer ones before those inside.
    private static func threads(of events: UnsafeBufferPointer<Trace.Event>) -> [[Trace.Event]] {
        let numbered = Dictionary(grouping: events.enumerated(), by: \.element.thread)
        return numbered.values.map { events in
            events.sorted { a, b in
                if a.element.start != b.element.start { return a.element.start < b.element.start }
                // An outer span ends, and so is recorded, later.
                return a.offset > b.offset
            }.map(\.element)
        }
    }

    private static func sorted(_ rows: some Sequence<Row>) -> [Row] {
        rows.sorted { ($0.group.rawValue, -$0.seconds, $0.title) < ($1.group.rawValue, -$1.seconds, $1.title) }
    }
}

/// Adds up spans, thread by thread.
private struct Builder {
    let facts: Profile.Facts
    let labels: [String]
    var stepCount = 0
    var stepSeconds = 0.0
    private var stepRows: [Key: Profile.Row] = [:]
    private var besideRows: [Key: Profile.Row] = [:]

    var rows: Dictionary<Key, Profile.Row>.Values { stepRows.values }
    var besides: Dictionary<Key, Profile.Row>.Values { besideRows.values }

    struct Key: Hashable {
        var group: Profile.Group
        var title: String
    }

    /// A span whose end has not been reached.
    private struct Open {
        var event: Trace.Event
        var isInStep: Bool
        var isInBackward: Bool
        /// Nanoseconds of the spans inside.
        var innerTime: UInt64 = 0
        var innerIdle: UInt64 = 0
    }

    init(facts: Profile.Facts, labels: [String]) {
        self.facts = facts
        self.labels = labels
    }

    mutating func add(_ events: [Trace.Event]) {
        var open: [Open] = []
        for event in events {
            while let last = open.last, last.event.end < event.end || last.event.end <= event.start {
                close(open.removeLast())
            }
            if !open.isEmpty {
                open[open.count - 1].innerTime += event.end - event.start
                open[open.count - 1].innerIdle += event.idle
            }
            let outer = open.last
            open.append(
                Open(
                    event: event, isInStep: outer?.isInStep == true || event.kind == .step,
                    isInBackward: outer?.isInBackward == true || outer?.event.kind == .backward))
        }
        while let last = open.popLast() { close(last) }
    }

    private mutating func close(_ span: Open) {
        let event = span.event
        if event.kind == .step {
            stepCount += 1
            stepSeconds += Double(event.end - event.start) * 1e-9
        }
        // What happens between steps is told whole: a save, not the collectives that it makes.
        if !span.isInStep, event.kind != .besides, event.kind != .collective { return }
        let key = key(of: span)
        var row = (span.isInStep ? stepRows[key] : besideRows[key]) ?? Profile.Row(group: key.group, title: key.title)
        row.calls += 1
        row.seconds += Double(event.end - event.start - min(span.innerTime, event.end - event.start)) * 1e-9
        row.waitingSeconds += Double(event.waiting) * 1e-9
        row.idleSeconds += Double(event.idle - min(span.innerIdle, event.idle)) * 1e-9
        row.work = row.work + event.work
        // A collective reads what it was given and writes the result.
        let bytes = event.work.bytes * (event.kind == .collective ? 2 : 1)
        let computing = event.work.operations / (facts.peakGFLOPs * 1e9)
        let moving = bytes / (facts.copyGBs * 1e9)
        row.floorSeconds += max(computing, moving)
        row.isComputeBound = computing > moving
        if span.isInStep { stepRows[key] = row } else { besideRows[key] = row }
    }

    private func key(of span: Open) -> Key {
        let event = span.event
        switch event.kind {
        case .forward:
            return Key(group: span.isInBackward ? .recomputation : .forward, title: title(of: event))
        case .backward: return Key(group: .backward, title: title(of: event))
        case .collective: return Key(group: .collectives, title: event.title(labels))
        case .step: return Key(group: .rest, title: "outside all of these")
        case .phase:
            // What is left of a phase with operators in it is what lies between them.
            let isBetween = event.work == Trace.Work() && span.innerTime > 0
            return Key(group: .rest, title: isBetween ? "\(event.name), between its parts" : "\(event.name)")
        case .besides: return Key(group: .rest, title: "\(event.name)")
        }
    }

    private func title(of event: Trace.Event) -> String {
        event.shape == .none ? event.title(labels) : "\(event.title(labels)) \(event.shape.text)"
    }
}

extension Trace.Event {
    /// The name, and the label where there is one.
    func title(_ labels: [String]) -> String { label.map { "\(name) '\(labels[$0])'" } ?? "\(name)" }
}
