import JobConfiguration
import Numerics
import Parallelism
import Testing

@Suite struct MeshTests {
    @Test func aMeshThatFitsIsLeftAlone() throws {
        let job = try load(sampleJob, "parallelism.data=2", "parallelism.tensor=2")
        #expect(try job.resolved(worldSize: 4) == job)
    }

    @Test func autoFillsTheRanks() throws {
        let job = try load(sampleJob, "parallelism.data=auto", "parallelism.tensor=2")
        #expect(job.fillsRanks)
        let resolved = try job.resolved(worldSize: 8)
        #expect(resolved.parallelism == MeshConfiguration(data: 4, tensor: 2))
        #expect(!resolved.fillsRanks)
        #expect(try job.resolved(worldSize: 2).parallelism == MeshConfiguration(data: 1, tensor: 2))
    }

    @Test func aMismatchNamesBothAndTheWaysOut() throws {
        let job = try load(sampleJob, "parallelism.data=2", "parallelism.tensor=1")
        let error = try #require(throws: ApusError.self) { try job.validate(worldSize: 4) }
        #expect(
            error.description == """
                checking the mesh of job 'sample': parallelism is 2 (data) × 1 (tensor) = 2 ranks, but 4 were started
                  → start 2, or use a mesh of 4: parallelism.data=4 parallelism.tensor=1 or parallelism.data=2 \
                parallelism.tensor=2 or parallelism.data=1 parallelism.tensor=4
                """)
        #expect(error.kind == .badInput)
    }

    @Test func aNumberOfRanksThatNothingFitsNamesOneThatDoes() throws {
        let job = try load()
        let error = try #require(throws: ApusError.self) { try job.validate(worldSize: 3) }
        #expect(
            error.description == """
                checking the mesh of job 'sample': parallelism is 1 (data) × 1 (tensor) = 1 rank, but 3 were started
                  → start 1, or change the batch sizes: no mesh of 3 fits this job; the next smaller number that fits is 2
                """)
    }

    @Test func autoStillHasToDivideTheBatch() throws {
        let job = try load(sampleJob, "parallelism.data=auto")
        let error = try #require(throws: ApusError.self) { try job.resolved(worldSize: 3) }
        #expect(error.description.contains("not a multiple of parallelism.data × training.microBatchSize = 3 × 2 = 6"))
    }

    @Test(arguments: [0, 1, 3]) func autoCannotFillAnOddNumberOfRanksWithPairs(worldSize: Int) throws {
        let job = try load(sampleJob, "parallelism.data=auto", "parallelism.tensor=2")
        #expect(throws: ApusError.self) { try job.resolved(worldSize: worldSize) }
    }

    @Test func topologyLeavesOutMeshesThatDoNotFitItsTree() throws {
        let job = try load(sampleJob, "training.globalBatchSize=24", "training.determinism=topology")
        // Six micro-batches for each of two ranks are no node of a tree of twelve; four ranks would have three.
        #expect(job.legalMeshes(worldSize: 2) == [MeshConfiguration(data: 1, tensor: 2)])
        #expect(job.legalMeshes(worldSize: 3) == [MeshConfiguration(data: 3, tensor: 1)])
        let auto = try load(
            sampleJob, "training.globalBatchSize=24", "training.determinism=topology", "parallelism.data=auto")
        #expect(throws: ApusError.self) { try auto.resolved(worldSize: 2) }
    }

    @Test func meshesKeepTheContextAxisAndShareOutItsTokens() throws {
        let job = try load(
            sampleJob, "parallelism.context=2", "parallelism.contextAttention=heads", "model.keyValueHeads=2")
        #expect(
            job.legalMeshes(worldSize: 4) == [MeshConfiguration(data: 2, context: 2)], "tensor 2 leaves one head a rank"
        )
        let error = try #require(throws: ApusError.self) { try job.validate(worldSize: 4) }
        #expect(error.description.contains("1 (data) × 2 (context) × 1 (tensor) = 2 ranks, but 4 were started"))
        #expect(error.description.contains("start 2, or use a mesh of 4: parallelism.data=2 parallelism.tensor=1"))
    }

    @Test func legalMeshesRespectHeadsAndBatch() throws {
        let job = try load(sampleJob, "model.keyValueHeads=2")
        #expect(
            job.legalMeshes(worldSize: 4) == [
                MeshConfiguration(data: 4, tensor: 1), MeshConfiguration(data: 2, tensor: 2),
            ])
        #expect(job.legalMeshes(worldSize: 0).isEmpty)
    }
}
