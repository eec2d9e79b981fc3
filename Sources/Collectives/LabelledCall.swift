import Numerics
import Synchronization

/// The collective that this process is in, or was in last.
///
/// A heartbeat thread reads it while the main thread may be waiting inside: a rank that hangs can say where.
public struct LabelledCall: Sendable {
    public let kind: CollectiveKind
    public let label: String
    /// Size of the buffer that this rank passed in.
    public let bytes: Int
    /// How many collectives this process had begun when this one began, itself included: ranks of one group that
    /// run the same program agree on it, so the rank with a lower number is the one that others wait for.
    public let sequence: Int
    public let began: ContinuousClock.Instant
    /// Whether the call has not returned yet.
    public fileprivate(set) var isRunning: Bool

    private static let latestCall = Mutex<LabelledCall?>(nil)

    /// Nil before the first collective of the process. May be called from any thread.
    public static var latest: LabelledCall? { latestCall.withLock { $0 } }

    fileprivate static func begin(_ kind: CollectiveKind, label: String, bytes: Int) {
        latestCall.withLock {
            $0 = LabelledCall(
                kind: kind, label: label, bytes: bytes, sequence: ($0?.sequence ?? 0) + 1, began: .now, isRunning: true)
        }
    }

    fileprivate static func end() {
        latestCall.withLock { $0?.isRunning = false }
    }
}

/// Notes every call of one communicator for diagnostics and profiles and counts its bytes; allocates nothing.
struct CallRecorder {
    private(set) var volume = CommunicationVolume()
    // The call that is running.
    private var kind = CollectiveKind.barrier
    private var bytes = 0
    private var mark = Profiler.mark()
    private var label: Int?
    private var waiting: UInt64 = 0

    mutating func begin(_ kind: CollectiveKind, label: String, bytes: Int) {
        count(kind, bytes: bytes)
        note(kind, label: label, bytes: bytes)
    }

    /// Counts a message that is begun now and waited for later.
    mutating func count(_ kind: CollectiveKind, bytes: Int) { volume.count(kind, bytes: bytes) }

    /// Notes that the end of a message is waited for, which has been counted.
    mutating func beginWaiting(_ kind: CollectiveKind, label: String) { note(kind, label: label, bytes: 0) }

    private mutating func note(_ kind: CollectiveKind, label: String, bytes: Int) {
        LabelledCall.begin(kind, label: label, bytes: bytes)
        FaultPoint.reach(.collective)
        mark = Profiler.mark()
        guard Profiler.isRecording else { return }
        self.kind = kind
        self.bytes = bytes
        self.label = Profiler.number(of: label)
        waiting = 0
    }

    mutating func end() {
        LabelledCall.end()
        Profiler.record(
            since: mark, .collective, kind.name, label: label, work: Trace.Work(bytes: Double(bytes)),
            waiting: waiting)
    }

    /// Runs `wait`, which does nothing but wait for other ranks, as a part of the running call.
    mutating func waiting(_ wait: () -> Void) {
        guard Profiler.isRecording else { return wait() }
        let start = Profiler.now
        wait()
        waiting += Profiler.now - start
    }
}
