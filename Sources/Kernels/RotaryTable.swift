import Foundation

/// Cosines and sines of rotary position embedding (RoPE; Su et al. 2021), and the rotation itself.
///
/// Channels are paired as in Hugging Face's Llama: i with i + headSize/2, both rotated by position · θ^(-2i/headSize).
/// Weights in that format need no permutation.
public final class RotaryTable: @unchecked Sendable {
    public let headSize: Int
    /// Positions `0..<contextLength` can be rotated.
    public let contextLength: Int

    /// `[contextLength, headSize]`: headSize/2 cosines, then as many sines; never written after `init`.
    private let table: UnsafeMutablePointer<Float>

    /// - Parameters:
    ///   - headSize: channels of a head; even.
    ///   - contextLength: the number of positions.
    ///   - theta: the base of the frequencies, 10,000 in the paper and 500,000 in Llama 3.
    public init(headSize: Int, contextLength: Int, theta: Float) {
        precondition(
            headSize > 0 && headSize % 2 == 0,
            "rotary embedding pairs channels: the head size must be even, got \(headSize)")
        precondition(contextLength > 0 && theta > 0)
        self.headSize = headSize
        self.contextLength = contextLength
        table = .allocate(capacity: contextLength * headSize)
        let half = headSize / 2
        for i in 0..<half {
            let frequency = pow(Double(theta), -2 * Double(i) / Double(headSize))
            for position in 0..<contextLength {
                table[position * headSize + i] = Float(cos(Double(position) * frequency))
                table[position * headSize + half + i] = Float(sin(Double(position) * frequency))
            }
        }
    }

    deinit { table.deallocate() }

    /// Rotates, in place, `heads` adjacent heads of one token.
    ///
    /// - Parameters:
    ///   - x: `[heads, headSize]`.
    ///   - position: the token's position in its sequence.
    ///   - inverse: whether to turn the other way, which is the backward pass, since a rotation's transpose is its
    ///     inverse.
    public func rotate(_ x: UnsafeMutablePointer<Float>, heads: Int, position: Int, inverse: Bool = false) {
        precondition(
            position >= 0 && position < contextLength, "position \(position) is outside the context of \(contextLength)"
        )
        let half = headSize / 2
        let cosines = UnsafePointer(table) + position * headSize
        let sines = cosines + half
        let sign: Float = inverse ? -1 : 1
        for head in 0..<heads {
            let first = x + head * headSize
            let second = first + half
            var i = 0
            while i &+ 8 <= half {
                let (a, b) = (Self.load(first, i), Self.load(second, i))
                let (c, s) = (Self.load(cosines, i), Self.load(sines, i) * sign)
                Self.store(a * c - b * s, first, i)
                Self.store(b * c + a * s, second, i)
                i &+= 8
            }
            while i < half {
                let (a, b) = (first[i], second[i])
                let (c, s) = (cosines[i], sines[i] * sign)
                first[i] = a * c - b * s
                second[i] = b * c + a * s
                i &+= 1
            }
        }
    }

    // Explicit vectors: for two short halves of one head the compiler's overlap checks cost more than the work.
    @inline(__always)
    private static func load(_ pointer: UnsafePointer<Float>, _ index: Int) -> SIMD8<Float> {
        UnsafeRawPointer(pointer + index).loadUnaligned(as: SIMD8<Float>.self)
    }

    @inline(__always)
    private static func store(_ vector: SIMD8<Float>, _ pointer: UnsafeMutablePointer<Float>, _ index: Int) {
        UnsafeMutableRawPointer(pointer + index).storeBytes(of: vector, as: SIMD8<Float>.self)
    }
}
