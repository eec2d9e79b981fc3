import Collectives
import Foundation

/// Times the collectives of a communicator beside the MPI library's own all-reduce, in one run.
public enum CollectiveBenchmark {
    /// One collective at one size.
    public struct Row: Codable, Sendable {
        public let collective: String
        /// Size of each rank's buffer.
        public let bytes: Int
        /// Of one call, by the slowest rank: half of the calls took longer.
        public let medianSeconds: Double
        /// The fastest call; on a busy machine it says more than the median.
        public let bestSeconds: Double
        /// The best call of `MPI_Allreduce` at the same size over the best call of this, for all-reduces.
        public let timesFasterThanMPI: Double?

        public var gigabytesPerSecond: Double { Double(bytes) / bestSeconds / 1e9 }
    }

    /// Every rank must call it, on the communicator of all ranks; all get the same rows.
    ///
    /// - Parameters:
    ///   - largeBytes: size of the largest buffer, rounded to whole pages for every rank.
    ///   - repetitions: how often each measurement is taken.
    public static func run(
        on communicator: any Communicator, largeBytes: Int = 256 << 20, repetitions: Int = 7
    ) -> [Row] {
        let page = 1024 * communicator.size
        let count = max(largeBytes / 4 / page, 1) * page
        let shared = communicator.allocate(count, label: "benchmark, shared")
        let ordinary = UnsafeMutableBufferPointer<Float>.allocate(capacity: count)
        ordinary.initialize(repeating: 0)
        defer { ordinary.deallocate() }
        func prefix(_ buffer: UnsafeMutableBufferPointer<Float>, _ bytes: Int) -> UnsafeMutableBufferPointer<Float> {
            UnsafeMutableBufferPointer(rebasing: buffer[..<min(bytes / 4, count)])
        }

        var rows: [Row] = []
        for bytes in Set([4 << 10, 64 << 10, 1 << 20, count * 4]).sorted() where bytes <= count * 4 {
            let calls = max(1, min(500, (8 << 20) / bytes))
            let timings = measure(
                communicator, repetitions: repetitions, calls: calls,
                [
                    { communicator.allReduce(prefix(shared, bytes), .sum, label: "benchmark, shared") },
                    { communicator.allReduce(prefix(ordinary, bytes), .sum, label: "benchmark, ordinary") },
                    { if MPIRuntime.isRunning { LibraryReduction.allReduceSum(prefix(ordinary, bytes)) } },
                ])
            let library = MPIRuntime.isRunning ? timings[2] : nil
            let names = ["all-reduce of shared memory", "all-reduce of ordinary memory"]
            for (name, timing) in zip(names, timings) {
                rows.append(row(name, bytes: bytes, timing, comparedWith: library))
            }
            if let library { rows.append(row("MPI_Allreduce", bytes: bytes, library)) }
        }
        let timings = measure(
            communicator, repetitions: repetitions, calls: 1,
            [
                { communicator.reduceScatter(shared, .sum, label: "benchmark, shared") },
                { communicator.allGather(shared, label: "benchmark, shared") },
                { communicator.reduceScatter(ordinary, .sum, label: "benchmark, ordinary") },
                { communicator.allGather(ordinary, label: "benchmark, ordinary") },
            ])
        let names = [
            "reduce-scatter of shared", "all-gather of shared", "reduce-scatter of ordinary", "all-gather of ordinary",
        ]
        for (name, timing) in zip(names, timings) { rows.append(row("\(name) memory", bytes: count * 4, timing)) }
        return rows
    }

    /// The rows as aligned text, with a heading.
    public static func table(_ rows: [Row]) -> String {
        func cell(_ text: String, width: Int) -> String {
            String(repeating: " ", count: max(0, width - text.count)) + text
        }
        let heading =
            "collective".padding(toLength: 34, withPad: " ", startingAt: 0)
            + ["KiB", "median µs", "best µs", "GB/s", "× MPI"].map { cell($0, width: 11) }.joined()
        let lines = rows.map { row in
            row.collective.padding(toLength: 34, withPad: " ", startingAt: 0)
                + [
                    String(row.bytes >> 10), String(format: "%.1f", row.medianSeconds * 1e6),
                    String(format: "%.1f", row.bestSeconds * 1e6), String(format: "%.2f", row.gigabytesPerSecond),
                    row.timesFasterThanMPI.map { String(format: "%.2f", $0) } ?? "",
                ].map { cell($0, width: 11) }.joined()
        }
        return ([heading] + lines).joined(separator: "\n")
    }

    private struct Timing {
        let median: Double
        let best: Double
    }

    private static func row(
        _ collective: String, bytes: Int, _ timing: Timing, comparedWith library: Timing? = nil
    ) -> Row {
        Row(
            collective: collective, bytes: bytes, medianSeconds: timing.median, bestSeconds: timing.best,
            timesFasterThanMPI: library.map { $0.best / timing.best })
    }

    /// Seconds a call of each body, which take turns so that whatever else the machine does hits all alike.
    private static func measure(
        _ communicator: any Communicator, repetitions: Int, calls: Int, _ bodies: [() -> Void]
    ) -> [Timing] {
        var seconds = [Double](repeating: 0, count: bodies.count * repetitions)
        for body in bodies { body() }
        for repetition in 0..<repetitions {
            for (index, body) in bodies.enumerated() {
                communicator.barrier(label: "benchmark")
                let duration = ContinuousClock().measure {
                    for _ in 0..<calls { body() }
                }
                seconds[index * repetitions + repetition] = duration / .seconds(1) / Double(calls)
            }
        }
        seconds.withUnsafeMutableBufferPointer { communicator.allReduce($0, .max, label: "benchmark, times") }
        return bodies.indices.map { index in
            let sorted = seconds[index * repetitions..<(index + 1) * repetitions].sorted()
            return Timing(median: sorted[repetitions / 2], best: sorted[0])
        }
    }
}
