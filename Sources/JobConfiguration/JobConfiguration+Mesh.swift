import Numerics
import Parallelism

extension JobConfiguration {
    /// The job on a number of ranks: `parallelism.data: auto` becomes the degree that fills them.
    ///
    /// - Throws: `ApusError` when the mesh and the ranks do not match, as `validate(worldSize:)` does.
    public func resolved(worldSize: Int) throws -> JobConfiguration {
        var job = self
        if fillsRanks {
            job.fillsRanks = false
            job.parallelism.data = 1
            job.parallelism.data = max(1, worldSize / job.parallelism.size)
        }
        try job.validate(worldSize: worldSize)
        return job
    }

    /// Checks the mesh against the ranks that were started, and the batch against the mesh.
    ///
    /// - Throws: `ApusError` that names both and the nearest meshes that would do.
    public func validate(worldSize: Int) throws {
        let mesh = parallelism
        let axes = mesh.describedAxes.map { "\(mesh[$0]) (\($0.rawValue))" }.joined(separator: " × ")
        let shape = "\(axes) = \(mesh.size) \(mesh.size == 1 ? "rank" : "ranks")"
        if mesh.size != worldSize {
            throw ApusError(
                "checking the mesh of job '\(name)'",
                "parallelism is \(shape), but \(worldSize) \(worldSize == 1 ? "was" : "were") started",
                remedy: "start \(mesh.size), or \(advice(worldSize: worldSize))")
        }
        let unit = mesh.batchParts * training.microBatchSize
        if training.globalBatchSize % unit != 0 {
            throw ApusError(
                "checking the mesh of job '\(name)'",
                "parallelism is \(shape), and training.globalBatchSize, \(training.globalBatchSize), is not a multiple "
                    + "of \(batchPartsFormula) × training.microBatchSize = \(mesh.batchParts) × "
                    + "\(training.microBatchSize) = \(unit)",
                remedy: "change the batch sizes, or \(advice(worldSize: worldSize))")
        }
        if let conflict = pipelineConflict ?? microBatchConflict ?? determinismConflict {
            throw ApusError("checking the mesh of job '\(name)'", conflict.message, remedy: conflict.remedy)
        }
    }

    /// The meshes that give every one of `worldSize` ranks a part of this job, those nearest to its own first.
    public func legalMeshes(worldSize: Int) -> [MeshConfiguration] {
        guard worldSize > 0 else { return [] }
        var fixed = parallelism
        (fixed.data, fixed.tensor) = (1, 1)
        guard worldSize % fixed.size == 0 else { return [] }
        let share = worldSize / fixed.size
        let meshes = (1...min(share, model.heads)).filter { share % $0 == 0 }.map { tensor in
            var mesh = fixed
            (mesh.data, mesh.tensor) = (share / tensor, tensor)
            return mesh
        }
        let legal = meshes.filter { mesh in
            [model.heads, model.keyValueHeads, model.feedForwardSize].allSatisfy { $0 % mesh.tensor == 0 }
                && model.vocabularySize >= mesh.tensor
                && sharesOutActivations(on: mesh)
                && training.globalBatchSize % (mesh.batchParts * training.microBatchSize) == 0
                && suits(pipelineOf: mesh)
                && (training.determinism != .topology
                    || Determinism.topology.allows(
                        microBatches: training.globalBatchSize / (mesh.batchParts * training.microBatchSize),
                        ranks: mesh.batchParts))
        }
        return legal.sorted { abs($0.tensor - parallelism.tensor) < abs($1.tensor - parallelism.tensor) }
    }

    /// What cuts the global batch, for messages.
    var batchPartsFormula: String {
        parallelism.expert > 1 ? "parallelism.data × parallelism.expert" : "parallelism.data"
    }

    private func advice(worldSize: Int) -> String {
        let meshes = legalMeshes(worldSize: worldSize).prefix(3).map {
            "parallelism.data=\($0.data) parallelism.tensor=\($0.tensor)"
        }
        if !meshes.isEmpty { return "use a mesh of \(worldSize): \(meshes.joined(separator: " or "))" }
        let possible = (1..<max(worldSize, 1)).reversed().first { !legalMeshes(worldSize: $0).isEmpty }
        let hint = possible.map { "; the next smaller number that fits is \($0)" } ?? ""
        return "change the batch sizes: no mesh of \(worldSize) fits this job\(hint)"
    }
}
