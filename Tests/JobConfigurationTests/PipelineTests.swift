import JobConfiguration
import Numerics
import Parallelism
import Testing

/// `parallelism.pipeline`, `schedule` and `virtualStages`: what goes together, and what is said where it doesn't.
@Suite struct PipelineTests {
    @Test func keysAreRead() throws {
        let job = try load(
            sampleJob, "model.layers=4", "parallelism.pipeline=2", "parallelism.schedule=interleaved",
            "parallelism.virtualStages=2")
        #expect(job.parallelism == MeshConfiguration(pipeline: 2))
        #expect(job.pipeline == PipelineConfiguration(schedule: .interleaved, virtualStages: 2))
        #expect(job.pipelineShape == PipelineShape(stages: 2, virtualStages: 2, microBatches: 4))
        let plain = try load()
        #expect(plain.pipeline == PipelineConfiguration(schedule: .oneForwardOneBackward))
        for kind in PipelineSchedule.Kind.allCases where kind != .interleaved {
            #expect(try load(sampleJob, "parallelism.schedule=\(kind.rawValue)").pipeline.schedule == kind)
        }
    }

    @Test(arguments: [
        (
            ["parallelism.pipeline=3"], "parallelism.pipeline is 3, more stages than model.layers, 2",
            "set parallelism.pipeline to 2 or less"
        ),
        (
            ["parallelism.virtualStages=2"], "parallelism.virtualStages is 2, but parallelism.pipeline is 1",
            "set parallelism.virtualStages to 1, or parallelism.pipeline to 2 or more"
        ),
        (
            ["parallelism.pipeline=2", "parallelism.virtualStages=2"],
            "a stage of the 1f1b schedule has one part of the model", "parallelism.schedule to interleaved"
        ),
        (
            ["model.layers=7", "parallelism.pipeline=2", "parallelism.schedule=interleaved"],
            "parallelism.schedule is interleaved, but parallelism.virtualStages is 1",
            "set parallelism.virtualStages to between 2 and 3"
        ),
        (
            [
                "model.layers=7", "parallelism.pipeline=2", "parallelism.schedule=interleaved",
                "parallelism.virtualStages=4",
            ], "= 2 × 4 = 8 parts, more than model.layers, 7", "set parallelism.virtualStages to 3 or less"
        ),
        (
            ["parallelism.pipeline=2", "parallelism.schedule=interleaved", "parallelism.virtualStages=2"],
            "= 2 × 2 = 4 parts, more than model.layers, 2",
            "set parallelism.virtualStages to 1 and parallelism.schedule to 1f1b"
        ),
        (
            ["parallelism.pipeline=2", "training.microBatchSize=8"],
            "a step has 1 micro-batch for each replica", "set training.globalBatchSize to 16"
        ),
        (
            ["parallelism.pipeline=2", "parallelism.data=4"],
            "fewer than the 2 stages of parallelism.pipeline", "set training.globalBatchSize to 16"
        ),
        (
            [
                "model.layers=4", "parallelism.pipeline=2", "parallelism.schedule=interleaved",
                "parallelism.virtualStages=2", "training.globalBatchSize=10",
            ], "the interleaved schedule needs a multiple of parallelism.pipeline, 2",
            "set training.globalBatchSize to 8 or 12"
        ),
    ])
    func whatCannotBeIsRefusedWithTheNearestThatCan(overrides: [String], message: String, remedy: String) throws {
        let error = try #require(throws: JobError.self) {
            try JobConfiguration.load(yaml: sampleJob, name: "job.yaml", overrides: overrides)
        }
        #expect(error.problems.count == 1, "\(error)")
        #expect(error.description.contains(message), "\(error)")
        #expect(error.description.contains(remedy), "\(error)")
    }

    @Test func aScheduleNobodyKnowsIsRefused() {
        let found = problems(in: sampleJob, "parallelism.schedule=zerobubble")
        #expect(found.count == 1)
        #expect(found.first?.contains("expected one of gpipe, 1f1b, interleaved, zero-bubble") == true, "\(found)")
    }

    @Test func meshesThatLeaveTooFewMicroBatchesAreNotOffered() throws {
        let job = try load(sampleJob, "parallelism.pipeline=2")
        #expect(try job.resolved(worldSize: 2) == job)
        // Four micro-batches in all: two stages leave room for two replicas.
        #expect(
            job.legalMeshes(worldSize: 8) == [
                MeshConfiguration(data: 2, pipeline: 2, tensor: 2), MeshConfiguration(data: 1, pipeline: 2, tensor: 4),
            ])
        let auto = try load(sampleJob, "parallelism.pipeline=2", "parallelism.data=auto")
        #expect(try auto.resolved(worldSize: 4).parallelism == MeshConfiguration(data: 2, pipeline: 2))
        let error = try #require(throws: ApusError.self) { try auto.resolved(worldSize: 8) }
        #expect(error.description.contains("fewer than the 2 stages of parallelism.pipeline"), "\(error)")
    }
}
