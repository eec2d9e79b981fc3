import Numerics

/// Byte-level byte-pair encoding, as GPT-2, Llama 3, OLMo and most others use it: text is cut into pre-tokens, each of
/// which starts as one token a byte, and pairs of tokens are merged in the order in which training found them.
///
/// Encoding and decoding round-trip any bytes, unless the tokenizer normalizes, which changes the text first. Encoding
/// throws for a byte that the vocabulary has no token for; the vocabularies that Apus trains have all.
public struct ByteLevelBPE: Tokenizer, Sendable {
    /// What happens to text before it is cut.
    public enum Normalization: Hashable, Sendable {
        case none
        /// Unicode's canonical composition; text that isn't UTF-8 stays as it is.
        case nfc
    }

    /// A token that is found in text as a whole, before the text is cut.
    public struct AddedToken: Hashable, Sendable {
        public var text: String
        public var token: Int32
        /// A special token, matched only when allowed. Others, such as runs of spaces, are always matched.
        public var isSpecial: Bool
        /// Looked for after normalization instead of before it.
        public var isNormalized: Bool

        public init(text: String, token: Int32, isSpecial: Bool = true, isNormalized: Bool = false) {
            self.text = text
            self.token = token
            self.isSpecial = isSpecial
            self.isNormalized = isNormalized
        }
    }

    public let preTokenizer: PreTokenizer
    public let normalization: Normalization
    public let addedTokens: [AddedToken]
    public let specialTokens: [SpecialToken]
    /// Tokens that the tokenizer's author puts before and after a text, such as Llama 3's `<|begin_of_text|>`.
    /// Encoding doesn't add them; who prepares documents or prompts does.
    public let prefix: [Int32]
    public let suffix: [Int32]
    /// Whether a pre-token that is a token of the vocabulary is taken as that token without applying merges.
    public let ignoresMerges: Bool

    let tokens: TokenBytes
    /// Pairs in the order of their merges, with the token each becomes.
    let merges: [(pair: TokenPair, token: Int32)]
    let mergeTable: MergeTable
    /// The token of each byte; -1 where there is none, as some vocabularies leave out what can't occur in UTF-8.
    let byteTokens: [Int32]

    public var vocabularySize: Int { tokens.count }

    /// Ids beyond this are taken for damage: they would ask for gigabytes.
    static let largestToken: Int32 = 1 << 24

    /// The same for a vocabulary of so many entries: a small file with huge ids would ask for much memory, too.
    static func largestToken(ofEntries count: Int) -> Int32 {
        Int32(min(Int(largestToken), max(1 << 20, 16 * count)))
    }

    /// - Parameters:
    ///   - vocabulary: ordinary tokens as bytes, among them those of single bytes.
    ///   - literals: further entries of the vocabulary that no merge produces and that aren't added tokens.
    ///   - merges: pairs in order, each with the token it becomes.
    ///   - source: what the vocabulary was read from, for errors.
    /// - Throws: `ApusError` for ids that are negative or huge, and for ids and tokens that are given twice.
    init(
        vocabulary: [(bytes: [UInt8], token: Int32)], literals: [(text: String, token: Int32)] = [],
        merges: [(pair: TokenPair, token: Int32)], addedTokens: [AddedToken],
        preTokenizer: PreTokenizer = .gpt2, normalization: Normalization = .none, prefix: [Int32] = [],
        suffix: [Int32] = [], ignoresMerges: Bool = false, source: String
    ) throws {
        let tokens = try Self.tokenBytes(
            vocabulary: vocabulary, literals: literals, addedTokens: addedTokens, source: source)
        byteTokens = (0...255).map { (byte: UInt8) in tokens.token(for: CollectionOfOne(byte)) ?? -1 }
        self.tokens = tokens
        self.merges = merges
        self.mergeTable = MergeTable(merges)
        self.addedTokens = addedTokens.sorted { $0.token < $1.token }
        self.specialTokens = self.addedTokens.filter(\.isSpecial).map { SpecialToken(text: $0.text, token: $0.token) }
        self.preTokenizer = preTokenizer
        self.normalization = normalization
        self.prefix = prefix
        self.suffix = suffix
        self.ignoresMerges = ignoresMerges
    }

    public func bytes(of token: Int32) -> [UInt8]? { tokens[token].map { Array($0) } }

    public func token(for bytes: [UInt8]) -> Int32? { tokens.token(for: bytes) }

    public func makeEncoder(allowedSpecial: AllowedSpecialTokens) -> any TokenEncoder {
        BytePairEncoder(self, allowedSpecial: allowedSpecial)
    }

    private static func tokenBytes(
        vocabulary: [(bytes: [UInt8], token: Int32)], literals: [(text: String, token: Int32)],
        addedTokens: [AddedToken], source: String
    ) throws -> TokenBytes {
        var tokens = TokenBytes()
        let largest = largestToken(ofEntries: vocabulary.count + literals.count + addedTokens.count)
        func insert(_ bytes: [UInt8], _ token: Int32, findable: Bool) throws {
            guard 0...largest ~= token else {
                throw damage(source, "token \(quoted(bytes)) has the id \(token); ids are 0 to \(largest)")
            }
            if let other = tokens[token] {
                throw damage(source, "id \(token) is given to two tokens, \(quoted(other)) and \(quoted(bytes))")
            }
            if findable, let other = tokens.token(for: bytes) {
                throw damage(source, "token \(quoted(bytes)) is given twice, with the ids \(other) and \(token)")
            }
            tokens.insert(bytes, as: token, findable: findable)
        }
        for (bytes, token) in vocabulary { try insert(bytes, token, findable: true) }
        for (text, token) in literals { try insert(Array(text.utf8), token, findable: false) }
        for added in addedTokens {
            // An added token may be an ordinary one as well, which is then found without cutting the text.
            if let ordinary = tokens[added.token], ordinary.elementsEqual(added.text.utf8) { continue }
            try insert(Array(added.text.utf8), added.token, findable: false)
        }
        return tokens
    }

    private static func damage(_ source: String, _ problem: String) -> ApusError {
        ApusError("reading \(source)", problem, remedy: "the file is damaged; get it again.")
    }

    /// A token's bytes for an error message.
    private static func quoted(_ bytes: some Collection<UInt8>) -> String {
        "'\(String(decoding: bytes.prefix(40), as: UTF8.self))'"
    }
}
