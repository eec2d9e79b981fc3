/// Random numbers for the elements of a named tensor.
///
/// Element i is a pure function of seed, name and i (Philox4x32-10), so any slice of a parameter gets the numbers that
/// the whole one would have, whichever rank or thread fills it. The logarithm, sine and cosine are polynomials with
/// fused multiply-adds, not the C library's: every machine gets the same bits.
public struct CounterRandom: Sendable {
    private let key: (UInt32, UInt32)
    private let nameHash: (UInt32, UInt32)

    /// Elements that share their Philox blocks: element `64·w + b` of a group is word w of block b.
    private static let groupSize = 256
    private static let blocksPerGroup = 64
    /// Elements that a thread fills at a time.
    private static let tileSize = 1 << 16

    public init(seed: UInt64, name: String) {
        key = (UInt32(truncatingIfNeeded: seed), UInt32(truncatingIfNeeded: seed &>> 32))
        // FNV-1a (Fowler, Noll & Vo), 64 bits.
        let hash = name.utf8.reduce(0xCBF2_9CE4_8422_2325 as UInt64) { ($0 ^ UInt64($1)) &* 0x100_0000_01B3 }
        nameHash = (UInt32(truncatingIfNeeded: hash), UInt32(truncatingIfNeeded: hash &>> 32))
    }

    /// Fills `destination` with the normal numbers of elements `firstElement...` (Box & Muller 1958).
    public func fillNormal(
        _ destination: UnsafeMutableBufferPointer<Float>, firstElement: Int = 0, mean: Float = 0,
        standardDeviation: Float = 1, pool: ThreadPool? = nil
    ) {
        fill(destination, firstElement: firstElement, pool: pool) { words, group in
            Self.writeNormals(words, mean: mean, standardDeviation: standardDeviation, into: group)
        }
    }

    /// Fills `destination` with the numbers of elements `firstElement...`, uniform in `range`.
    public func fillUniform(
        _ destination: UnsafeMutableBufferPointer<Float>, firstElement: Int = 0, in range: Range<Float> = 0..<1,
        pool: ThreadPool? = nil
    ) {
        let width = range.upperBound - range.lowerBound
        fill(destination, firstElement: firstElement, pool: pool) { words, group in
            for index in 0..<Self.groupSize {
                let fraction = Float(Int32(truncatingIfNeeded: words[index] &>> 8)) * 0x1p-24
                group[index] = range.lowerBound.addingProduct(fraction, width)
            }
        }
    }

    // MARK: Groups

    private typealias Words = UnsafeMutablePointer<UInt32>
    private typealias Group = UnsafeMutablePointer<Float>

    @inline(__always)
    private func fill(
        _ destination: UnsafeMutableBufferPointer<Float>, firstElement: Int, pool: ThreadPool?,
        _ convert: (_ words: Words, _ group: Group) -> Void
    ) {
        precondition(firstElement >= 0, "elements are numbered from 0")
        guard let base = destination.baseAddress else { return }
        let count = destination.count
        guard let pool, count > Self.tileSize else {
            fill(base, firstElement..<firstElement + count, convert)
            return
        }
        pool.forEachRange(count, tileSize: Self.tileSize) { range, _ in
            fill(base + range.lowerBound, firstElement + range.lowerBound..<firstElement + range.upperBound, convert)
        }
    }

    @inline(__always)
    private func fill(_ target: Group, _ elements: Range<Int>, _ convert: (Words, Group) -> Void) {
        let size = Self.groupSize
        withUnsafeTemporaryAllocation(of: UInt32.self, capacity: size) { words in
            withUnsafeTemporaryAllocation(of: Float.self, capacity: size) { partial in
                var element = elements.lowerBound
                while element < elements.upperBound {
                    let group = element / size
                    let end = min((group + 1) * size, elements.upperBound)
                    let destination = target + (element - elements.lowerBound)
                    writeWords(group, into: words.baseAddress!)
                    if end - element == size {
                        convert(words.baseAddress!, destination)
                    } else {
                        convert(words.baseAddress!, partial.baseAddress!)
                        destination.update(
                            from: partial.baseAddress! + (element - group * size), count: end - element)
                    }
                    element = end
                }
            }
        }
    }

