/// Finds special tokens that are spelled out in a text: leftmost first, the longest of those that begin at one place.
struct SpecialTokenMatcher: Sendable {
    /// A trie in one array: 256 children a node, 0 for none (the root is nobody's child).
    private var children: [Int32] = []
    /// The token whose text ends at a node, or -1.
    private var tokens: [Int32] = []

    var isEmpty: Bool { tokens.count <= 1 }

    init(_ entries: some Sequence<(bytes: [UInt8], token: Int32)>) {
        addNode()
        for (bytes, token) in entries where !bytes.isEmpty {
            var node = 0
            for byte in bytes {
                let place = node * 256 + Int(byte)
                if children[place] == 0 { children[place] = addNode() }
                node = Int(children[place])
            }
            tokens[node] = token
        }
    }

    @discardableResult
    private mutating func addNode() -> Int32 {
        children.append(contentsOf: repeatElement(0, count: 256))
        tokens.append(-1)
        return Int32(tokens.count - 1)
    }

    enum Piece {
        case text(UnsafeBufferPointer<UInt8>)
        case token(Int32)
    }

    /// Calls `body` with what lies between the special tokens of `text`, and with these, in order.
    func forEachPiece(of text: UnsafeBufferPointer<UInt8>, _ body: (Piece) throws -> Void) rethrows {
        var pending = 0
        var position = 0
        while !isEmpty, position < text.count {
            guard let match = longestMatch(in: text, at: position) else {
                position += 1
                continue
            }
            if position > pending { try body(.text(UnsafeBufferPointer(rebasing: text[pending..<position]))) }
            try body(.token(match.token))
            position = match.end
            pending = position
        }
        if pending < text.count { try body(.text(UnsafeBufferPointer(rebasing: text[pending...]))) }
    }

    @inline(__always)
    private func longestMatch(in text: UnsafeBufferPointer<UInt8>, at start: Int) -> (token: Int32, end: Int)? {
        var node = Int(children[Int(text[start])])
        if node == 0 { return nil }
        var position = start + 1
        var longest: (token: Int32, end: Int)?
        while true {
            if tokens[node] >= 0 { longest = (tokens[node], position) }
            guard position < text.count else { return longest }
            node = Int(children[node * 256 + Int(text[position])])
            if node == 0 { return longest }
            position += 1
        }
    }
}
