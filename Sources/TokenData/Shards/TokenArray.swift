import Numerics

/// Tokens that stand one after the other in a mapped file.
struct TokenArray: Sendable {
    let file: MappedFile
    let element: TokenElement
    /// Of the first token, in bytes.
    let offset: Int
    let count: Int

    /// Fills `destination` with the tokens from position `start` on.
    ///
    /// - Throws: `ApusError` for a value that is no token id: below 0 or above 2³¹ − 1.
    func copy(from start: Int, into destination: UnsafeMutableBufferPointer<Int32>) throws {
        precondition(
            start >= 0 && destination.count <= count - start,
            "tokens \(start)..<\(start + destination.count) of \(count) in \(file.path)")
        switch element {
        case .uint8: try copy(UInt8.self, from: start, into: destination)
        case .int8: try copy(Int8.self, from: start, into: destination)
        case .int16: try copy(Int16.self, from: start, into: destination)
        case .int32: try copy(Int32.self, from: start, into: destination)
        case .int64: try copy(Int64.self, from: start, into: destination)
        case .uint16: try copy(UInt16.self, from: start, into: destination)
        case .uint32: try copy(UInt32.self, from: start, into: destination)
        }
    }

    @inline(__always)
    private func copy<Value: FixedWidthInteger>(
        _ type: Value.Type, from start: Int, into destination: UnsafeMutableBufferPointer<Int32>
    ) throws {
        guard !destination.isEmpty else { return }
        let first = offset + start * MemoryLayout<Value>.size
        let source = UnsafeRawBufferPointer(
            rebasing: file.bytes[first..<first + destination.count * MemoryLayout<Value>.size])
        // All bits that any value has: every value is a token id if these make one.
        var bits: Value = 0
        for index in 0..<destination.count {
            let value = Value(
                littleEndian: source.loadUnaligned(fromByteOffset: index &* MemoryLayout<Value>.size, as: Value.self))
            bits |= value
            destination[index] = Int32(truncatingIfNeeded: value)
        }
        if bits < 0 || bits > Int32.max { throw notAToken(type, from: start, count: destination.count) }
    }

    private func notAToken<Value: FixedWidthInteger>(_ type: Value.Type, from start: Int, count: Int) -> ApusError {
        let values = (start..<start + count).lazy.map { position in
            (position, file.integer(at: offset + position * MemoryLayout<Value>.size, as: type))
        }
        let found = values.first { $0.1 < 0 || $0.1 > Int32.max }
        let description = found.map { "found \($0.1) at token \($0.0)" } ?? "found none"
        return ApusError(
            "reading \(file.path)", "expected token ids from 0 to 2147483647, \(description)",
            remedy: "the file is damaged or holds something other than tokens")
    }
}
