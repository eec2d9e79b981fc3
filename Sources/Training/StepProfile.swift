import Collectives
import Foundation
import Kernels
import Numerics
import Observability

/// One rank's profile of some steps: recorded between `stepBegins` and `stepEnded`, written as a trace, and told as a
/// table.
public final class StepProfile {
    /// What a user asks for.
    public struct Request: Hashable, Sendable {
        /// Where the traces go; nil for the caller's own place.
        public var folder: String?
        /// Steps since the start of the process, from 1. The first ones fill memory and caches.
        public var steps: ClosedRange<Int>

        public init(folder: String? = nil, steps: ClosedRange<Int> = 3...12) {
            self.folder = folder
            self.steps = steps
        }
    }

    private let folder: String
    private let wanted: ClosedRange<Int>
    private let facts: Profile.Facts
    private var lastStepBegun = 0
    /// What `stepEnded` or `finish` returned, for callers that tell it later.
    public private(set) var table: String?

    /// Makes the folder and measures what speeds are compared with. Collective over `world`.
    ///
    /// - Throws: `AgreedFailure` where some rank cannot write to the folder.
    public init(_ request: Request, defaultFolder: String, world: any Communicator, pool: ThreadPool) throws {
        folder = request.folder ?? defaultFolder
        wanted = request.steps
        try world.agree(on: "the profile's folder") { [folder] in try Self.prepare(folder) }
        world.barrier(label: "peak measurement")
        let peak = PeakMeasurement.multiplyAddGFLOPs(threads: pool.threadCount)
        world.barrier(label: "bandwidth measurement")
        let bandwidth = PeakMeasurement.copyGBs(threads: pool.threadCount)
        world.barrier(label: "bandwidth measurement")
        facts = Profile.Facts(
            rank: world.rank, ranks: world.size, threads: pool.threadCount, firstStep: request.steps.lowerBound,
            peakGFLOPs: peak, copyGBs: bandwidth)
    }

    private static func prepare(_ folder: String) throws {
        do {
            try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        } catch {
            throw ApusError(
                "preparing the profile's folder \(folder)", "it cannot be made: \(error.localizedDescription)",
                remedy: "choose another with --profile-folder")
        }
        guard access(folder, W_OK) == 0 else {
            throw ApusError(
                "preparing the profile's folder \(folder)", "it cannot be written to",
                remedy: "choose another with --profile-folder")
        }
    }

    /// Call before each step; `number` counts the steps of this process from 1.
    public func stepBegins(_ number: Int) {
        lastStepBegun = number
        if number == wanted.lowerBound { Profiler.start(Trace()) }
    }

    /// Call after each step, and after what belongs to it, such as saving.
    ///
    /// - Returns: after the last step to be profiled the table, on rank 0.
    @discardableResult
    public func stepEnded(_ number: Int) -> String? {
        number == wanted.upperBound ? finish() : nil
    }

    /// Ends a profile whose last step will not come, and returns its table on rank 0.
    @discardableResult
    public func finish() -> String? {
        guard let end = end() else { return nil }
        table = end
        return end
    }

    private func end() -> String? {
        guard let trace = Profiler.stop() else {
            guard lastStepBegun < wanted.lowerBound, facts.rank == 0 else { return nil }
            return """
                nothing was profiled: of the steps \(wanted.lowerBound) to \(wanted.upperBound) none came, since only \
                \(lastStepBegun) were run here; --profile-steps chooses others\n
                """
        }
        let table = Profile(trace, facts: facts).table
        do {
            try ChromeTrace(trace, facts: facts).write(to: "\(folder)/\(ChromeTrace.fileName(rank: facts.rank))")
            if facts.rank == 0 { try table.write(toFile: "\(folder)/profile.txt", atomically: true, encoding: .utf8) }
        } catch {
            // A run does not end because its profile cannot be kept.
            StandardStream.write("warning: \(error)\n", to: StandardStream.error)
        }
        guard facts.rank == 0 else { return nil }
        return table + "traces for ui.perfetto.dev, and this table: \(folder)\n"
    }
}
