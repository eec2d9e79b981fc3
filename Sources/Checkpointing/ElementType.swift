/// The type of a stored tensor's elements, by the names that the safetensors format gives them.
public enum ElementType: String, Codable, Hashable, Sendable, CaseIterable {
    case bool = "BOOL"
    case uint8 = "U8"
    case int8 = "I8"
    case float8E4M3 = "F8_E4M3"
    case float8E5M2 = "F8_E5M2"
    case uint16 = "U16"
    case int16 = "I16"
    case float16 = "F16"
    case bfloat16 = "BF16"
    case uint32 = "U32"
    case int32 = "I32"
    case float32 = "F32"
    case uint64 = "U64"
    case int64 = "I64"
    case float64 = "F64"

    /// Bytes of one element.
    public var size: Int {
        switch self {
        case .bool, .uint8, .int8, .float8E4M3, .float8E5M2: 1
        case .uint16, .int16, .float16, .bfloat16: 2
        case .uint32, .int32, .float32: 4
        case .uint64, .int64, .float64: 8
        }
    }

    /// Whether `convert(_:count:to:)` has a meaning for this type.
    public var isConvertibleToFloat: Bool {
        switch self {
        case .float16, .bfloat16, .float32, .float64: true
        default: false
        }
    }

    /// Whether `convert(_:count:to:)` into integers has a meaning for this type.
    public var isInteger: Bool {
        switch self {
        case .uint8, .int8, .uint16, .int16, .uint32, .int32, .int64: true
        default: false
        }
    }

    /// Writes `count` little-endian elements as floats: exactly from F16, BF16 and F32, rounded from F64.
    package func convert(_ source: UnsafeRawPointer, count: Int, to destination: UnsafeMutablePointer<Float>) {
        switch self {
        case .float32:
            UnsafeMutableRawPointer(destination).copyMemory(from: source, byteCount: count * 4)
        case .float16:
            for index in 0..<count {
                let bits = source.loadUnaligned(fromByteOffset: index * 2, as: UInt16.self)
                destination[index] = Float(Float16(bitPattern: bits))
            }
        case .bfloat16:
            for index in 0..<count {
                let bits = source.loadUnaligned(fromByteOffset: index * 2, as: UInt16.self)
                destination[index] = Float(bitPattern: UInt32(bits) << 16)
            }
        case .float64:
            for index in 0..<count {
                destination[index] = Float(source.loadUnaligned(fromByteOffset: index * 8, as: Double.self))
            }
        default: preconditionFailure("\(rawValue) is not a floating-point type")
        }
    }

    /// Writes `count` little-endian elements as 64-bit integers.
    package func convert(_ source: UnsafeRawPointer, count: Int, to destination: UnsafeMutablePointer<Int64>) {
        func widen<Stored: FixedWidthInteger & BitwiseCopyable>(_: Stored.Type) {
            for index in 0..<count {
                let stored = source.loadUnaligned(fromByteOffset: index * MemoryLayout<Stored>.size, as: Stored.self)
                destination[index] = Int64(stored)
            }
        }
        switch self {
        case .uint8: widen(UInt8.self)
        case .int8: widen(Int8.self)
        case .uint16: widen(UInt16.self)
        case .int16: widen(Int16.self)
        case .uint32: widen(UInt32.self)
        case .int32: widen(Int32.self)
        case .int64: widen(Int64.self)
        default: preconditionFailure("\(rawValue) is not an integer type that 64 signed bits hold")
        }
    }
}
