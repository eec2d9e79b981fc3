/// Numbers in memory that belongs to someone else, in one of two precisions.
public enum FloatBuffer {
    case float32(UnsafeMutableBufferPointer<Float>)
    /// Bit patterns: see `BFloat16`.
    case bfloat16(UnsafeMutableBufferPointer<UInt16>)

    public var count: Int {
        switch self {
        case .float32(let numbers): numbers.count
        case .bfloat16(let bits): bits.count
        }
    }

    public var bytes: UnsafeRawBufferPointer {
        switch self {
        case .float32(let numbers): UnsafeRawBufferPointer(numbers)
        case .bfloat16(let bits): UnsafeRawBufferPointer(bits)
        }
    }

    public subscript(range: Range<Int>) -> FloatBuffer {
        switch self {
        case .float32(let numbers): .float32(UnsafeMutableBufferPointer(rebasing: numbers[range]))
        case .bfloat16(let bits): .bfloat16(UnsafeMutableBufferPointer(rebasing: bits[range]))
        }
    }
}
