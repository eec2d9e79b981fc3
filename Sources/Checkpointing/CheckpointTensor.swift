import Numerics

/// The part of a tensor that this rank writes into a checkpoint.
public struct CheckpointTensor {
    /// Logical name, the same on every layout, such as `model/blocks.0.attention.query.weight`.
    public let name: String
    /// The whole shape.
    public let shape: [Int]
    /// The part held here: a range of every dimension.
    public let slice: [Range<Int>]
    /// The part's elements, row-major.
    public let values: FloatBuffer

    public init(name: String, shape: [Int], slice: [Range<Int>], values: FloatBuffer) {
        self.name = name
        self.shape = shape
        self.slice = slice
        self.values = values
    }

    public init(name: String, shape: [Int], slice: [Range<Int>], values: UnsafeBufferPointer<Float>) {
        self.init(
            name: name, shape: shape, slice: slice, values: .float32(UnsafeMutableBufferPointer(mutating: values)))
    }

    var box: HyperRectangle { HyperRectangle(slice) }

    /// What makes this tensor impossible to write, if anything.
    var problem: String? {
        guard !name.isEmpty, shape.count <= CheckpointManifest.maximumRank, elementCount(shape) != nil else {
            return "has the impossible shape \(shape)"
        }
        guard box.isInside(shape: shape) else { return "slice \(box) does not lie inside the shape \(shape)" }
        guard box.count == values.count else {
            return "slice \(box) has \(box.count) elements; found \(values.count) values"
        }
        return nil
    }
}
