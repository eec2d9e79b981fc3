/// The integer type in which a shard stores a token.
public enum TokenElement: String, Hashable, Sendable {
    case uint8, int8, int16, int32, int64, uint16, uint32

    /// From the type code in a Megatron index; nil for its floating-point types and for what it doesn't define.
    init?(megatronCode: UInt8) {
        switch megatronCode {
        case 1: self = .uint8
        case 2: self = .int8
        case 3: self = .int16
        case 4: self = .int32
        case 5: self = .int64
        case 8: self = .uint16
        default: return nil
        }
    }

    /// The type that Megatron's own preprocessing chooses for a vocabulary, with its type code.
    static func megatron(vocabularySize: Int) -> (element: TokenElement, code: UInt8) {
        vocabularySize < 65_500 ? (.uint16, 8) : (.int32, 4)
    }

    public var byteCount: Int {
        switch self {
        case .uint8, .int8: 1
        case .int16, .uint16: 2
        case .int32, .uint32: 4
        case .int64: 8
        }
    }
}
