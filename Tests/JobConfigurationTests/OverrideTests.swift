import Foundation
import JobConfiguration
import Testing

@Suite struct OverrideTests {
    @Test func overridesReplaceValuesAndMakeSections() throws {
        let job = try load(
            sampleJob, "training.steps=7", "optimizer.schedule.kind=linear", "data.train=[a, b]", "seed=5")
        #expect(job.training.steps == 7)
        #expect(job.optimizer.schedule.kind == .linear)
        #expect(job.data.train == ["a", "b"])
        #expect(job.seed == 5)
    }

    @Test func theLastOneWins() throws {
        #expect(try load(sampleJob, "training.steps=7", "training.steps=9").training.steps == 9)
    }

    @Test func aValueMayHoldAnEqualsSign() throws {
        #expect(try load(sampleJob, "output=runs/a=b").output == "runs/a=b")
    }

    @Test func aWholeSectionCanBeReplaced() throws {
        let job = try load(sampleJob, "training={steps: 3, globalBatchSize: 4, microBatchSize: 4}")
        #expect(job.training.steps == 3)
        #expect(job.training.microBatchSize == 4)
    }

    @Test func anOverrideRepairsTheDocument() throws {
        let broken = sampleJob.replacingOccurrences(of: "steps: 100", with: "steps: many")
        #expect(try load(broken, "training.steps=3").training.steps == 3)
    }

    @Test(arguments: ["training.steps", "=3", "training..steps=3", ".steps=3", "training.=3", ""])
    func aMalformedOverrideIsNamed(override: String) {
        #expect(
            problems(in: sampleJob, override) == [
                "--set \(override): expected KEY=VALUE with a dotted key\n"
                    + "  → write for example --set training.steps=500"
            ])
    }

    @Test func aKeyBelowAValueIsRefused() {
        #expect(
            problems(in: sampleJob, "training.steps.more=3") == [
                "--set training.steps.more=3: there are no keys to set below '100'\n"
                    + "  → set the whole value instead, or correct the key before '.more'"
            ])
    }

    @Test func aValueThatIsNotYAMLIsNamed() throws {
        let found = try #require(problems(in: sampleJob, "data.train=[a").first)
        #expect(found.hasPrefix("--set data.train=[a:"))
        #expect(found.contains("this is not valid YAML"))
    }

    /// A document nested as deeply would be more than the stack holds.
    @Test func endlessKeysAreRefused() {
        let key = Array(repeating: "a", count: 100_000).joined(separator: ".")
        let found = problems(in: sampleJob, key + "=1")
        #expect(found.count == 1 && found[0].contains("at most 16 parts, found 100000"))
    }
}
