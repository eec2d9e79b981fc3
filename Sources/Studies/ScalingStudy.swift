import ClusterEmulation
import Coordination
import Foundation
import JobConfiguration
import Numerics
import Observability
import Subprocess
import SystemPackage

/// Runs one job in several layouts, on this machine or on an emulated cluster, and measures each.
public struct ScalingStudy: Sendable {
    public struct Configuration: Sendable {
        public var jobPath: String
        public var overrides: [String] = []
        public var layouts: [StudyLayout]
        /// The cluster to run on; nil for this machine itself.
        public var cluster: String?
        /// What the links of the cluster's hosts are set to, one after the other; empty leaves them as they are.
        public var bandwidths: [Bandwidth] = []
        /// Steps of each run, the first two of which do not count.
        public var steps = 12
        public var folder: String
        /// The running `apus`.
        public var program: String

        public init(jobPath: String, layouts: [StudyLayout], folder: String, program: String) {
            self.jobPath = jobPath
            self.layouts = layouts
            self.folder = folder
            self.program = program
        }
    }

    private static let firstCountedStep = 3

    private let configuration: Configuration
    private let job: JobConfiguration

    /// Checks that every layout can run before the first does.
    ///
    /// - Parameter load: Loads the job with further overrides.
    /// - Throws: `ApusError` naming the layout that cannot.
    public init(_ configuration: Configuration, load: (_ overrides: [String]) throws -> JobConfiguration) throws {
        self.configuration = configuration
        guard !configuration.layouts.isEmpty else {
            throw ApusError(
                "planning a scaling study", "there are no layouts",
                remedy: "name some: --layouts data=1 data=2 tensor=2")
        }
        guard configuration.steps > Self.firstCountedStep else {
            throw ApusError(
                "planning a scaling study",
                "\(configuration.steps) steps are too few, since the first \(Self.firstCountedStep - 1) do not count",
                remedy: "use at least \(Self.firstCountedStep + 1)")
        }
        if !configuration.bandwidths.isEmpty, configuration.cluster == nil {
            throw ApusError(
                "planning a scaling study", "bandwidths belong to the links of a cluster, and none is named",
                remedy: "bring one up with apus cluster up FILE, and name it with --cluster NAME")
        }
        let cluster = try configuration.cluster.map { try EmulatedCluster.named($0) }
        if cluster != nil { try EmulatedCluster.requireRoot(for: "running a scaling study on a cluster") }
        job = try load([])
        for layout in configuration.layouts {
            let size = layout.mesh.size
            if let cluster, size > cluster.slotCount {
                throw ApusError(
                    "planning the layout \(layout.title)",
                    "it needs \(size) ranks, and the cluster '\(cluster.name)' takes \(cluster.slotCount)",
                    remedy: "leave it out, or bring up a cluster with more hosts or slots")
            }
            do {
                try load(layout.overrides(for: job) + Self.settings).validate(worldSize: size)
            } catch let error as JobError {
                throw Self.refusal(of: layout, error.problems.map(\.message).joined(separator: "; "))
            } catch let error as ApusError {
                throw Self.refusal(of: layout, error.problem)
            }
        }
        guard !FileManager.default.fileExists(atPath: configuration.folder) else {
            throw ApusError(
                "planning a scaling study", "\(configuration.folder) exists already",
                remedy: "remove it, or choose another folder with --folder")
        }
    }

    private static func refusal(of layout: StudyLayout, _ problem: String) -> ApusError {
        ApusError(
            "planning the layout \(layout.title)", problem,
            remedy: "leave it out, or change the job's batch sizes or model")
    }

    /// What makes a run a measurement: nothing but steps.
    private static let settings = [
        "data.validation=[]", "evaluation.every=0", "checkpoint.every=0", "checkpoint.resume=never",
        "training.logEvery=1",
        "optimizer.schedule.kind=constant", "optimizer.schedule.warmupSteps=0", "supervision.maxRestarts=0",
    ]

    /// Runs everything and writes the page.
    ///
    /// - Parameter tell: Called with a line for each run.
    /// - Returns: The page's path.
    public func run(command: String, tell: @Sendable (String) -> Void) async throws -> String {
        var points: [ScalingPoint] = []
        let conditions: [Bandwidth?] = configuration.bandwidths.isEmpty ? [nil] : configuration.bandwidths
        do {
            for bandwidth in conditions {
                if let bandwidth { try await shapeLinks(bandwidth) }
                for layout in configuration.layouts {
                    let point = try await self.point(of: layout, bandwidth: bandwidth, known: points)
                    points.append(point)
                    tell(ScalingPage.line(point))
                }
            }
        } catch {
            try? await restoreLinks()
            throw error
        }
        try await restoreLinks()
        let page = ScalingPage(
            points: points, job: job, command: command, steps: configuration.steps - Self.firstCountedStep + 1,
            cluster: try configuration.cluster.map {
                let cluster = try EmulatedCluster.named($0)
                return .init(listing: cluster.description, limitsProcessors: cluster.limitsProcessors)
            },
            machine: StudyMachine.current)
        return try page.write(to: configuration.folder)
    }

