import Numerics

/// Hugging Face's `tokenizer.json`, as the `tokenizers` library reads and writes it, for byte-level BPE.
///
/// What the file asks for is either done or refused by name; nothing that changes ids is passed over. `truncation` and
/// `padding` say how batches are made and are not a tokenizer's business here.
enum HuggingFaceFile {
    static func read(_ root: JSONValue, source: String) throws -> ByteLevelBPE {
        try Reader(source: source).read(root)
    }
}

private struct Reader {
    let source: String

    func read(_ root: JSONValue) throws -> ByteLevelBPE {
        guard let model = root["model"], model.members != nil else {
            throw malformed("model", "an object", root["model"])
        }
        try checkModel(model)
        guard let entries = model["vocab"]?.members else { throw malformed("model.vocab", "an object", model["vocab"]) }
        let parts = try BytePairVocabulary(entries: entries, mergeLines: merges(model["merges"]), source: source)
        let addedTokens = try addedTokens(root["added_tokens"])
        let added = Dictionary(addedTokens.map { ($0.token, $0.text) }, uniquingKeysWith: { first, _ in first })

        // Entries that no merge produces: added tokens come again in their own list; others are text in the byte-level
        // alphabet, found only where merges are ignored, or are kept for decoding.
        var vocabulary = parts.tokens
        var literals: [(text: String, token: Int32)] = []
        for (text, token) in parts.unreachable where added[token] != text {
            var bytes: [UInt8] = []
            if !text.isEmpty, ByteLevelAlphabet.decode(text, into: &bytes) {
                vocabulary.append((bytes, token))
            } else {
                literals.append((text, token))
            }
        }
        let affixes = try affixes(root["post_processor"], addedTokens)
        try checkDecoder(root["decoder"])
        return try ByteLevelBPE(
            vocabulary: vocabulary, literals: literals, merges: parts.merges, addedTokens: addedTokens,
            preTokenizer: preTokenizer(root["pre_tokenizer"]), normalization: normalization(root["normalizer"]),
            prefix: affixes.prefix, suffix: affixes.suffix, ignoresMerges: model["ignore_merges"]?.bool ?? false,
            source: source)
    }

    // MARK: Model

    private func checkModel(_ model: JSONValue) throws {
        if let type = model["type"], type != "BPE" { throw unsupported("model type \(type.shown)") }
        if let dropout = model["dropout"], ![.null, .integer(0), .number(0)].contains(dropout) {
            throw unsupported("merge dropout (\(dropout.shown))")
        }
        for key in ["continuing_subword_prefix", "end_of_word_suffix"] {
            if let affix = model[key], affix != .null, affix != "" { throw unsupported("\(key) \(affix.shown)") }
        }
        if model["byte_fallback"] == true { throw unsupported("byte_fallback") }
    }

    private func merges(_ value: JSONValue?) throws -> [(left: Substring, right: Substring, place: String)] {
        guard let list = value?.array else { throw malformed("model.merges", "an array", value) }
        return try list.enumerated().map { index, merge in
            let halves: [Substring] =
                switch merge {
                case .string(let text): text.split(separator: " ", omittingEmptySubsequences: false)
                case .array(let pair): pair.compactMap { $0.string.map { Substring($0) } }
                default: []
                }
            guard halves.count == 2, !halves[0].isEmpty, !halves[1].isEmpty else {
                throw malformed("model.merges[\(index)]", "two tokens", merge)
            }
            return (halves[0], halves[1], source)
        }
    }

    private func addedTokens(_ value: JSONValue?) throws -> [ByteLevelBPE.AddedToken] {
        guard let value, value != .null else { return [] }
        guard let list = value.array else { throw malformed("added_tokens", "an array", value) }
        return try list.enumerated().map { index, entry in
            guard let id = entry["id"]?.integer, let text = entry["content"]?.string, !text.isEmpty,
                0...Int64(ByteLevelBPE.largestToken) ~= id
            else { throw malformed("added_tokens[\(index)]", "an object with a content and an id", entry) }
            for flag in ["single_word", "lstrip", "rstrip"] where entry[flag]?.bool == true {
                throw unsupported("\(flag) of the added token '\(text)'")
            }
            return ByteLevelBPE.AddedToken(
                text: text, token: Int32(id), isSpecial: entry["special"]?.bool ?? false,
                isNormalized: entry["normalized"]?.bool ?? false)
        }
    }

    // MARK: Text