    private func writeWords(_ group: Int, into words: Words) {
        let blocks = Self.blocksPerGroup
        // The low bits of a group's first block are zero, so no lane carries into the high word.
        let first = UInt64(group) &* UInt64(blocks)
        let (low, high) = (UInt32(truncatingIfNeeded: first), UInt32(truncatingIfNeeded: first &>> 32))
        for block in 0..<blocks {
            let output = Philox.block(
                key: key, counter: (low &+ UInt32(truncatingIfNeeded: block), high, nameHash.0, nameHash.1))
            words[block] = output.0
            words[block &+ blocks] = output.1
            words[block &+ 2 &* blocks] = output.2
            words[block &+ 3 &* blocks] = output.3
        }
    }

    // MARK: Normal numbers

    /// Words 0 and 1 of a block make its first and second number, words 2 and 3 the others.
    private static func writeNormals(_ words: Words, mean: Float, standardDeviation: Float, into group: Group) {
        let blocks = blocksPerGroup
        for half in 0..<2 {
            let radii = words + half * 2 * blocks
            let angles = radii + blocks
            let first = group + half * 2 * blocks
            let second = first + blocks
            for block in 0..<blocks {
                let radius = (-2 * logarithm(ofWord: radii[block])).squareRoot() * standardDeviation
                let (sine, cosine) = sineAndCosine(ofTurn: angles[block])
                first[block] = mean.addingProduct(radius, cosine)
                second[block] = mean.addingProduct(radius, sine)
            }
        }
    }

    /// ln u for u = (word / 2 + ½) / 2³¹ in (0, 1], with the polynomial of Cephes' `logf` (Moshier).
    @inline(__always)
    private static func logarithm(ofWord word: UInt32) -> Float {
        let uniform = (0x1p-32 as Float).addingProduct(Float(Int32(truncatingIfNeeded: word &>> 1)), 0x1p-31)
        // u = mantissa · 2^exponent with the mantissa in [√½, √2).
        let bits = Int32(bitPattern: uniform.bitPattern) &- 0x3F35_04F3
        let exponent = Float(bits &>> 23)
        let mantissa = Float(bitPattern: UInt32(bitPattern: (bits & 0x7F_FFFF) &+ 0x3F35_04F3))
        let x = mantissa - 1
        var p: Float = 7.037_683_629_2e-2
        p = (-1.151_461_031_0e-1 as Float).addingProduct(p, x)
        p = (1.167_699_874_0e-1 as Float).addingProduct(p, x)
        p = (-1.242_014_084_6e-1 as Float).addingProduct(p, x)
        p = (1.424_932_278_7e-1 as Float).addingProduct(p, x)
        p = (-1.666_805_766_5e-1 as Float).addingProduct(p, x)
        p = (2.000_071_476_5e-1 as Float).addingProduct(p, x)
        p = (-2.499_999_399_3e-1 as Float).addingProduct(p, x)
        p = (3.333_333_117_4e-1 as Float).addingProduct(p, x)
        let square = x * x
        let fraction = (square * x * p).addingProduct(-0.5, square).addingProduct(-2.121_944_40e-4, exponent)
        return (x + fraction).addingProduct(0.693_359_375, exponent)
    }

    /// sin and cos of 2π·word / 2³²: the nearest quarter turn picks and signs the polynomials of Cephes' `sinf`.
    @inline(__always)
    private static func sineAndCosine(ofTurn word: UInt32) -> (Float, Float) {
        let quadrant = (word &+ 0x2000_0000) &>> 30
        let remainder = Int32(bitPattern: word &- (quadrant &<< 30))
        let x = Float(remainder) * 1.462_918_079_267_159_6e-9  // 2π / 2³²
        let square = x * x
        var s: Float = -1.951_529_589_1e-4
        s = (8.332_160_873_6e-3 as Float).addingProduct(s, square)
        s = (-1.666_665_461_1e-1 as Float).addingProduct(s, square)
        let sine = x.addingProduct(s * square, x)
        var c: Float = 2.443_315_711_809_948e-5
        c = (-1.388_731_625_493_765e-3 as Float).addingProduct(c, square)
        c = (4.166_664_568_298_827e-2 as Float).addingProduct(c, square)
        let cosine = (1 as Float).addingProduct(-0.5, square).addingProduct(c * square, square)

        let isSwapped = quadrant & 1 == 1
        let sineSign = (quadrant & 2) &<< 30
        let cosineSign = ((quadrant &+ 1) & 2) &<< 30
        return (
            Float(bitPattern: (isSwapped ? cosine : sine).bitPattern ^ sineSign),
            Float(bitPattern: (isSwapped ? sine : cosine).bitPattern ^ cosineSign)
        )
    }
}
