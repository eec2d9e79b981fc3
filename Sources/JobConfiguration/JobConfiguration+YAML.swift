extension JobConfiguration {
    /// The whole job as a document, with every default written out and presets resolved, that loads to an equal value.
    public var yaml: String { printed().joined(separator: "\n") + "\n" }

    /// Tokens that one optimizer step trains on.
    public var tokensPerStep: Int { training.globalBatchSize * training.sequenceLength }
}
