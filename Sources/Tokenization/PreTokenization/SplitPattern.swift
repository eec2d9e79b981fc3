/// The regular expressions with which byte-pair tokenizers cut text into pre-tokens, as hand-written scanners.
///
/// Each covers every text without gaps, so a pattern is a function from where a match begins to where it ends.
public enum SplitPattern: Hashable, Sendable {
    /// GPT-2's: `'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`
    case gpt2
    /// GPT-4's, Llama 3's (at most three digits a match) and Qwen 2's (one):
    /// `(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`
    case gpt4(digits: Int)
    /// GPT-4o's, which also starts a match where case changes, as in `camel|Case`.
    case gpt4o

    /// The pattern that a tokenizer file spells as `regex`, if it is one of these.
    package init?(regularExpression regex: String) {
        for pattern in [Self.gpt2, .gpt4(digits: 3), .gpt4(digits: 1), .gpt4o] where pattern.regularExpression == regex
        {
            self = pattern
            return
        }
        return nil
    }

    /// How tokenizer files spell the pattern.
    package var regularExpression: String {
        let contractions = "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
        let spaces = #"\s*[\r\n]+|\s+(?!\S)|\s+"#
        switch self {
        case .gpt2:
            return #"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"#
        case .gpt4(let digits):
            let number = digits == 1 ? #"\p{N}"# : #"\p{N}{1,\#(digits)}"#
            return contractions
                + #"|[^\r\n\p{L}\p{N}]?\p{L}+|\#(number)| ?[^\s\p{L}\p{N}]+[\r\n]*|"# + spaces
        case .gpt4o:
            let upper = #"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]"#
            let lower = #"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"#
            return #"[^\r\n\p{L}\p{N}]?\#(upper)*\#(lower)+\#(contractions)?|"#
                + #"[^\r\n\p{L}\p{N}]?\#(upper)+\#(lower)*\#(contractions)?|"#
                + #"\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|"# + spaces
        }
    }
}

extension TextScanner {
    static let lettersAndNumbers: CharacterClass = [.letter, .number]
    static let lettersNumbersAndSpace: CharacterClass = [.letter, .number, .whitespace]

    /// Where the match of ``SplitPattern/gpt2`` that begins at `start` ends.
    @inline(__always)
    func endOfGPT2Match(from start: Int) -> Int {
        let first = bytes[start]
        if first == UInt8(ascii: "'"), let end = endOfContraction(from: start, ignoringCase: false) { return end }
        var (kind, next) = character(at: start)
        if first == UInt8(ascii: " "), next < end {
            let following = character(at: next)
            if !following.class.contains(.whitespace) { (kind, next) = following }
        }
        if kind.contains(.whitespace) { return endOfSpace(from: start) }
        return endOfRun(
            from: next, of: kind.intersection(Self.lettersAndNumbers), mask: Self.lettersNumbersAndSpace)
    }

    /// Where the match of ``SplitPattern/gpt4(digits:)`` that begins at `start` ends.
    @inline(__always)
    func endOfGPT4Match(from start: Int, digits: Int) -> Int {
        let first = bytes[start]
        if first == UInt8(ascii: "'"), let end = endOfContraction(from: start, ignoringCase: true) { return end }
        let (kind, next) = character(at: start)
        if kind.contains(.letter) { return endOfRun(from: next, of: .letter, mask: .letter) }
        if kind.contains(.number) { return endOfDigits(after: next, limit: digits) }
        if !kind.contains(.newline), next < end, character(at: next).class.contains(.letter) {
            return endOfRun(from: next, of: .letter, mask: .letter)
        }
        if let end = endOfSymbols(from: start, slash: false) { return end }
        return endOfSpaceAndNewlines(from: start)
    }

    /// Where the match of ``SplitPattern/gpt4o`` that begins at `start` ends.
    @inline(__always)
    func endOfGPT4oMatch(from start: Int) -> Int {
        let (kind, next) = character(at: start)
        let canPrefix = kind.isDisjoint(with: [.letter, .number, .newline]) && next < end
        if canPrefix, let end = endOfLowercaseWord(from: next) { return end }
        if let end = endOfLowercaseWord(from: start) { return end }
        if canPrefix, let end = endOfUppercaseWord(from: next) { return end }
        if let end = endOfUppercaseWord(from: start) { return end }
        if kind.contains(.number) { return endOfDigits(after: next, limit: 3) }
        if let end = endOfSymbols(from: start, slash: true) { return end }
        return endOfSpaceAndNewlines(from: start)
    }

