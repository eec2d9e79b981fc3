/// The words of a corpus as sequences of tokens, with the count of every pair of adjacent tokens kept up to date while
/// pairs are merged.
///
/// A pair's count is the number of places where it stands in the corpus; overlapping places (two in `aaa`) all count.
struct PairStatistics {
    /// The tokens of all words; a word's own are `tokens[start..<start + length]` and shrink in place.
    private var tokens: [Int32] = []
    private var words: [Word] = []

    private struct Word {
        var start: Int
        var length: Int
        /// How often the word comes in the corpus.
        var count: Int
    }

    /// Pair → slot, by open addressing; -1 for free places.
    private var slots: [Int32] = []
    private(set) var pairs: [TokenPair] = []
    /// The count of each slot's pair.
    private(set) var counts: [Int] = []
    /// The words in which each slot's pair stands or once stood, as lists: index of the first link, -1 for none.
    private var firstOccurrence: [Int32] = []
    private var occurrences: [Occurrence] = []

    private struct Occurrence {
        var word: Int32
        var next: Int32
    }

    /// Slots whose count has risen since ``takeRisen()`` was last called, each once.
    private var risen: [Int32] = []
    private var hasRisen: [Bool] = []

    init(_ counter: borrowing PreTokenCounter, tokenOfByte: [Int32]) {
        slots = [Int32](repeating: -1, count: 1 << 16)
        counter.visit { bytes, count in
            words.append(Word(start: tokens.count, length: bytes.count, count: count))
            for byte in bytes { tokens.append(tokenOfByte[Int(byte)]) }
        }
        for (index, word) in words.enumerated() where word.length > 1 {
            for position in word.start..<word.start + word.length - 1 {
                raise(TokenPair(left: tokens[position], right: tokens[position + 1]), by: word.count, in: Int32(index))
            }
        }
    }

    /// The slots of pairs that have become more frequent, or new, since the last call.
    mutating func takeRisen() -> [Int32] {
        for slot in risen { hasRisen[Int(slot)] = false }
        defer { risen.removeAll(keepingCapacity: true) }
        return risen
    }

    /// Replaces a slot's pair by `token` wherever it stands, left to right in each word.
    mutating func merge(_ slot: Int32, into token: Int32) {
        let pair = pairs[Int(slot)]
        var link = firstOccurrence[Int(slot)]
        firstOccurrence[Int(slot)] = -1
        while link >= 0 {
            let occurrence = occurrences[Int(link)]
            mergeWord(occurrence.word, pair, into: token)
            link = occurrence.next
        }
        counts[Int(slot)] = 0
    }

    private mutating func mergeWord(_ index: Int32, _ pair: TokenPair, into token: Int32) {
        let word = words[Int(index)]
        let end = word.start + word.length
        var read = word.start
        var write = word.start
        while read < end {
            guard read + 1 < end, tokens[read] == pair.left, tokens[read + 1] == pair.right else {
                tokens[write] = tokens[read]
                read += 1
                write += 1
                continue
            }
            if write > word.start {
                let previous = tokens[write - 1]
                lower(TokenPair(left: previous, right: pair.left), by: word.count)
                raise(TokenPair(left: previous, right: token), by: word.count, in: index)
            }
            if read + 2 < end {
                let following = tokens[read + 2]
                lower(TokenPair(left: pair.right, right: following), by: word.count)
                raise(TokenPair(left: token, right: following), by: word.count, in: index)
            }
            tokens[write] = token
            read += 2
            write += 1
        }
        words[Int(index)].length = write - word.start
    }

    private mutating func lower(_ pair: TokenPair, by count: Int) {
        let slot = slots[place(of: pair)]
        if slot >= 0 { counts[Int(slot)] -= count }
    }

    private mutating func raise(_ pair: TokenPair, by count: Int, in word: Int32) {
        let slot = slot(of: pair)
        counts[slot] += count
        let first = firstOccurrence[slot]
        if first < 0 || occurrences[Int(first)].word != word {
            firstOccurrence[slot] = Int32(occurrences.count)
            occurrences.append(Occurrence(word: word, next: first))
        }
        if !hasRisen[slot] {
            hasRisen[slot] = true
            risen.append(Int32(slot))
        }
    }

    private mutating func slot(of pair: TokenPair) -> Int {
        var place = place(of: pair)
        if slots[place] >= 0 { return Int(slots[place]) }
        if (pairs.count + 1) * 2 > slots.count {
            slots = [Int32](repeating: -1, count: slots.count * 2)
            for (slot, pair) in pairs.enumerated() { slots[self.place(of: pair)] = Int32(slot) }
            place = self.place(of: pair)
        }
        slots[place] = Int32(pairs.count)
        pairs.append(pair)
        counts.append(0)
        firstOccurrence.append(-1)
        hasRisen.append(false)
        return pairs.count - 1
    }

    private func place(of pair: TokenPair) -> Int {
        var place = Int(truncatingIfNeeded: (pair.bits &* 0x9E37_79B9_7F4A_7C15) >> 32) & (slots.count - 1)
        while slots[place] >= 0, pairs[Int(slots[place])] != pair { place = (place + 1) & (slots.count - 1) }
        return place
    }
}
