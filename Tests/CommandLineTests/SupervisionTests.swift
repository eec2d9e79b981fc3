import Foundation
import Numerics
import Supervision
import TestSupport
import Testing

/// A launched run goes on whatever is done to its processes, and ends with the weights that it would have had.
@Suite(.serialized) struct SupervisionTests {
    private static let settings = [
        "supervision.backoffSeconds=0.1", "supervision.stallFloorSeconds=4", "evaluation.every=0",
    ]

    private static func launch(_ job: String, _ overrides: [String] = []) -> [String] {
        ["launch", job] + (settings + overrides).flatMap { ["--set", $0] }
    }

    private static func workers(_ workspace: TrainingWorkspace, _ run: String) throws -> [WorkerIdentity] {
        let path = workspace.folder.appendingPathComponent("runs/\(run)/workers/processes.json")
        return try JSONDecoder().decode([WorkerIdentity].self, from: Data(contentsOf: path))
    }

    /// Waits until a step is told of that no earlier start has done.
    private static func waitForStep(_ step: Int, _ program: RunningProgram) async throws {
        try await program.waitForOutput("step \(step)/")
    }

    private static func endWithin30Seconds(_ workers: [WorkerIdentity]) async throws -> Bool {
        for _ in 0..<600 {
            if workers.allSatisfy({ !LaunchedProcess.isRunning($0.processIdentifier) }) { return true }
            try await Task.sleep(for: .milliseconds(50))
        }
        return false
    }