    /// `\s+(?!\S)|\s+`: a run of whitespace leaves its last character to what follows, unless it is the only one or
    /// nothing follows.
    func endOfSpace(from start: Int) -> Int {
        let runEnd = endOfRun(from: start, of: .whitespace, mask: .whitespace)
        if runEnd == end { return end }
        let last = startOfCharacter(endingAt: runEnd, notBefore: start)
        return last > start ? last : runEnd
    }

    /// `\s*[\r\n]+|\s+(?!\S)|\s+`: a run of whitespace that has newlines ends after the last of them.
    private func endOfSpaceAndNewlines(from start: Int) -> Int {
        let runEnd = endOfRun(from: start, of: .whitespace, mask: .whitespace)
        var position = runEnd
        while position > start {
            if bytes[position - 1] == UInt8(ascii: "\n") || bytes[position - 1] == UInt8(ascii: "\r") {
                return position
            }
            position -= 1
        }
        return endOfSpace(from: start)
    }

    /// ` ?[^\s\p{L}\p{N}]+[\r\n]*`, with `/` among the trailing characters where `slash` says so.
    private func endOfSymbols(from start: Int, slash: Bool) -> Int? {
        let begin = bytes[start] == UInt8(ascii: " ") ? start + 1 : start
        var position = endOfRun(from: begin, of: [], mask: Self.lettersNumbersAndSpace)
        guard position > begin else { return nil }
        while position < end {
            let byte = bytes[position]
            guard byte == UInt8(ascii: "\n") || byte == UInt8(ascii: "\r") || slash && byte == UInt8(ascii: "/") else {
                break
            }
            position += 1
        }
        return position
    }

    /// `\p{N}{1,limit}` whose first character has been read.
    private func endOfDigits(after position: Int, limit: Int) -> Int {
        var position = position
        var count = 1
        while count < limit, position < end {
            let (kind, next) = character(at: position)
            guard kind.contains(.number) else { break }
            position = next
            count += 1
        }
        return position
    }

    /// `U*L+` and an optional contraction, where U are upper-like and L lower-like characters.
    private func endOfLowercaseWord(from start: Int) -> Int? {
        let upperEnd = endOfRun(from: start, of: .upperLike, mask: .upperLike)
        let lowerEnd = endOfRun(from: upperEnd, of: .lowerLike, mask: .lowerLike)
        if lowerEnd > upperEnd { return endOfOptionalContraction(from: lowerEnd) }
        // Nothing lower-like follows: `L+` takes the last character of the run that is both, if there is one.
        var position = upperEnd
        while position > start {
            let begin = startOfCharacter(endingAt: position, notBefore: start)
            if character(at: begin).class.contains(.lowerLike) { return endOfOptionalContraction(from: position) }
            position = begin
        }
        return nil
    }

    /// `U+L*` and an optional contraction, where ``endOfLowercaseWord(from:)`` found nothing: then `L*` is empty.
    private func endOfUppercaseWord(from start: Int) -> Int? {
        let upperEnd = endOfRun(from: start, of: .upperLike, mask: .upperLike)
        return upperEnd > start ? endOfOptionalContraction(from: upperEnd) : nil
    }

    private func endOfOptionalContraction(from position: Int) -> Int {
        guard position < end, bytes[position] == UInt8(ascii: "'") else { return position }
        return endOfContraction(from: position, ignoringCase: true) ?? position
    }

    /// `'s|'t|'re|'ve|'m|'ll|'d` at `start`, where there is an apostrophe.
    private func endOfContraction(from start: Int, ignoringCase: Bool) -> Int? {
        func letter(_ offset: Int) -> UInt8 {
            guard start + offset < end else { return 0 }
            let byte = bytes[start + offset]
            return ignoringCase && UInt8(ascii: "A")...UInt8(ascii: "Z") ~= byte ? byte | 0x20 : byte
        }
        switch (letter(1), letter(2)) {
        case (UInt8(ascii: "s"), _), (UInt8(ascii: "t"), _), (UInt8(ascii: "m"), _), (UInt8(ascii: "d"), _):
            return start + 2
        case (UInt8(ascii: "r"), UInt8(ascii: "e")), (UInt8(ascii: "v"), UInt8(ascii: "e")),
            (UInt8(ascii: "l"), UInt8(ascii: "l")):
            return start + 3
        // U+017F, the long s, equals s where case is ignored.
        case (0xC5, 0xBF) where ignoringCase:
            return start + 3
        default:
            return nil
        }
    }
}
