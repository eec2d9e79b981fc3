/// Masks of dropout (Srivastava et al. 2014, inverted form): each element is 0 with the given probability and
/// 1 / (1 − probability) otherwise, so that a product with it keeps the expectation.
///
/// An element is a pure function of key, counter and its index. Sixteen random bits decide, so the probability is
/// rounded to a multiple of 2⁻¹⁶ and the scale goes with the rounded one.
public struct DropoutMask: Sendable {
    private let key: (UInt32, UInt32)
    /// An element is dropped when its sixteen bits are below this.
    private let threshold: UInt32
    /// What elements that stay are multiplied by.
    public let scale: Float

    /// Elements whose bits come from one group of Philox blocks, one block a vector lane.
    private static let groupSize = 128
    private static let blocksPerGroup = 16

    /// - Parameter probability: clamped to 0...1; 1 drops everything.
    public init(probability: Float, key: (UInt32, UInt32)) {
        self.key = key
        threshold = UInt32((min(max(probability, 0), 1) * 65_536).rounded())
        scale = threshold < 65_536 ? 65_536 / Float(65_536 - threshold) : 0
    }

    /// Writes the factors of `elements` of the row that `counter` names, the first of them to `destination[0]`.
    public func write(
        _ elements: Range<Int>, counter: (UInt32, UInt32, UInt32), into destination: UnsafeMutablePointer<Float>
    ) {
        let size = Self.groupSize
        withUnsafeTemporaryAllocation(of: Float.self, capacity: size) { partial in
            var element = elements.lowerBound
            while element < elements.upperBound {
                let group = element / size
                let end = min((group + 1) * size, elements.upperBound)
                let target = destination + (element - elements.lowerBound)
                if end - element == size {
                    writeGroup(group, counter: counter, into: target)
                } else {
                    writeGroup(group, counter: counter, into: partial.baseAddress!)
                    target.update(from: partial.baseAddress! + (element - group * size), count: end - element)
                }
                element = end
            }
        }
    }

    /// Lane `l` of block vector `b`, half word `h` decides element `16·h + l`: every store is a whole vector.
    @inline(__always)
    private func writeGroup(
        _ group: Int, counter: (UInt32, UInt32, UInt32), into destination: UnsafeMutablePointer<Float>
    ) {
        let lanes = Self.blocksPerGroup
        let firstBlock = UInt32(truncatingIfNeeded: group &* lanes)
        let (threshold, scale) = (threshold, scale)
        for lane in 0..<lanes {
            let words = Philox.block(
                key: key, counter: (firstBlock &+ UInt32(truncatingIfNeeded: lane), counter.0, counter.1, counter.2))
            destination[lane] = words.0 & 0xFFFF < threshold ? 0 : scale
            destination[lane &+ 16] = words.0 &>> 16 < threshold ? 0 : scale
            destination[lane &+ 32] = words.1 & 0xFFFF < threshold ? 0 : scale
            destination[lane &+ 48] = words.1 &>> 16 < threshold ? 0 : scale
            destination[lane &+ 64] = words.2 & 0xFFFF < threshold ? 0 : scale
            destination[lane &+ 80] = words.2 &>> 16 < threshold ? 0 : scale
            destination[lane &+ 96] = words.3 & 0xFFFF < threshold ? 0 : scale
            destination[lane &+ 112] = words.3 &>> 16 < threshold ? 0 : scale
        }
    }
}
