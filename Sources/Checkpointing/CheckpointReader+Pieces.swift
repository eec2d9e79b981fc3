import Numerics

extension CheckpointReader {
    /// Numbers that are converted at a time.
    private static let pieceCount = 1 << 20

    /// Fills `destination` with the elements of a box of a tensor, row-major, rounded to its precision.
    ///
    /// - Parameters:
    ///   - shape: where given, the whole shape that the tensor must have.
    ///   - slice: a range of every dimension.
    public func read(
        _ name: String, shape: [Int]? = nil, slice: [Range<Int>], into destination: FloatBuffer
    ) throws {
        switch destination {
        case .float32(let numbers):
            guard let start = numbers.baseAddress else { return }
            try read(name, shape: shape, slice: slice, into: start)
        case .bfloat16(let bits):
            guard let start = bits.baseAddress else { return }
            var done = 0
            try forEachPiece(name, shape: shape, slice: slice) { numbers in
                BFloat16.round(numbers.baseAddress!, into: start + done, count: numbers.count)
                done += numbers.count
            }
        }
    }

    /// Calls `body` with the elements of a box of a tensor, row-major, some rows at a time: about four mebibytes, or one
    /// row where that is longer.
    func forEachPiece(
        _ name: String, shape: [Int]? = nil, slice: [Range<Int>], _ body: (UnsafeBufferPointer<Float>) throws -> Void
    ) throws {
        let pieces = Self.pieces(of: slice)
        // The first is the largest.
        guard let count = pieces.first.map({ HyperRectangle($0).count }) else { return }
        let memory = UnsafeMutableBufferPointer<Float>.allocate(capacity: count)
        defer { memory.deallocate() }
        for piece in pieces {
            try read(name, shape: shape, slice: piece, into: memory.baseAddress!)
            try body(UnsafeBufferPointer(rebasing: memory[..<HyperRectangle(piece).count]))
        }
    }

    /// Some rows of a box after the other: about a million elements, or one row where that is longer. None where the box
    /// is empty.
    static func pieces(of slice: [Range<Int>]) -> [[Range<Int>]] {
        guard let rows = slice.first else { return [[]] }
        let rowCount = slice.dropFirst().reduce(1) { $0 * $1.count }
        guard rowCount > 0 else { return [] }
        let step = max(pieceCount / rowCount, 1)
        return stride(from: rows.lowerBound, to: rows.upperBound, by: step).map { first in
            [first..<min(first + step, rows.upperBound)] + slice.dropFirst()
        }
    }
}
