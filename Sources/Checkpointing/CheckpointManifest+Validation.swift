import Numerics

extension CheckpointManifest {
    /// The most dimensions that a tensor may have.
    package static let maximumRank = 8
    /// The most corners that the chunks of a tensor may have together.
    private static let maximumCorners = 1 << 20

    /// Far more than any run counts; sums and products of a few stay numbers.
    private static func isCount(_ number: Int) -> Bool { 0...(1 << 60) ~= number }

    /// A petabyte; the files of a checkpoint can be added up.
    private static let largestFile = 1 << 50

    /// Checks everything that a reader relies on: names that stay in the folder, byte ranges inside their file and of
    /// the right size, boxes inside their tensor that hold each element exactly once.
    package func validate(operation: String) throws {
        func fail(_ problem: String, remedy: String? = nil) -> ApusError {
            ApusError(operation, problem, remedy: remedy)
        }
        guard version == Self.currentVersion else {
            throw fail(
                "expected version \(Self.currentVersion) of the format, found \(version)",
                remedy: "use the version of apus that wrote it")
        }
        guard hash == Self.hashAlgorithm else {
            throw fail("expected hashes by \(Self.hashAlgorithm), found \(hash.debugDescription)")
        }
        guard hashBlockBytes >= 8, hashBlockBytes <= 1 << 30, hashBlockBytes % 8 == 0 else {
            throw fail("hashBlockBytes must be a multiple of 8 up to a gibibyte, found \(hashBlockBytes)")
        }
        guard Self.isCount(step), Self.isCount(state.nextSample), Self.isCount(state.tokensSeen), ranks > 0 else {
            throw fail(
                "expected counts that are not negative and at most 2⁶⁰, found step \(step), next sample \(state.nextSample), tokens "
                    + "seen \(state.tokensSeen), ranks \(ranks)")
        }
        for (name, file) in files.sorted(by: { $0.key < $1.key }) {
            guard Self.isPlainFileName(name) else {
                throw fail("the file name \(name.debugDescription) could lead out of the checkpoint's folder")
            }
            guard file.headerBytes >= 8, file.bytes >= file.headerBytes, file.bytes <= Self.largestFile,
                file.headerBytes <= SafetensorsHeader.maximumLength + 8
            else {
                throw fail("file \(name) cannot have \(file.bytes) bytes with a header of \(file.headerBytes)")
            }
        }
        for (name, tensor) in tensors.sorted(by: { $0.key < $1.key }) {
            if let problem = problem(of: tensor) { throw fail("tensor \(name) \(problem)") }
        }
    }

    private func problem(of tensor: Tensor) -> String? {
        guard tensor.shape.count <= Self.maximumRank, let count = elementCount(tensor.shape),
            !count.multipliedReportingOverflow(by: tensor.dtype.size).overflow
        else { return "has the impossible shape \(tensor.shape)" }
        for (index, chunk) in tensor.chunks.enumerated() {
            if let problem = problem(of: chunk, in: tensor) { return "chunk \(index): \(problem)" }
        }
        // Far more than any layout makes, and few enough to be added up.
        let corners = tensor.chunks.count.multipliedReportingOverflow(by: 1 << tensor.shape.count)
        guard !corners.overflow, corners.partialValue <= Self.maximumCorners else {
            return "is cut into \(tensor.chunks.count) chunks of \(tensor.shape.count) dimensions, too many"
        }
        return Self.coverageProblem(shape: tensor.shape, boxes: tensor.chunks.map(\.box))
    }

    private func problem(of chunk: Chunk, in tensor: Tensor) -> String? {
        // Each bound is compared by subtraction, which cannot overflow once both numbers are known not to be negative.
        guard chunk.offsets.count == tensor.shape.count, chunk.shape.count == tensor.shape.count,
            zip(tensor.shape, zip(chunk.offsets, chunk.shape)).allSatisfy({ whole, part in
                part.0 >= 0 && part.1 > 0 && part.1 <= whole && part.0 <= whole - part.1
            })
        else {
            return "offsets \(chunk.offsets) and shape \(chunk.shape) do not lie inside \(tensor.shape)"
        }
        guard let file = files[chunk.file] else { return "file \(chunk.file.debugDescription) is not listed" }
        guard chunk.start >= file.headerBytes, chunk.start <= chunk.end, chunk.end <= file.bytes else {
            return "bytes \(chunk.start) to \(chunk.end) do not lie in the data of \(chunk.file), "
                + "\(file.headerBytes) to \(file.bytes)"
        }
        let bytes = chunk.shape.reduce(1, *) * tensor.dtype.size
        guard chunk.end - chunk.start == bytes else {
            return "expected \(bytes) bytes for shape \(chunk.shape), found \(chunk.end - chunk.start)"
        }
        let blocks = (bytes + hashBlockBytes - 1) / hashBlockBytes
        guard chunk.hashes.count == blocks else {
            return "expected \(blocks) hashes for \(bytes) bytes, found \(chunk.hashes.count)"
        }
        return nil
    }

    /// Letters, digits, `-`, `_` and dots inside: no separator, no parent folder, nothing hidden.
    static func isPlainFileName(_ name: String) -> Bool {
        let allowed = name.utf8.allSatisfy { byte in
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "_"), UInt8(ascii: "."):
                true
            default: false
            }
        }
        return allowed && !name.isEmpty && !name.hasPrefix(".") && name.utf8.count <= 255
    }

    /// What is wrong where `boxes`, which lie inside a tensor of this shape, do not hold each of its elements once.
    ///
    /// A function that is one inside a box and zero elsewhere is determined by its corners, with alternating signs;
    /// the boxes tile the tensor exactly when their corners add up to the tensor's own. Linear in the number of boxes.
    static func coverageProblem(shape: [Int], boxes: [HyperRectangle]) -> String? {
        var corners: [[Int]: Int] = [:]
        func add(_ box: HyperRectangle, _ weight: Int) {
            for choice in 0..<(1 << box.ranges.count) {
                let corner = box.ranges.enumerated().map { axis, range in
                    choice >> axis & 1 == 0 ? range.lowerBound : range.upperBound
                }
                let signed = choice.nonzeroBitCount % 2 == 0 ? weight : -weight
                corners[corner, default: 0] += signed
            }
        }
        let whole = HyperRectangle(whole: shape)
        if whole.isEmpty { return boxes.isEmpty ? nil : "has no elements but \(boxes.count) chunks" }
        add(whole, -1)
        for box in boxes { add(box, 1) }
        guard corners.values.contains(where: { $0 != 0 }) else { return nil }
        var stored = 0
        for box in boxes { stored = stored.addingReportingOverflow(box.count).partialValue }
        return "must have each of its \(whole.count) elements in exactly one chunk; found \(stored) elements in "
            + "\(boxes.count) chunks" + (stored == whole.count ? ", some of which overlap" : "")
    }
}
