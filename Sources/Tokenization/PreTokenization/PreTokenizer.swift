/// Cuts text into pre-tokens: pieces that merges never cross. Without stages the whole text is one piece.
public struct PreTokenizer: Hashable, Sendable {
    public enum Stage: Hashable, Sendable {
        case pattern(SplitPattern)
        /// Cuts numbers off from what surrounds them, digit by digit or as whole runs.
        case digits(individually: Bool)
    }

    /// Each stage cuts the pieces of the one before it.
    public let stages: [Stage]

    public init(stages: [Stage]) {
        self.stages = stages
    }

    public static let gpt2 = PreTokenizer(stages: [.pattern(.gpt2)])

    /// Calls `body` with the bounds of each pre-token of `text`, in order.
    @inline(__always)
    func forEachPreToken(in text: UnsafeBufferPointer<UInt8>, _ body: (_ start: Int, _ end: Int) -> Void) {
        if text.isEmpty { return }
        if stages.count == 1 {
            Self.split(text, 0, text.count, by: stages[0], body)
        } else {
            split(text, 0, text.count, fromStage: 0, body)
        }
    }

    /// The first place at or after `position` where `text` can be cut in two without changing its pre-tokens.
    ///
    /// With every pattern a match ends where a space follows something else, and where a newline follows a letter or
    /// digit; no match looks further back. `text.count` if there is no such place.
    func safeCut(in text: UnsafeBufferPointer<UInt8>, after position: Int) -> Int {
        let hasPattern = stages.contains { if case .pattern = $0 { true } else { false } }
        guard hasPattern else { return text.count }
        var index = max(position, 1)
        while index < text.count {
            let byte = text[index]
            let previous = text[index - 1]
            if byte == UInt8(ascii: " "), 0x21...0x7E ~= previous { return index }
            if byte == UInt8(ascii: "\n"), previous < 0x80 {
                let isAlphanumeric =
                    UInt8(ascii: "a")...UInt8(ascii: "z") ~= previous | 0x20
                    || UInt8(ascii: "0")...UInt8(ascii: "9") ~= previous
                if isAlphanumeric { return index }
            }
            index += 1
        }
        return text.count
    }

    private func split(
        _ text: UnsafeBufferPointer<UInt8>, _ start: Int, _ end: Int, fromStage stage: Int, _ body: (Int, Int) -> Void
    ) {
        if stage == stages.count { return body(start, end) }
        Self.split(text, start, end, by: stages[stage]) { split(text, $0, $1, fromStage: stage + 1, body) }
    }

    @inline(__always)
    private static func split(
        _ text: UnsafeBufferPointer<UInt8>, _ start: Int, _ end: Int, by stage: Stage, _ body: (Int, Int) -> Void
    ) {
        let scanner = TextScanner(text, end: end)
        switch stage {
        case .pattern(.gpt2):
            cut(start, end, body) { scanner.endOfGPT2Match(from: $0) }
        case .pattern(.gpt4(let digits)):
            cut(start, end, body) { scanner.endOfGPT4Match(from: $0, digits: digits) }
        case .pattern(.gpt4o):
            cut(start, end, body) { scanner.endOfGPT4oMatch(from: $0) }
        case .digits(let individually):
            cut(start, end, body) { position in
                let (kind, next) = scanner.character(at: position)
                let number = kind.intersection(.number)
                if individually, !number.isEmpty { return next }
                return scanner.endOfRun(from: next, of: number, mask: .number)
            }
        }
    }

    @inline(__always)
    private static func cut(_ start: Int, _ end: Int, _ body: (Int, Int) -> Void, endOfMatch: (Int) -> Int) {
        var position = start
        while position < end {
            let next = endOfMatch(position)
            body(position, next)
            position = next
        }
    }
}