    private func normalization(_ value: JSONValue?) throws -> ByteLevelBPE.Normalization {
        let parts = try sequence(value, member: "normalizers")
        for part in parts where part["type"] != "NFC" { throw unsupported("normalizer \(typeShown(part))") }
        return parts.isEmpty ? .none : .nfc
    }

    private func preTokenizer(_ value: JSONValue?) throws -> PreTokenizer {
        let parts = try sequence(value, member: "pretokenizers")
        guard let last = parts.last, last["type"] == "ByteLevel" else {
            throw unsupported("a pre_tokenizer that does not end with ByteLevel")
        }
        var stages = try parts.dropLast().map { part -> PreTokenizer.Stage in
            switch part["type"] {
            case "Split": try split(part)
            case "Digits": .digits(individually: part["individual_digits"]?.bool ?? false)
            default: throw unsupported("pre_tokenizer \(typeShown(part))")
            }
        }
        if last["add_prefix_space"]?.bool ?? true {
            throw unsupported("add_prefix_space of the ByteLevel pre_tokenizer")
        }
        if last["use_regex"]?.bool ?? true { stages.append(.pattern(.gpt2)) }
        return PreTokenizer(stages: stages)
    }

    private func split(_ part: JSONValue) throws -> PreTokenizer.Stage {
        guard let regex = part["pattern"]?["Regex"]?.string, let pattern = SplitPattern(regularExpression: regex) else {
            throw unsupported("the split pattern \(part["pattern"]?["Regex"]?.string ?? "given as a string")")
        }
        // The patterns leave no gaps, so that these two are the same.
        switch (part["behavior"], part["invert"]?.bool ?? false) {
        case ("Isolated", _), ("Removed", true): return .pattern(pattern)
        default: throw unsupported("splitting with behavior \(part["behavior"]?.shown ?? "missing")")
        }
    }

    // MARK: Around the text

    private func checkDecoder(_ value: JSONValue?) throws {
        for part in try sequence(value, member: "decoders") where part["type"] != "ByteLevel" {
            throw unsupported("decoder \(typeShown(part))")
        }
    }

    /// The tokens that the post-processor's template for one text has before and after it.
    private func affixes(
        _ value: JSONValue?, _ addedTokens: [ByteLevelBPE.AddedToken]
    ) throws -> (prefix: [Int32], suffix: [Int32]) {
        var prefix: [Int32] = []
        var suffix: [Int32] = []
        for part in try sequence(value, member: "processors") {
            switch part["type"] {
            case "ByteLevel": continue
            case "TemplateProcessing":
                guard let pieces = part["single"]?.array else {
                    throw malformed("post_processor.single", "an array", part["single"])
                }
                var isAfterText = false
                for piece in pieces {
                    if piece["Sequence"] != nil {
                        isAfterText = true
                    } else if let name = piece["SpecialToken"]?["id"]?.string,
                        let token = addedTokens.first(where: { $0.text == name })
                    {
                        if isAfterText { suffix.append(token.token) } else { prefix.append(token.token) }
                    } else {
                        throw malformed("post_processor.single", "the text and added tokens", piece)
                    }
                }
            default: throw unsupported("post_processor \(typeShown(part))")
            }
        }
        return (prefix, suffix)
    }

    /// The parts of a component: those of a `Sequence`, the component itself, or none for null.
    private func sequence(_ value: JSONValue?, member: String) throws -> [JSONValue] {
        guard let value, value != .null else { return [] }
        guard value["type"] == "Sequence" else { return [value] }
        guard let parts = value[member]?.array else { throw malformed(member, "an array", value[member]) }
        return try parts.flatMap { part in
            // The library nests sequences too, but writes none that need it.
            if part["type"] == "Sequence" { throw unsupported("a Sequence within a Sequence") }
            return [part]
        }
    }

    private func typeShown(_ part: JSONValue) -> String { part["type"]?.shown ?? "without a type" }

    private func malformed(_ member: String, _ expected: String, _ found: JSONValue?) -> ApusError {
        ApusError(
            "reading \(source)", "\(member): expected \(expected), found \(found?.shown ?? "nothing")",
            remedy: "give a tokenizer.json as Hugging Face's tokenizers or Apus writes it.")
    }

    private func unsupported(_ part: String) -> ApusError {
        ApusError(
            "reading \(source)", "the tokenizer uses \(part), which Apus does not support",
            remedy: "use a byte-level BPE tokenizer such as GPT-2's, Llama 3's or OLMo's, or train one.")
    }
}