    @Test func killedAndFrozenWorkersChangeNothing() async throws {
        try await withTrainingWorkspace { workspace in
            let whole = try workspace.writeJob("whole", .gpt2, data: 2, steps: 300)
            try await workspace.work(whole, ranks: 2, ["evaluation.every=0"])
            let job = try workspace.writeJob("disturbed", .gpt2, data: 2, steps: 300)
            let result = try await run("apus", Self.launch(job), workingDirectory: workspace.folder) { program in
                try await Self.waitForStep(15, program)
                kill(try Self.workers(workspace, "disturbed")[1].processIdentifier, SIGKILL)
                try await program.waitForOutput("restart 1 of at most 10")
                try await Self.waitForStep(45, program)
                kill(try Self.workers(workspace, "disturbed")[0].processIdentifier, SIGSTOP)
                try await program.waitForOutput("restart 2 of at most 10")
            }
            #expect(result.exitCode == 0, "\(result)")
            #expect(
                result.output.contains(/rank 1 on \S+ \(process \d+\) died while (loading|training), in step/),
                "\(result)")
            #expect(result.output.contains(/rank 0 on \S+ \(process \d+\) has not been heard of for \d/), "\(result)")
            #expect(result.output.contains(/rank 1 waits in \S+ '[^']+', which rank 0 never reached/), "\(result)")
            #expect(try workspace.losses("whole") == workspace.losses("disturbed"))
            #expect(try workspace.tensors("whole") == workspace.tensors("disturbed"))
        }
    }

    @Test func theWorkersOfAKilledCoordinatorSaveAndLeaveAndItsSuccessorGoesOn() async throws {
        try await withTrainingWorkspace { workspace in
            let job = try workspace.writeJob("orphaned", .gpt2, data: 2, steps: 100_000)
            let killed = try await run(
                "apus", Self.launch(job, ["checkpoint.every=0"]), workingDirectory: workspace.folder
            ) { program in
                try await Self.waitForStep(5, program)
                let workers = try Self.workers(workspace, "orphaned")
                program.send(SIGKILL)
                #expect(try await Self.endWithin30Seconds(workers))
            }
            #expect(killed.exitCode == 137)
            #expect(try !workspace.tensors("orphaned").isEmpty)
            let next = try await run(
                "apus", Self.launch(job, ["training.steps=100000"]), workingDirectory: workspace.folder
            ) { program in
                try await program.waitForOutput("resuming after step")
                try await program.waitForOutput("step ")
                program.send(SIGUSR1)
            }
            #expect(next.exitCode == 75, "\(next)")
        }
    }

    @Test func oneRunHasOneCoordinator() async throws {
        try await withTrainingWorkspace { workspace in
            let job = try workspace.writeJob("twice", .gpt2, steps: 100_000)
            let first = try await run("apus", Self.launch(job), workingDirectory: workspace.folder) { program in
                try await Self.waitForStep(5, program)
                let second = try await run("apus", Self.launch(job), workingDirectory: workspace.folder)
                #expect(second.exitCode == 1, "\(second)")
                #expect(second.standardError.contains("the run is at work already: process"), "\(second)")
                program.send(SIGTERM)
            }
            #expect(first.exitCode == 75, "\(first)")
        }
    }

    @Test func aRunThatFailsAtTheSameStepStops() async throws {
        try await withTrainingWorkspace { workspace in
            let job = try workspace.writeJob("hopeless", .gpt2, data: 2, steps: 100_000)
            let fault = workspace.folder.appendingPathComponent("fault").path
            let result = try await run(
                "apus", Self.launch(job, ["checkpoint.every=0"]), environment: ["APUS_FAULT": fault],
                workingDirectory: workspace.folder
            ) { program in
                for start in 1...3 {
                    try "1 step 4 kill\n".write(toFile: fault, atomically: true, encoding: .utf8)
                    try await program.waitForOutput(start < 3 ? "restart \(start) of" : "not started again")
                }
            }
            #expect(result.exitCode == 1, "\(result)")
            #expect(result.standardError.contains("it failed 3 times in a row after the beginning"), "\(result)")
        }
    }

    @Test func aRunGoesOnOnTheSlotsThatAreLeftAndGrowsBack() async throws {
        try await withTrainingWorkspace { workspace in
            let hosts = workspace.folder.appendingPathComponent("hosts")
            try "localhost slots=2\n".write(to: hosts, atomically: true, encoding: .utf8)
            let settings = ["training.determinism=topology", "supervision.elastic=true", "launch.hostfile=hosts"]
            let whole = try workspace.writeJob("whole", .gpt2, steps: 200)
            try await workspace.work(whole, ranks: 1, ["evaluation.every=0", "training.determinism=topology"])
            let job = try workspace.writeJob("elastic", .gpt2, data: 2, steps: 200)
            let result = try await run("apus", Self.launch(job, settings), workingDirectory: workspace.folder) {
                program in
                try await Self.waitForStep(15, program)
                try "localhost slots=1\n".write(to: hosts, atomically: true, encoding: .utf8)
                kill(try Self.workers(workspace, "elastic")[1].processIdentifier, SIGKILL)
                try await program.waitForOutput("starting job 'elastic': 1 rank")
                try await Self.waitForStep(45, program)
                try "localhost slots=2\n".write(to: hosts, atomically: true, encoding: .utf8)
                kill(try Self.workers(workspace, "elastic")[0].processIdentifier, SIGKILL)
                try await program.waitForOutput("restart 2 of")
            }
            #expect(result.exitCode == 0, "\(result)")
            #expect(result.output.matches(of: /starting job 'elastic': 2 ranks/).count == 2, "\(result)")
            #expect(try workspace.losses("whole") == workspace.losses("elastic"))
            #expect(try workspace.tensors("whole") == workspace.tensors("elastic"))
        }
    }

    @Test func aTimeLimitStopsTheRunInTime() async throws {
        try await withTrainingWorkspace { workspace in
            let job = try workspace.writeJob("limited", .gpt2, steps: 1_000_000)
            let result = try await run(
                "apus", Self.launch(job, ["launch.walltimeSeconds=6", "checkpoint.every=0"]),
                workingDirectory: workspace.folder)
            #expect(result.exitCode == 75, "\(result)")
            #expect(result.output.contains("the time limit is near"), "\(result)")
            #expect(try !workspace.tensors("limited").isEmpty)
        }
    }

    /// A few of each kind; `apus chaos` by hand takes as many as one likes.
    @Test func aRehearsalOfFailuresEndsWithTheSameBits() async throws {
        try await withTrainingWorkspace { workspace in
            let job = try workspace.writeJob("job", .gpt2, data: 2, steps: 700)
            let arguments =
                ["chaos", job] + Self.settings.flatMap { ["--set", $0] } + [
                    "--kills", "1", "--freezes", "0", "--coordinator-kills", "1", "--points", "7", "--damages", "1",
                    "--longest-quiet", "0.3",
                ]
            let result = try await run("apus", arguments, workingDirectory: workspace.folder, timeout: .seconds(240))
            #expect(result.exitCode == 0, "\(result)")
            #expect(result.output.contains("identical: the losses of all 700 steps"), "\(result)")
            let again = try await run("apus", arguments, workingDirectory: workspace.folder)
            #expect(again.exitCode == 65, "\(again)")
            #expect(again.standardError.contains("chaos/job exists already"), "\(again)")
        }
    }

    @Test(arguments: [
        ["--kills", "-1"], ["--longest-quiet", "nan"],
        ["--kills", "0", "--freezes", "0", "--coordinator-kills", "0", "--points", "0", "--damages", "0"],
    ])
    func badArgumentsOfARehearsal(_ arguments: [String]) async throws {
        let result = try await run("apus", ["chaos", "job.yaml"] + arguments)
        #expect(result.exitCode == 65, "\(result)")
    }
}
