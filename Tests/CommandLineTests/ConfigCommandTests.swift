import Foundation
import JobConfiguration
import TestSupport
import Testing

@Suite struct ConfigCommandTests {
    private static let job = """
        name: sample
        model: {preset: gpt2-tiny}
        data: {train: shards/train}
        training: {steps: 10, globalBatchSize: 8, microBatchSize: 2}
        """

    private func apus(_ arguments: String...) async throws -> ProgramResult {
        try await withTemporaryFolder { folder in
            try Data(Self.job.utf8).write(to: folder.appendingPathComponent("job.yaml"))
            return try await run("apus", arguments, workingDirectory: folder)
        }
    }

    @Test func showPrintsAJobThatLoads() async throws {
        let result = try await apus("config", "show", "job.yaml", "--set", "training.steps=20")
        #expect(result.exitCode == 0, "\(result)")
        let printed = try JobConfiguration.load(yaml: result.standardOutput, name: "printed")
        let expected = try JobConfiguration.load(yaml: Self.job, name: "x", overrides: ["training.steps=20"])
        #expect(printed == expected)
        #expect(
            result.standardOutput.hasSuffix(
                """
                # parameters: 34,688
                # ranks: 1 (data) × 1 (tensor) = 1
                # tokens per step: 256
                # tokens in all: 5,120

                """))
    }

    @Test func checkSaysWhatTheJobAmountsTo() async throws {
        let result = try await apus("config", "check", "job.yaml", "--set", "parallelism.data=auto")
        #expect(result.exitCode == 0)
        #expect(result.standardError == "")
        #expect(
            result.standardOutput == """
                job.yaml: ok
                  parameters: 34,688
                  ranks: as many as are started, in groups of 1
                  tokens per step: 256
                  tokens in all: 2,560

                """)
    }

    @Test func everyProblemIsAnErrorOnStandardErrorAndTheStatusIsBadInput() async throws {
        let result = try await apus(
            "config", "check", "job.yaml", "--set", "training.stepps=3", "--set", "training.microBatchSize=3")
        #expect(result.exitCode == Int(ExitStatus.badInput.rawValue))
        #expect(result.standardOutput == "")
        #expect(
            result.standardError == """
                error: --set training.stepps=3: unknown key 'stepps' in 'training'
                  → did you mean 'steps'?
                error: job.yaml:4:23: training.globalBatchSize is 8, which is not a multiple of parallelism.data × \
                training.microBatchSize = 1 × 3 = 3
                  → set it to 6 or 9, or change the others

                """)
    }

    @Test func aMissingFileIsNamed() async throws {
        let result = try await apus("config", "show", "other.yaml")
        #expect(result.exitCode == Int(ExitStatus.badInput.rawValue))
        #expect(result.standardError.hasPrefix("error: other.yaml: there is no such file\n"))
    }

    @Test func presetsAreListedFromSmallToLarge() async throws {
        let result = try await apus("config", "presets")
        #expect(result.exitCode == 0)
        let lines = result.standardOutput.split(separator: "\n").map { $0.split(separator: " ").map(String.init) }
        #expect(lines.first == ["name", "parameters", "layers", "width", "heads", "context", "vocabulary"])
        #expect(lines.contains(["llama-135m", "134,515,008", "30", "576", "9/3", "2,048", "49,152"]))
        #expect(
            lines.compactMap(\.first).filter { $0.hasPrefix("gpt2") }
                == ["gpt2-tiny", "gpt2-mini", "gpt2-124m", "gpt2-355m", "gpt2-774m", "gpt2-1.5b"])
    }

    @Test(arguments: [["--bogus"], ["config", "show"], ["confg"], ["config", "show", "a.yaml", "--set"]])
    func aWrongCommandLineIsBadInput(arguments: [String]) async throws {
        let result = try await run("apus", arguments)
        #expect(result.exitCode == Int(ExitStatus.badInput.rawValue), "\(result)")
        #expect(result.standardError.hasPrefix("error: "), "\(result)")
    }

    @Test func helpIsNoFailure() async throws {
        let result = try await run("apus", ["--help"])
        #expect(result.exitCode == 0)
        #expect(result.standardOutput.contains("USAGE: apus"))
    }
}