    private func shapeLinks(_ bandwidth: Bandwidth) async throws {
        guard let cluster = configuration.cluster else { return }
        for host in try EmulatedCluster.named(cluster).hostNames {
            try await EmulatedCluster.degrade(host, of: cluster, to: LinkSettings(bandwidth: bandwidth))
        }
    }

    /// Gives the links the bandwidths that the cluster's document says.
    private func restoreLinks() async throws {
        guard let cluster = configuration.cluster, !configuration.bandwidths.isEmpty else { return }
        try await EmulatedCluster.heal(nil, of: cluster)
    }

    /// One rank uses no link: it is measured once, at the first bandwidth.
    private func point(
        of layout: StudyLayout, bandwidth: Bandwidth?, known: [ScalingPoint]
    ) async throws -> ScalingPoint {
        if layout.mesh.size == 1, var point = known.first(where: { $0.layout == layout.title }) {
            point.bandwidth = bandwidth?.description
            return point
        }
        return try await measure(layout, bandwidth: bandwidth)
    }

    private func measure(_ layout: StudyLayout, bandwidth: Bandwidth?) async throws -> ScalingPoint {
        let name = layout.folderName + (bandwidth.map { "-\($0)" } ?? "")
        let folder = "\(configuration.folder)/runs/\(name)"
        let operation = "running the layout \(layout.title)" + (bandwidth.map { " at \($0)" } ?? "")
        let own = ["training.steps=\(configuration.steps)", "output=\(folder)"]
        let settings: [String] = configuration.overrides + layout.overrides(for: job) + Self.settings + own
        var arguments = ["launch", configuration.jobPath] + settings.flatMap { ["--set", $0] }
        if let cluster = configuration.cluster { arguments += ["--cluster", cluster] }
        arguments += ["--profile-folder", folder + "/profile"]
        arguments += ["--profile-steps", "\(Self.firstCountedStep)-\(configuration.steps)"]
        try await launch(arguments, operation: operation)
        let cluster = try configuration.cluster.map { try EmulatedCluster.named($0) }
        do {
            return try ScalingPoint(
                layout: layout, bandwidth: bandwidth?.description,
                metrics: Data(contentsOf: URL(filePath: folder + "/metrics.jsonl")),
                traces: (0..<layout.mesh.size).map {
                    try Data(contentsOf: URL(filePath: "\(folder)/profile/\(ChromeTrace.fileName(rank: $0))"))
                },
                firstStep: Self.firstCountedStep,
                processors: {
                    cluster?.processors(ranks: $0, threads: $1)
                        ?? Double(min($0 * $1, ProcessorCount.current.cores))
                }, operation: operation)
        } catch let error as ApusError {
            throw error
        } catch {
            throw ApusError(operation, error.localizedDescription, kind: .runtime)
        }
    }

    private func launch(_ arguments: [String], operation: String) async throws {
        let result = try await Subprocess.run(
            .path(FilePath(configuration.program)), arguments: Arguments(arguments), input: .none,
            output: .string(limit: 1 << 24), error: .string(limit: 1 << 24))
        guard result.terminationStatus.isSuccess else {
            let words = result.standardError.split(separator: "\n").suffix(12).joined(separator: "\n  ")
            throw ApusError(
                operation, "apus launch ended with an error:\n  \(words)",
                remedy: "make this run work by itself: apus \(arguments.joined(separator: " "))", kind: .runtime)
        }
    }
}

/// What a page says of the machine.
public struct StudyMachine: Hashable, Sendable {
    public var processor: String
    public var cores: Int
    public var date: String

    package init(processor: String, cores: Int, date: String) {
        self.processor = processor
        self.cores = cores
        self.date = date
    }

    static var current: StudyMachine {
        let facts = (try? String(contentsOfFile: "/proc/cpuinfo", encoding: .utf8)) ?? ""
        let model = facts.split(separator: "\n").first { $0.hasPrefix("model name") }
            .flatMap { $0.split(separator: ":", maxSplits: 1).last }
        return StudyMachine(
            processor: model.map { $0.trimmingCharacters(in: .whitespaces) } ?? "unknown processor",
            cores: ProcessorCount.current.cores, date: String(Date().ISO8601Format().prefix(10)))
    }
}
