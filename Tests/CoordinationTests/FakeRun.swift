import Foundation
import TestSupport

/// A run of two ranks whose worker is a shell script, under a real coordinator and a real `mpirun`.
///
/// The script is called as `apus worker` is; `$OMPI_COMM_WORLD_RANK` is its rank and `$FOLDER` the run's folder.
struct FakeRun {
    let folder: URL
    let job: String
    let worker: String

    static let started =
        #"\036{"kind":"started","name":"fake","parameters":1000,"mesh":"data 2","ranks":2,"threadsPerRank":1,"#
        + #""tokensPerStep":32,"totalSteps":5,"resumedStep":0}\n"#

    init(in folder: URL, script: String) throws {
        self.folder = folder
        job = folder.appending(path: "job.yaml").path
        worker = folder.appending(path: "worker").path
        try """
        name: fake
        output: \(folder.path)/run
        model: {architecture: gpt2, layers: 1, hiddenSize: 8, heads: 2, contextLength: 8, vocabularySize: 256}
        data: {train: [\(folder.path)/tokens]}
        training: {steps: 5, globalBatchSize: 4, microBatchSize: 1}
        parallelism: {data: 2}
        launch: {threadsPerRank: 1}
        supervision: {maxRestarts: 0}
        """.write(toFile: job, atomically: true, encoding: .utf8)
        try "#!/bin/bash\nFOLDER=\(folder.path)\nRANK=$OMPI_COMM_WORLD_RANK\n\(script)\n"
            .write(toFile: worker, atomically: true, encoding: .utf8)
        try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: worker)
    }

    func launch(
        environment: [String: String?] = [:],
        whileRunning: (@Sendable (RunningProgram) async throws -> Void)? = nil
    ) async throws -> ProgramResult {
        try await run(
            "coordination-scenarios", [job, worker], environment: environment, timeout: .seconds(60),
            whileRunning: whileRunning)
    }

    var log: String {
        get throws { try String(contentsOfFile: folder.path + "/run/workers/launch.log", encoding: .utf8) }
    }

    /// The ranks' process identifiers, which the script has written to `$FOLDER/pid-$RANK`.
    func processIdentifiers() throws -> [Int32] {
        try (0..<2).compactMap { rank in
            Int32(
                try String(contentsOfFile: folder.path + "/pid-\(rank)", encoding: .utf8)
                    .trimmingCharacters(in: .whitespacesAndNewlines))
        }
    }
}

/// Whether all of the processes end within `timeout`.
func end(_ processes: [Int32], within timeout: Duration) async throws -> Bool {
    let deadline = ContinuousClock.now + timeout
    while processes.contains(where: { kill($0, 0) == 0 }) {
        guard ContinuousClock.now < deadline else { return false }
        try await Task.sleep(for: .milliseconds(50))
    }
    return true
}
