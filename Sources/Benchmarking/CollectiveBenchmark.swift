import Collectives
import Foundation
import Kernels

/// Times the collectives of a communicator beside the MPI library's own all-reduce, and compares them with the copy
/// bandwidth, all in one run.
public enum CollectiveBenchmark {
    /// What was measured, and where; the property names are the keys of `--json`.
    public struct Result: Codable, Sendable {
        public let machine: BenchmarkMachine
        public let ranks: Int
        /// How often each row's calls were timed.
        public let repetitions: Int
        /// Copying from memory to memory, reads and writes both counted, by one thread of every rank at once: all ranks
        /// together.
        public let copyGBs: Double
        public let rows: [Row]
    }

    /// One collective at one size.
    public struct Row: Codable, Sendable {
        public let collective: String
        /// Size of each rank's buffer.
        public let bytes: Int
        /// What all ranks together have to read and write at least, when every buffer passes through memory once.
        public let movedBytes: Int
        /// Of one call, by the slowest rank: half of the calls took longer.
        public let medianSeconds: Double
        /// The fastest call; on a busy machine it says more than the median.
        public let bestSeconds: Double
        /// The best call of `MPI_Allreduce` at the same size over the best call of this, for all-reduces.
        public let timesFasterThanMPI: Double?

        /// Of a rank's buffer.
        public var gigabytesPerSecond: Double { Double(bytes) / bestSeconds / 1e9 }
        /// Of all reads and writes, by which a call can be compared with the copy bandwidth.
        public var movedGBs: Double { Double(movedBytes) / bestSeconds / 1e9 }
    }

    /// Every rank must call it, on the communicator of all ranks; all get the same result.
    ///
    /// - Parameters:
    ///   - largeBytes: size of the largest buffer, rounded to whole pages for every rank.
    ///   - repetitions: how often each measurement is taken.
    public static func run(
        on communicator: any Communicator, largeBytes: Int = 256 << 20, repetitions: Int = 7
    ) -> Result {
        communicator.barrier(label: "bandwidth measurement")
        var bandwidth = [PeakMeasurement.copyGBs(threads: 1)]
        bandwidth.withUnsafeMutableBufferPointer { communicator.allReduce($0, .sum, label: "bandwidth measurement") }
        return Result(
            machine: .current, ranks: communicator.size, repetitions: repetitions, copyGBs: bandwidth[0],
            rows: rows(on: communicator, largeBytes: largeBytes, repetitions: repetitions))
    }

    private static func rows(on communicator: any Communicator, largeBytes: Int, repetitions: Int) -> [Row] {
        let ranks = communicator.size
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
            // Every rank's buffer is read, and written with the result.
            let moved = 2 * ranks * bytes
            for (name, timing) in zip(names, timings) {
                rows.append(row(name, bytes: bytes, moved: moved, timing, comparedWith: library))
            }
            if let library { rows.append(row("MPI_Allreduce", bytes: bytes, moved: moved, library)) }
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
        let bytes = count * 4
        for (name, timing) in zip(names, timings) {
            // All buffers are read and one part of each written; or every part is read and written by all other ranks.
            let moved = name.hasPrefix("reduce") ? (ranks + 1) * bytes : 2 * (ranks - 1) * bytes
            rows.append(row("\(name) memory", bytes: bytes, moved: moved, timing))
        }
        return rows
    }

    private struct Timing {
        let median: Double
        let best: Double
    }

    private static func row(
        _ collective: String, bytes: Int, moved: Int, _ timing: Timing, comparedWith library: Timing? = nil
    ) -> Row {
        Row(
            collective: collective, bytes: bytes, movedBytes: moved, medianSeconds: timing.median,
            bestSeconds: timing.best,
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
