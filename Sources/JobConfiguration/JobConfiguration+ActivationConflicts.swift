import Parallelism

/// What sequence and context parallelism ask of the other values.
extension JobConfiguration {
    func reportActivationConflicts(_ context: DecodingContext) {
        context.check(["parallelism.sequence", "parallelism.tensor"]) { sharerConflict }
        context.check(["training.sequenceLength", "parallelism.context", "parallelism.tensor"]) { tokenConflict }
        context.check(["model.heads", "model.keyValueHeads", "parallelism.context", "parallelism.tensor"]) {
            headConflict
        }
    }

    private var sharerConflict: Conflict? {
        guard activationSplit.sequence, parallelism.tensor == 1 else { return nil }
        return Conflict(
            "parallelism.sequence shares out tokens among the ranks that share every layer's weights, but "
                + "parallelism.tensor is 1",
            "set parallelism.tensor to the number of these ranks, or parallelism.sequence to false")
    }

    /// The tokens of a sequence are a multiple of this, so that ranks get equal parts.
    private var tokenUnit: Int {
        // Each rank of the context axis has two chunks of a sequence.
        let context = parallelism.context == 1 ? 1 : 2 * parallelism.context
        guard activationSplit.sequence else { return context }
        let tensor = parallelism.tensor
        // Half of an even share is in either chunk.
        return parallelism.context > 1 && tensor % 2 == 0 ? context / 2 * tensor : context * tensor
    }

    private var tokenConflict: Conflict? {
        let length = training.sequenceLength
        guard length % tokenUnit != 0 else { return nil }
        var factors = parallelism.context > 1 ? ["2 × parallelism.context, \(2 * parallelism.context)"] : []
        if activationSplit.sequence {
            let share = parallelism.context > 1 ? "parallelism.context × " : ""
            factors.append("\(share)parallelism.tensor, \(parallelism.context * parallelism.tensor)")
        }
        return Conflict(
            "training.sequenceLength is \(length), which is not a multiple of \(factors.joined(separator: ", and of "))",
            "set it to \(multiplesAround(length, of: tokenUnit)), or change the others")
    }

    private var headConflict: Conflict? {
        let (context, tensor) = (parallelism.context, parallelism.tensor)
        guard context > 1, activationSplit.contextAttention == .heads else { return nil }
        let unit = context * tensor
        guard model.heads % unit != 0 || model.keyValueHeads % unit != 0 else { return nil }
        let factors = tensor > 1 ? "parallelism.context × parallelism.tensor" : "parallelism.context"
        let legal = (1..<context).reversed().first {
            model.heads % ($0 * tensor) == 0 && model.keyValueHeads % ($0 * tensor) == 0
        }
        let nearest = legal.map { "set parallelism.context to \($0), or " } ?? ""
        return Conflict(
            "parallelism.contextAttention is heads, but model.heads, \(model.heads), and model.keyValueHeads, "
                + "\(model.keyValueHeads), are not both multiples of \(factors), \(unit)",
            "\(nearest)set parallelism.contextAttention to ring")
    }

    /// Whether tokens and heads can be shared out as the job asks for, on a mesh.
    func sharesOutActivations(on mesh: MeshConfiguration) -> Bool {
        var job = self
        job.parallelism = mesh
        return job.sharerConflict == nil && job.tokenConflict == nil && job.headConflict == nil
    }
}
