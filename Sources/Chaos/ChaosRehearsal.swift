import Foundation
import JobConfiguration
import Numerics

/// Runs a job twice, once undisturbed and once while everything goes wrong, and compares what is left.
public struct ChaosRehearsal: Sendable {
    public let configuration: ChaosConfiguration
    private let job: JobConfiguration
    private let ranks: Int
    private let program: String
    /// `launch JOB --set …` as the user gave it.
    private let arguments: [String]
    private let folder: String

    /// For a run to come to life again, at most; far more than it should take.
    private static let patience = Duration.seconds(120)

    /// - Parameters:
    ///   - folder: Gets the two runs, `undisturbed` and `disturbed`, and the report.
    ///   - program: The `apus` whose `launch` runs the job.
    public init(
        _ configuration: ChaosConfiguration, job: JobConfiguration, ranks: Int, program: String, arguments: [String],
        folder: String
    ) {
        self.configuration = configuration
        self.job = job
        self.ranks = ranks
        self.program = program
        self.arguments = arguments
        self.folder = folder
    }

    /// - Parameter tell: Gets a line about each thing that happens.
    /// - Throws: `ApusError` where the undisturbed run fails, or a run ended for good where it should have gone on.
    public func run(tell: @escaping @Sendable (String) -> Void) async throws -> ChaosReport {
        tell("undisturbed run: \(folder)/undisturbed")
        let reference = makeRun("undisturbed")
        let start = ContinuousClock.now
        guard try await reference.run() == 0 else {
            let words = reference.lines.suffix(20).map { "  | \($0.text)" }.joined(separator: "\n")
            throw ApusError("running the job undisturbed", "it failed:\n\(words)", kind: .runtime)
        }
        let quietSeconds = (ContinuousClock.now - start) / .seconds(1)
        tell("disturbed run: \(configuration.total) faults, seed \(configuration.seed): \(folder)/disturbed")
        let disturbed = makeRun("disturbed")
        try FileManager.default.createDirectory(atPath: disturbed.folder, withIntermediateDirectories: true)
        let disturbedStart = ContinuousClock.now
        let outcomes = try await disturb(disturbed, tell)
        let seconds = (ContinuousClock.now - disturbedStart) / .seconds(1)
        let difference = try RunComparison(
            undisturbed: reference.folder, disturbed: disturbed.folder, steps: job.training.steps
        ).difference()
        return ChaosReport(
            outcomes: outcomes, difference: difference, undisturbedSeconds: quietSeconds, disturbedSeconds: seconds,
            steps: job.training.steps)
    }

    private func makeRun(_ name: String) -> LaunchedRun {
        let folder = "\(folder)/\(name)"
        let overrides = [
            "output=\(folder)", "training.logEvery=1", "supervision.maxRestarts=100000",
            "supervision.failuresWithoutProgress=50", "supervision.backoffSeconds=0",
        ]
        return LaunchedRun(
            program: program, arguments: arguments + overrides.flatMap { ["--set", $0] }, folder: folder)
    }

    /// Keeps a run going while faults happen to it, one after the other.
    private func disturb(
        _ run: LaunchedRun, _ tell: @escaping @Sendable (String) -> Void
    ) async throws -> [Outcome] {
        let keeper = Task {
            while true {
                // Only a killed coordinator has no exit code; whoever runs it starts it again, as a service manager would.
                if let code = try await run.run() { return code }
                tell("the coordinator is gone; starting it again")
            }
        }
        var outcomes: [Outcome] = []
        let injector = Injector(run: run, patience: Self.patience)
        for fault in configuration.faults(ranks: ranks) {
            guard await injector.waitForLife() else { break }
            let outcome = await injector.inject(fault)
            tell(ChaosReport.line(outcome))
            outcomes.append(outcome)
            if outcome.isInjected, !outcome.isSurvived, !injector.isFinished { break }
        }
        run.disarm()
        let code = try await keeper.value
        run.writeLog(to: "\(folder)/disturbed.log")
        guard code == 0 else {
            let words = run.lines.suffix(30).map { "  | \($0.text)" }.joined(separator: "\n")
            throw ApusError("running the job disturbed", "it ended with exit code \(code):\n\(words)", kind: .runtime)
        }
        return outcomes
    }
}
