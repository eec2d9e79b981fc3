import Numerics

/// A vocabulary and merges as files spell them, in the byte-level alphabet, on their way to and from ids.
struct BytePairVocabulary {
    /// Ordinary tokens as bytes.
    var tokens: [(bytes: [UInt8], token: Int32)] = []
    /// Entries that no merge produces and that are no single bytes, as spelled.
    var unreachable: [(text: String, token: Int32)] = []
    var merges: [(pair: TokenPair, token: Int32)] = []

    /// - Parameters:
    ///   - entries: an object of token → id.
    ///   - mergeLines: the two halves of each merge, in order, and where each stands, for errors.
    ///   - source: the file that `entries` come from, for errors.
    /// - Throws: `ApusError` for an id that is no integer, and a merge of unknown tokens or into one.
    init(
        entries: [JSONValue.Member], mergeLines: [(left: Substring, right: Substring, place: String)], source: String
    ) throws {
        var spelled = TokenBytes()
        var decoded: [[UInt8]?] = []
        decoded.reserveCapacity(entries.count)
        let largest = ByteLevelBPE.largestToken(ofEntries: entries.count)
        for (name, value) in entries.map({ ($0.name, $0.value) }) {
            guard let id = value.integer, 0...Int64(largest) ~= id else {
                throw ApusError(
                    "reading \(source)",
                    "token '\(name)': expected an id from 0 to \(largest), found \(value.shown)",
                    remedy: "the file is damaged; get it again.")
            }
            var bytes: [UInt8] = []
            let isSpelled = !name.isEmpty && ByteLevelAlphabet.decode(name, into: &bytes)
            decoded.append(isSpelled ? bytes : nil)
            if isSpelled { spelled.insert(bytes, as: Int32(id), findable: true) }
        }

        var isReachable = [Bool](repeating: false, count: spelled.count)
        merges.reserveCapacity(mergeLines.count)
        for (left, right, place) in mergeLines {
            func token(_ parts: Substring...) throws -> Int32 {
                var bytes: [UInt8] = []
                let isSpelled = parts.allSatisfy { ByteLevelAlphabet.decode($0, into: &bytes) }
                guard isSpelled, let token = spelled.token(for: bytes) else {
                    throw ApusError(
                        "reading \(place)",
                        "the merge of '\(left)' and '\(right)' needs '\(parts.joined())', which is not in the vocabulary "
                            + "of \(entries.count) tokens",
                        remedy: "vocabulary and merges must come from the same tokenizer.")
                }
                return token
            }
            let product = try token(left, right)
            merges.append((TokenPair(left: try token(left), right: try token(right)), product))
            isReachable[Int(product)] = true
        }

        for (entry, bytes) in zip(entries, decoded) {
            let token = Int32(entry.value.integer!)
            if let bytes, bytes.count == 1 || isReachable[Int(token)] {
                tokens.append((bytes, token))
            } else {
                unreachable.append((entry.name, token))
            }
        }
    }
}

extension JSONValue {
    /// A scalar as it stands in the file, or the kind of value, for error messages.
    var shown: String {
        switch self {
        case .integer(let value): String(value)
        case .number(let value): String(value)
        case .string(let value): "'\(value.prefix(40))'"
        default: kind
        }
    }
}

extension ByteLevelBPE {
    /// How vocabulary files spell a token: added tokens as they are, others in the byte-level alphabet.
    func spelling(of token: Int32) -> String {
        let bytes = tokens[token] ?? []
        if let found = tokens.token(for: bytes), found == token { return ByteLevelAlphabet.encode(bytes) }
        return String(decoding: bytes, as: UTF8.self)
    }

    /// The tokens that a vocabulary file lists, by ascending id.
    var vocabularyEntries: JSONValue {
        .object(
            (0..<Int32(vocabularySize)).compactMap { token in
                tokens[token].map { _ in .init(name: spelling(of: token), value: .integer(Int64(token))) }
            })
    }

    /// Merges as files list them: the spellings of both tokens with a space between.
    package var mergeLines: [String] {
        merges.map { spelling(of: $0.pair.left) + " " + spelling(of: $0.pair.right) }
    }
}
