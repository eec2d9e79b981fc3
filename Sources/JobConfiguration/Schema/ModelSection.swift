import Models
import Yams

extension ModelConfiguration: Section {
    static var fields: [Field<ModelConfiguration>] {
        [
            .choice("architecture", \.architecture, required: true, "the family of the model"),
            .integer("layers", \.layers, 1...10_000, required: true, "the number of blocks"),
            .integer(
                "hiddenSize", \.hiddenSize, 1...1_000_000, required: true, "the width of the residual stream"),
            .integer("heads", \.heads, 1...100_000, required: true, "the number of attention heads"),
            .integer(
                "keyValueHeads", \.keyValueHeads, 1...100_000,
                "the number of key/value heads, shared by groups of query heads; as many as heads unless given"),
            .integer(
                "feedForwardSize", \.feedForwardSize, 1...10_000_000, "the width of a block's hidden feed-forward layer"
            ),
            .integer(
                "contextLength", \.contextLength, 1...16_777_216, required: true, "the longest sequence in tokens"),
            .vocabularySize,
            .boolean(
                "tiedEmbeddings", \.tiedEmbeddings, "whether the output projection shares the embedding's weights"),
            .number("dropout", \.dropout, .belowOne, "the probability of zeroing an element"),
            .number("normEpsilon", \.normEpsilon, .positive, "the term that keeps norms finite"),
            .number("ropeTheta", \.ropeTheta, .positive, "the base of RoPE's frequencies (llama only)"),
            .number("initializerRange", \.initializerRange, .positive, "the standard deviation of initial weights"),
        ]
    }

    /// Where decoding starts; every value in it is replaced or reported as missing.
    static var undecided: ModelConfiguration {
        ModelConfiguration(
            architecture: .gpt2, layers: 0, hiddenSize: 0, heads: 0, feedForwardSize: 0, contextLength: 0,
            vocabularySize: 0)
    }

    /// Gives the values that follow from others where the document is silent.
    mutating func deriveDefaults(at path: String, _ context: DecodingContext) {
        let standard = ModelConfiguration(
            architecture: architecture, layers: layers, hiddenSize: hiddenSize, heads: heads,
            contextLength: contextLength, vocabularySize: vocabularySize)
        if !context.isGiven(join(path, "keyValueHeads")) { keyValueHeads = standard.keyValueHeads }
        if !context.isGiven(join(path, "feedForwardSize")) { feedForwardSize = standard.feedForwardSize }
        if !context.isGiven(join(path, "tiedEmbeddings")) { tiedEmbeddings = standard.tiedEmbeddings }
    }
}

extension Field where Owner == ModelConfiguration {
    fileprivate static var vocabularySize: Field {
        let about = "the number of tokens; 'auto' takes it from data.tokenizer"
        return Field(key: "vocabularySize", about: about, isRequired: true) { node, model, path, context in
            context.takesVocabularyFromTokenizer = context.plainText(node) == "auto"
            guard !context.takesVocabularyFromTokenizer else { return }
            if let value = context.integer(node, at: path, in: 1...16_777_216, orWord: "auto", about: about) {
                model.vocabularySize = value
            }
        } print: {
            .line(String($0.vocabularySize))
        }
    }
}

extension Field where Owner == JobConfiguration {
    /// The shape of the model: a preset, changed or completed by keys of its own.
    static var model: Field {
        Field(
            key: "model", about: "the shape of the model: a preset, or sizes of its own", isRequired: true,
            subkeys: ["preset"] + ModelConfiguration.allKeys, requiredSubkeys: ["preset"]
        ) { node, job, path, context in
            guard var mapping = context.mapping(node, at: path) else { return }
            if let preset = mapping["preset"] {
                mapping["preset"] = nil
                let presetPath = join(path, "preset")
                guard let name = context.text(preset, at: presetPath, about: "a model of configs/models") else {
                    return context.invalidate(path)
                }
                do throws(JobError) {
                    let location = context.location(of: presetPath, preset.mark)
                    let given = try ModelPresets.decode(
                        name, into: &job.model, jobFile: context.name, location: location)
                    context.absorb(given, at: path)
                } catch {
                    context.report(error.problems)
                    context.invalidate(path)
                }
            }
            ModelConfiguration.decode(.mapping(mapping), into: &job.model, at: path, context, extraKeys: ["preset"])
            ModelConfiguration.reportMissingKeys(at: path, context, mark: context.sectionMark(node))
            job.model.deriveDefaults(at: path, context)
        } print: {
            .section($0.model.printed())
        }
    }
}
