extension HuggingFaceFile {
    /// The document that Hugging Face's `tokenizers` library reads as the same tokenizer. Merges are written as text, the
    /// form that all its versions understand.
    static func write(_ tokenizer: ByteLevelBPE) -> JSONValue {
        [
            "version": "1.0",
            "truncation": nil,
            "padding": nil,
            "added_tokens": .array(tokenizer.addedTokens.map(addedToken)),
            "normalizer": tokenizer.normalization == .nfc ? ["type": "NFC"] : nil,
            "pre_tokenizer": preTokenizer(tokenizer.preTokenizer),
            "post_processor": postProcessor(tokenizer),
            "decoder": byteLevel(usesRegex: true),
            "model": [
                "type": "BPE",
                "dropout": nil,
                "unk_token": nil,
                "continuing_subword_prefix": nil,
                "end_of_word_suffix": nil,
                "fuse_unk": false,
                "byte_fallback": false,
                "ignore_merges": .bool(tokenizer.ignoresMerges),
                "vocab": tokenizer.vocabularyEntries,
                "merges": .array(tokenizer.mergeLines.map { .string($0) }),
            ],
        ]
    }

    private static func addedToken(_ token: ByteLevelBPE.AddedToken) -> JSONValue {
        [
            "id": .integer(Int64(token.token)),
            "content": .string(token.text),
            "single_word": false,
            "lstrip": false,
            "rstrip": false,
            "normalized": .bool(token.isNormalized),
            "special": .bool(token.isSpecial),
        ]
    }

    private static func byteLevel(usesRegex: Bool) -> JSONValue {
        ["type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": .bool(usesRegex)]
    }

    private static func preTokenizer(_ preTokenizer: PreTokenizer) -> JSONValue {
        var stages = preTokenizer.stages
        let endsWithGPT2 = stages.last == .pattern(.gpt2)
        if endsWithGPT2 { stages.removeLast() }
        if stages.isEmpty { return byteLevel(usesRegex: endsWithGPT2) }
        let parts = stages.map { stage -> JSONValue in
            switch stage {
            case .digits(let individually): ["type": "Digits", "individual_digits": .bool(individually)]
            case .pattern(let pattern):
                [
                    "type": "Split",
                    "pattern": ["Regex": .string(pattern.regularExpression)],
                    "behavior": "Isolated",
                    "invert": false,
                ]
            }
        }
        return ["type": "Sequence", "pretokenizers": .array(parts + [byteLevel(usesRegex: endsWithGPT2)])]
    }

    private static func postProcessor(_ tokenizer: ByteLevelBPE) -> JSONValue {
        let used = tokenizer.addedTokens.filter { (tokenizer.prefix + tokenizer.suffix).contains($0.token) }
        if used.isEmpty { return byteLevel(usesRegex: true) }
        let texts = Dictionary(uniqueKeysWithValues: used.map { ($0.token, $0.text) })
        func pieces(_ tokens: [Int32], type: Int64) -> [JSONValue] {
            tokens.compactMap { texts[$0] }.map { ["SpecialToken": ["id": .string($0), "type_id": .integer(type)]] }
        }
        func text(_ name: String, type: Int64) -> [JSONValue] {
            pieces(tokenizer.prefix, type: type) + [["Sequence": ["id": .string(name), "type_id": .integer(type)]]]
                + pieces(tokenizer.suffix, type: type)
        }
        return [
            "type": "TemplateProcessing",
            "single": .array(text("A", type: 0)),
            "pair": .array(text("A", type: 0) + text("B", type: 1)),
            "special_tokens": .object(
                used.map {
                    .init(
                        name: $0.text,
                        value: [
                            "id": .string($0.text),
                            "ids": [.integer(Int64($0.token))],
                            "tokens": [.string($0.text)],
                        ])
                }),
        ]
    }
}
