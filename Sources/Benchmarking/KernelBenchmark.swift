import Autograd
import Foundation
import Kernels
import Numerics
import Observability

/// Times every kernel over the shapes of real models, on one thread and on all, against what the machine could do.
///
/// Operators run on a tape, forward and backward, as they do in a step; their spans are those of a profile.
public struct KernelBenchmark: Sendable {
    /// Keeps kernels and models whose names contain it, whatever the case; nil keeps all.
    public var filter: String?
    /// For each kernel, shape and number of threads; the slowest run once at least.
    public var seconds: Double
    public var threads: Int

    public init(filter: String? = nil, seconds: Double = 0.1, threads: Int) {
        self.filter = filter
        self.seconds = seconds
        self.threads = threads
    }

    /// One kernel at one shape; the property names are the keys of `--json`.
    public struct Row: Codable, Sendable {
        /// For example `layer norm, backward`.
        public var kernel: String
        /// For example `1024 × 768`.
        public var shape: String
        /// The models that have it.
        public var models: [String]
        /// Operations and bytes of one call, each operand counted once.
        public var operations: Double
        public var bytes: Double
        /// On one thread, and on all where there are more.
        public var timings: [Timing]
    }

    public struct Timing: Codable, Sendable {
        public var threads: Int
        public var calls: Int
        public var medianSeconds: Double
        public var fastestSeconds: Double
        /// At the peak or the bandwidth measured on as many threads, whichever takes longer.
        public var floorSeconds: Double
        /// Whether the floor is that of the operations.
        public var isComputeBound: Bool
        /// Of the threads' time: waiting for each other.
        public var idleShare: Double
    }

    /// Measured in the same run, on as many threads.
    public struct Floor: Codable, Sendable {
        public var threads: Int
        public var peakGFLOPs: Double
        public var copyGBs: Double
    }

    public struct Result: Codable, Sendable {
        public var machine: BenchmarkMachine
        /// For each kernel, shape and number of threads.
        public var seconds: Double
        public var floors: [Floor]
        public var rows: [Row]
    }

    /// - Throws: `ApusError` where nothing passes the filter.
    public func run(progress: (String) -> Void = { _ in }) throws -> Result {
        let cases = try selectedCases()
        let threadCounts = threads > 1 ? [1, threads] : [1]
        let floors = threadCounts.map {
            Floor(
                threads: $0, peakGFLOPs: PeakMeasurement.multiplyAddGFLOPs(threads: $0),
                copyGBs: PeakMeasurement.copyGBs(threads: $0))
        }
        var rows: [Row] = []
        for (index, item) in cases.enumerated() {
            progress("\(index + 1) of \(cases.count): \(item.name)")
            for floor in floors { measure(item, floor, into: &rows) }
        }
        return Result(machine: .current, seconds: seconds, floors: floors, rows: rows)
    }

    private func selectedCases() throws -> [KernelCase] {
        var cases: [KernelCase] = []
        for model in KernelBenchmarkModel.all {
            for item in model.cases {
                // Two models may have the same kernel at the same shape: it is timed once.
                if let known = cases.firstIndex(where: { $0.name == item.name }) {
                    cases[known].models.append(model.name)
                } else {
                    cases.append(item)
                }
            }
        }
        guard let filter else { return cases }
        let chosen = cases.filter { item in
            ([item.name] + item.models).contains { $0.localizedCaseInsensitiveContains(filter) }
        }
        guard chosen.isEmpty else { return chosen }
        let names = Set(cases.map { $0.name.prefix { !$0.isNumber } }).sorted().map {
            $0.trimmingCharacters(in: .whitespaces)
        }
        throw ApusError(
            "choosing kernels", "nothing contains '\(filter)'",
            remedy: "the kernels are \(names.joined(separator: ", ")); the models are "
                + KernelBenchmarkModel.all.map(\.name).joined(separator: ", "))
    }

    private func measure(_ item: KernelCase, _ floor: Floor, into rows: inout [Row]) {
        let pool = ThreadPool(threadCount: floor.threads)
        let bench = KernelWorkbench(pool: pool)
        let body = item.prepare(bench)
        let clock = ContinuousClock()
        // The first call fills caches and the arena.
        let first = clock.measure(body)
        Profiler.start(Trace(capacity: 1 << 16))
        let end = clock.now + .seconds(max(seconds - first / .seconds(1), 0))
        repeat { body() } while clock.now < end
        guard let trace = Profiler.stop() else { return }
        // Of this thread alone: the process may have others that run operators.
        let mine = UInt(pthread_self())
        let calls = Dictionary(grouping: trace.events.filter { $0.work != Trace.Work() && $0.thread == mine }) {
            $0.kind == .backward ? "\($0.name), backward" : "\($0.name)"
        }
        for (kernel, events) in calls.sorted(by: { $0.value[0].start < $1.value[0].start }) {
            add(kernel, events, item, floor, to: &rows)
        }
    }

    private func add(
        _ kernel: String, _ events: [Trace.Event], _ item: KernelCase, _ floor: Floor, to rows: inout [Row]
    ) {
        let work = events[0].work
        let times = events.map { Double($0.end - $0.start) * 1e-9 }.sorted()
        let computing = work.operations / (floor.peakGFLOPs * 1e9)
        let moving = work.bytes / (floor.copyGBs * 1e9)
        let idle = events.reduce(0) { $0 + Double($1.idle) * 1e-9 }
        let timing = Timing(
            threads: floor.threads, calls: times.count, medianSeconds: times[times.count / 2],
            fastestSeconds: times[0], floorSeconds: max(computing, moving), isComputeBound: computing > moving,
            idleShare: idle / max(times.reduce(0, +) * Double(floor.threads), 1e-12))
        let shape = events[0].shape.text
        if let known = rows.firstIndex(where: { $0.kernel == kernel && $0.shape == shape }) {
            if !rows[known].timings.contains(where: { $0.threads == floor.threads }) {
                rows[known].timings.append(timing)
            }
        } else {
            rows.append(
                Row(
                    kernel: kernel, shape: shape, models: item.models, operations: work.operations, bytes: work.bytes,
                    timings: [timing]))
        }
    }
}

/// One kernel, or an operator with its backward pass, at one shape.
struct KernelCase {
    /// Kernel and shape.
    let name: String
    var models: [String]
    /// Sets up the operands and returns what is timed; its spans say how long it took.
    let prepare: (KernelWorkbench) -> () -> Void
}
