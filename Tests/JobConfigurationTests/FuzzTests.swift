import Foundation
import JobConfiguration
import TestSupport
import Testing

/// Any bytes are a job or are refused in order.
@Suite struct FuzzTests {
    private static let words = [
        "*a", "&a ", "<<: *a\n", "? ", "- ", "---\n", "...\n", "!!binary ", "!!null ", "%YAML 1.1\n", "\t", "#", "|\n",
        ">-\n",
        "{}", "[]", "~", "null", "auto", "true", ".inf", ".nan", "preset: gpt2-124m\n", "model", "steps", "\u{85}",
        "\u{2028}",
        "\u{feff}", "\0", "  ", "\n", ": ",
    ]

    private static func isRefusal(_ error: any Error) -> Bool { error is JobError }

    private static func samples() throws -> [[UInt8]] {
        let anchored = """
            name: &a sample
            model: &model {preset: gpt2-124m, layers: 2}
            data: {train: [*a, "b c"], validation: v}
            training: {steps: 100, globalBatchSize: 8, microBatchSize: 2}
            optimizer: {schedule: {kind: cosine, warmupSteps: 10}}
            """
        return [sampleJob, try load().yaml, anchored].map { Array($0.utf8) }
    }

    @Test func anyBytesAreAJobOrRefused() throws {
        try withTemporaryFolder { folder in
            let path = folder.appendingPathComponent("job.yaml").path
            let taken = try fuzz("job", samples: Self.samples(), words: Self.words, isRefusal: Self.isRefusal) {
                try replaceFile(path, $0)
                let job = try JobConfiguration.load(path: path)
                // What was taken can be written, read again, and laid out.
                #expect(try JobConfiguration.load(yaml: job.yaml, name: "resolved") == job)
                _ = (job.tokensPerStep, job.model.parameterCount, job.legalMeshes(worldSize: 4))
                _ = job.model.trainingFLOPs(tokens: job.tokensPerStep, sequenceLength: job.training.sequenceLength)
                _ = try? job.resolved(worldSize: 2)
            }
            #expect(taken > 0)
        }
    }

    @Test func anyOverrideIsTakenOrRefused() throws {
        let samples = ["training.steps=500", "model={preset: gpt2-124m, heads: 4}", "data.train=[a, b]", "a.b.c.d=1"]
        let taken = try fuzz(
            "override", samples: Array(samples.prefix(3)).map { Array($0.utf8) },
            words: Self.words + [".", "=", samples[3]],
            isRefusal: Self.isRefusal
        ) {
            _ = try JobConfiguration.load(
                yaml: sampleJob, name: "job.yaml", overrides: [String(decoding: $0, as: UTF8.self)])
        }
        #expect(taken > 0)
    }
}
