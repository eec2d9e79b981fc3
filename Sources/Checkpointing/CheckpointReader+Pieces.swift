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
        guard let rows = slice.first else {
            // A scalar.
            return try withPiece(of: 1) { piece in
                try read(name, shape: shape, slice: slice, into: piece.baseAddress!)
                try body(UnsafeBufferPointer(piece))
            }
        }
        let rowCount = slice.dropFirst().reduce(1) { $0 * $1.count }
        guard rowCount > 0 else { return }
        let step = max(Self.pieceCount / rowCount, 1)
        try withPiece(of: min(step, rows.count) * rowCount) { piece in
            for first in stride(from: rows.lowerBound, to: rows.upperBound, by: step) {
                let part = first..<min(first + step, rows.upperBound)
                try read(name, shape: shape, slice: [part] + slice.dropFirst(), into: piece.baseAddress!)
                try body(UnsafeBufferPointer(rebasing: piece[..<(part.count * rowCount)]))
            }
        }
    }

    private func withPiece(of count: Int, _ body: (UnsafeMutableBufferPointer<Float>) throws -> Void) rethrows {
        guard count > 0 else { return }
        let piece = UnsafeMutableBufferPointer<Float>.allocate(capacity: count)
        defer { piece.deallocate() }
        try body(piece)
    }
}
