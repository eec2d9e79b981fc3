import Foundation
import JobConfiguration
import Models
import TestSupport
import Testing

@Suite struct PresetTests {
    /// The published total, and the exact one: the sum over the tensors of Hugging Face's state dict of that shape,
    /// computed from a list of those tensors in Python. Where the publication is exact the two are the same.
    static let totals: [(name: String, published: Int, exact: Int)] = [
        // openai-gpt on Hugging Face has 116,534,784; the final norm adds 2 × 768.
        ("gpt1-117m", 117_000_000, 116_536_320),
        ("gpt2-124m", 124_439_808, 124_439_808),
        ("gpt2-355m", 354_823_168, 354_823_168),
        ("gpt2-774m", 774_030_080, 774_030_080),
        ("gpt2-1.5b", 1_557_611_200, 1_557_611_200),
        ("gpt3-125m", 125_000_000, 125_226_240),
        ("gpt3-350m", 350_000_000, 355_871_744),
        ("gpt3-760m", 760_000_000, 760_300_032),
        ("gpt3-1.3b", 1_300_000_000, 1_315_723_264),
        ("gpt3-2.7b", 2_700_000_000, 2_651_553_280),
        ("gpt3-6.7b", 6_700_000_000, 6_658_404_352),
        ("gpt3-13b", 13_000_000_000, 12_853_386_240),
        ("gpt3-175b", 175_000_000_000, 174_604_259_328),
        ("llama-15m", 15_191_712, 15_191_712),
        ("llama-135m", 134_515_008, 134_515_008),
        ("llama-1b", 1_235_814_400, 1_235_814_400),
        ("llama-8b", 8_030_261_248, 8_030_261_248),
        ("gpt2-tiny", 34_688, 34_688),
        ("gpt2-mini", 6_901_760, 6_901_760),
        ("llama-tiny", 41_120, 41_120),
        ("llama-mini", 6_524_160, 6_524_160),
    ]

    @Test(arguments: totals)
    func parametersAreThoseThatWerePublished(name: String, published: Int, exact: Int) throws {
        let model = try ModelPresets.load(name)
        #expect(model.parameterCount == exact)
        #expect(abs(Double(exact) / Double(published) - 1) < 0.02)
        #expect(model.hiddenSize % model.heads == 0)
    }

    @Test func everyPresetIsTested() {
        #expect(Set(ModelPresets.names()) == Set(Self.totals.map(\.name)))
    }

    private let derivedJob = """
        name: x
        model:
          preset: gpt2-124m
          layers: 6
          hiddenSize: 1024
          heads: 16
        data:
          train: t
        training: {steps: 1, globalBatchSize: 1, microBatchSize: 1}
        """

    @Test func aJobChangesItsPreset() throws {
        let expected = ModelConfiguration(
            architecture: .gpt2, layers: 6, hiddenSize: 1024, heads: 16, contextLength: 1024, vocabularySize: 50257)
        #expect(try load(derivedJob).model == expected)
    }

    @Test func aConflictWithThePresetPointsAtTheJob() {
        let yaml = derivedJob.replacingOccurrences(of: "  heads: 16\n", with: "")
        #expect(
            headlines(problems(in: yaml)) == [
                "job.yaml:5:3: model.hiddenSize is 1024, which is not a multiple of model.heads, 12"
            ])
        #expect(
            headlines(problems(in: yaml, "model.hiddenSize=768", "parallelism.tensor=8")) == [
                "--set parallelism.tensor=8: model.heads is 12, which is not a multiple of parallelism.tensor, 8"
            ])
    }

    @Test func aWrongNameGetsTheNearest() throws {
        let yaml = sampleJob.replacingOccurrences(of: "architecture: gpt2", with: "preset: gtp2-124m")
        #expect(
            problems(in: yaml) == [
                "job.yaml:3:11: there is no model preset 'gtp2-124m'\n  → did you mean 'gpt2-124m'?"
            ])
        let unlike = try #require(problems(in: sampleJob, "model.preset=zzzzzzzzzzzz").first)
        #expect(unlike.contains("the presets are: gpt1-117m, gpt2-1.5b"))
    }

    @Test func aPresetBesideTheJobIsFound() throws {
        try withTemporaryFolder { folder in
            let job = try writeJob(
                in: folder,
                preset: """
                    architecture: gpt2
                    layers: 3
                    hiddenSize: 8
                    heads: 2
                    contextLength: 16
                    vocabularySize: 9
                    """)
            #expect(try JobConfiguration.load(path: job).model.layers == 3)
            #expect(try ModelPresets.load("\(folder.path)/configs/models/mine.yaml").hiddenSize == 8)
            #expect(ModelPresets.names(jobFile: job).contains("mine"))
        }
    }

    @Test func whatIsWrongInAPresetIsReportedAtItsPlace() throws {
        try withTemporaryFolder { folder in
            let job = try writeJob(in: folder, preset: "architecture: gpt2\nlayers: many\nhidenSize: 8\n")
            let preset = "\(folder.path)/configs/models/mine.yaml"
            let error = try #require(throws: JobError.self) { try JobConfiguration.load(path: job) }
            let found = error.problems.map(\.description)
            #expect(found[0].hasPrefix("\(preset):2:9: layers: expected a whole number from 1 to 10,000, found 'many'"))
            #expect(
                found[1] == "\(preset):3:1: unknown key 'hidenSize' at the top level\n  → did you mean 'hiddenSize'?")
        }
    }

    /// Writes configs/jobs/job.yaml and the configs/models/mine.yaml that it names; returns the job's path.
    private func writeJob(in folder: URL, preset: String) throws -> String {
        let models = folder.appendingPathComponent("configs/models")
        let jobs = folder.appendingPathComponent("configs/jobs")
        for part in [models, jobs] {
            try FileManager.default.createDirectory(at: part, withIntermediateDirectories: true)
        }
        try Data(preset.utf8).write(to: models.appendingPathComponent("mine.yaml"))
        let job = jobs.appendingPathComponent("job.yaml")
        let text = """
            name: x
            model: {preset: mine}
            data: {train: t}
            training: {steps: 1, globalBatchSize: 1, microBatchSize: 1}
            """
        try Data(text.utf8).write(to: job)
        return job.path
    }
}
