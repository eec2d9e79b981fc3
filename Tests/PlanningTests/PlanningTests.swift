import Foundation
import FoundationXML
import JobConfiguration
import Observability
import Parallelism
import Planning
import Testing

@Suite struct PlanningTests {
    private func job(_ overrides: String...) throws -> JobConfiguration {
        let yaml = """
            name: planned
            model:
              architecture: gpt2
              layers: 6
              hiddenSize: 32
              heads: 4
              contextLength: 64
              vocabularySize: 256
            data:
              train: [nowhere/train]
            training:
              steps: 100
              globalBatchSize: 16
              microBatchSize: 2
            """
        return try JobConfiguration.load(yaml: yaml, name: "job.yaml", overrides: overrides)
    }

    @Test func everythingIsHeldByTheRanksOfAReplica() throws {
        for overrides in [
            [], ["parallelism.tensor=2"], ["parallelism.pipeline=4"],
            ["parallelism.pipeline=2", "parallelism.tensor=4"],
        ] {
            var job = try JobConfiguration.load(
                yaml: self.job("model.tiedEmbeddings=false").yaml, name: "job.yaml", overrides: overrides)
            job.parallelism.data = 2
            let picture = MeshPicture(job)
            #expect(picture.holdings.count == job.parallelism.size)
            let replica = picture.holdings.filter { $0.coordinates[0] == 0 }
            // Norms, positions and some biases are on every rank of a tensor-parallel group.
            let held = replica.reduce(0) { $0 + $1.parameters }
            #expect(held >= job.model.parameterCount)
            if job.parallelism.tensor == 1 { #expect(held == job.model.parameterCount) }
            #expect(Set(replica.map(\.samples)) == [0..<8])
            #expect(picture.holdings.last?.samples == 8..<16)
            #expect(abs(picture.workShares.reduce(0, +) - 1) < 1e-12)
        }
    }

    @Test func theTableNamesPartsAndNeighbours() throws {
        let text = MeshPicture(
            try job(
                "parallelism.pipeline=2", "parallelism.schedule=interleaved", "parallelism.virtualStages=2",
                "parallelism.tensor=2")
        ).text
        let lines = text.split(separator: "\n")
        #expect(lines[0] == "planned: data 1 × pipeline 2 × tensor 2 = 4 ranks, neighbours along the tensor axis")
        #expect(lines[1] == "a step: 16 samples, 8 micro-batches of 2 for each of 1 part of the batch")
        #expect(lines[2].hasPrefix("work: stage 0 "))
        #expect(lines[3].hasPrefix("rank  data  pipeline  tensor  parameters  state MiB  samples  holds"))
        #expect(
            lines[4].hasSuffix("embedding, blocks 0–1; blocks 4–4, 1/2 of what is split") || lines[4].contains("; "))
        #expect(lines.count == 8)
    }

    @Test func theTableNamesTheTokensOfPartsOfSequences() throws {
        let lines = MeshPicture(try job("parallelism.context=2")).text.split(separator: "\n")
        let header = try #require(lines.firstIndex { $0.hasPrefix("rank  data  context  tensor") })
        #expect(lines[header].hasSuffix("samples        tokens  holds"))
        #expect(lines[header + 1].contains("0–15   0–15, 48–63  embedding"))
        #expect(lines[header + 2].contains("0–15  16–31, 32–47  embedding"))
    }

    @Test func hostsShowWhatCrossesThem() throws {
        let job = try job("parallelism.data=2", "parallelism.pipeline=2", "parallelism.tensor=2")
        #expect(MeshPicture(job).axesBetweenHosts.isEmpty)
        let pairs = MeshPicture(job, ranksPerHost: 2)
        #expect(pairs.axesBetweenHosts == [.data, .pipeline])
        #expect(pairs.text.contains("between hosts: data, pipeline\n"))
        #expect(pairs.text.contains("rank  host  data  pipeline  tensor"))
        #expect(MeshPicture(job, ranksPerHost: 4).axesBetweenHosts == [.data])
        #expect(MeshPicture(job, ranksPerHost: 3).text.contains("note: ranks that share layers are on different hosts"))
    }

    @Test func momentsInBFloat16TakeLess() throws {
        let (whole, half) = (
            MeshPicture(try job()).holdings[0], MeshPicture(try job("optimizer.momentPrecision=bfloat16")).holdings[0]
        )
        #expect(whole.stateBytes == 16 * whole.parameters)
        #expect(half.stateBytes == 12 * half.parameters)
    }

    @Test(arguments: PipelineSchedule.Kind.allCases) func thePictureIsOneLaneAStage(kind: PipelineSchedule.Kind) throws
    {
        let virtual = kind == .interleaved ? 2 : 1
        let plan = try SchedulePlan(
            try job(
                "parallelism.pipeline=2", "parallelism.schedule=\(kind.rawValue)",
                "parallelism.virtualStages=\(virtual)"))
        #expect(plan.chart.lanes.map(\.label) == ["stage 0", "stage 1"])
        let boxes = 8 * virtual * (kind == .zeroBubble ? 3 : 2)
        #expect(plan.chart.lanes.allSatisfy { $0.boxes.count == boxes })
        for lane in plan.chart.lanes {
            #expect(zip(lane.boxes, lane.boxes.dropFirst()).allSatisfy { $0.end <= $1.start + 1e-9 })
        }
        let parser = XMLParser(data: Data(plan.chart.svg().utf8))
        #expect(parser.parse())
        #expect(abs(plan.evenBubbleFraction - plan.expectedEvenBubbleFraction) < 1e-9)
        #expect(plan.text.contains("by formula"))
    }

    @Test func aChartWithNothingInItIsStillAPicture() {
        let chart = LaneChart(title: "a < b & c", note: "", kinds: [], lanes: [.init(label: "\"x\"", boxes: [])])
        #expect(XMLParser(data: Data(chart.svg().utf8)).parse())
    }
}
