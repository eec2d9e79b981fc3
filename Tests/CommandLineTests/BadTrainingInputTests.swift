import Foundation
import TestSupport
import Testing

/// What is wrong ends every rank within seconds, with one message that says what to do.
@Suite(.serialized) struct BadTrainingInputTests {
    @Test(arguments: [1, 2])
    func aJobForMoreRanksThanStarted(_ ranks: Int) async throws {
        try await withTrainingWorkspace { workspace in
            let job = try workspace.writeJob("job", .gpt2, data: 4)
            let result = try await workspace.attempt(job, ranks: ranks)
            #expect(result.exitCode == 65)
            #expect(result.standardError.contains("4 (data) × 1 (tensor) = 4 ranks, but \(ranks)"))
            #expect(result.standardError.components(separatedBy: "error: ").count == 2, "told once: \(result)")
            #expect(!FileManager.default.fileExists(atPath: workspace.folder.appendingPathComponent("runs").path))
        }
    }

    @Test(arguments: [1, 2])
    func aMissingShardIsNamed(_ ranks: Int) async throws {
        try await withTrainingWorkspace { workspace in
            let job = try workspace.writeJob("job", .gpt2, data: ranks)
            let result = try await workspace.attempt(job, ranks: ranks, ["data.train=[data/absent]"])
            #expect(result.exitCode == 65)
            #expect(result.standardError.contains("data/absent"))
        }
    }

    @Test func aCorpusSmallerThanOneContext() async throws {
        try await withTrainingWorkspace { workspace in
            let text = workspace.folder.appendingPathComponent("short.txt")
            try "Too short.\nFor this.\n".write(to: text, atomically: true, encoding: .utf8)
            try await workspace.apus(
                [
                    "prepare", "--input", "short.txt", "--tokenizer", "tokenizer.json", "--output", "short",
                    "--validation-fraction", "0",
                ])
            let job = try workspace.writeJob("job", .gpt2)
            let result = try await workspace.attempt(
                job, ranks: 1, ["data.train=[short/train]", "data.validation=[]"])
            #expect(result.exitCode == 65)
            #expect(result.standardError.contains("33"), "says how many tokens a sample needs: \(result)")
        }
    }

    @Test func aTokenizerLargerThanTheVocabulary() async throws {
        try await withTrainingWorkspace { workspace in
            let job = try workspace.writeJob("job", .gpt2)
            let result = try await workspace.attempt(job, ranks: 1, ["model.vocabularySize=100"])
            #expect(result.exitCode == 65)
            #expect(result.standardError.contains("model.vocabularySize is 100"))
        }
    }

    @Test(arguments: [1, 2])
    func aCheckpointOfAnotherModel(_ ranks: Int) async throws {
        try await withTrainingWorkspace { workspace in
            try await workspace.work(try workspace.writeJob("job", .gpt2, data: ranks, steps: 5), ranks: ranks)
            let result = try await workspace.attempt("job.yaml", ranks: ranks, ["model.layers=3"])
            #expect(result.exitCode == 65)
            #expect(result.standardError.contains("model.layers is 3, the checkpoint has 2"))
        }
    }

    @Test func aDivergedRunStopsAndKeepsItsCheckpoint() async throws {
        try await withTrainingWorkspace { workspace in
            let job = try workspace.writeJob("job", .gpt2, data: 2)
            let result = try await workspace.attempt(
                job, ranks: 2, ["optimizer.learningRate=1e38", "optimizer.gradientClip=0"])
            #expect(result.exitCode == 70)
            #expect(result.standardError.contains("not a finite number"))
        }
    }

    @Test func aRunFolderThatCannotBeWritten() async throws {
        try await withTrainingWorkspace { workspace in
            let job = try workspace.writeJob("job", .gpt2, data: 2)
            let result = try await workspace.attempt(job, ranks: 2, ["output=tokenizer.json/run"])
            #expect(result.exitCode != 0)
            #expect(result.standardError.contains("tokenizer.json/run"))
        }
    }

    @Test func aDamagedCheckpointIsRefusedByName() async throws {
        try await withTrainingWorkspace { workspace in
            try await workspace.work(try workspace.writeJob("job", .gpt2, steps: 5), ranks: 1)
            let checkpoint = workspace.folder.appendingPathComponent("runs/job/checkpoints/step-000005")
            let file = try #require(
                try FileManager.default.contentsOfDirectory(atPath: checkpoint.path).first {
                    $0.hasSuffix(".safetensors")
                })
            let path = checkpoint.appendingPathComponent(file)
            var bytes = try Data(contentsOf: path)
            bytes[bytes.count - 5] ^= 0x40
            try bytes.write(to: path)
            let result = try await workspace.attempt("job.yaml", ranks: 1, ["training.steps=8"])
            #expect(result.exitCode != 0)
            #expect(result.standardError.contains(file))
        }
    }
}
