import Foundation
import Numerics

/// How two checkpoints differ: tensor by tensor, and in what they tell of the run. How they are cut into files is no
/// difference.
public struct CheckpointComparison: Sendable {
    public enum Outcome: Hashable, Sendable {
        /// Bit for bit.
        case equal
        case missingInFirst
        case missingInSecond
        case shapes([Int], [Int])
        case types(ElementType, ElementType)
        /// How many elements differ in their bits, and the largest absolute difference: not a number where one of two
        /// elements is none, and 0 where zeros differ in their sign.
        case values(count: Int, largest: Double)
        /// Elements that are no floating-point numbers.
        case bytes
    }

    /// By name, in natural order.
    public let tensors: [(name: String, outcome: Outcome)]
    /// A line for each difference of step, position and job.
    public let state: [String]
    private let comparesState: Bool

    public var isEqual: Bool { state.isEmpty && tensors.allSatisfy { $0.outcome == .equal } }

    /// Reads both, piece by piece.
    ///
    /// - Throws: `ApusError` where one is damaged.
    public init(_ first: CheckpointReader, _ second: CheckpointReader, tensorsOnly: Bool = false) throws {
        let names = Set(first.manifest.tensors.keys).union(second.manifest.tensors.keys)
        tensors = try names.sorted(by: CheckpointSummary.naturally).map {
            ($0, try Self.compare($0, first, second))
        }
        state = tensorsOnly ? [] : Self.differences(first.manifest, second.manifest)
        comparesState = !tensorsOnly
    }

    private static func compare(
        _ name: String, _ first: CheckpointReader, _ second: CheckpointReader
    ) throws -> Outcome {
        guard let one = first.manifest.tensors[name] else { return .missingInFirst }
        guard let other = second.manifest.tensors[name] else { return .missingInSecond }
        guard one.shape == other.shape else { return .shapes(one.shape, other.shape) }
        guard one.dtype == other.dtype else { return .types(one.dtype, other.dtype) }
        var (count, largest, differs) = (0, 0.0, false)
        for part in CheckpointReader.pieces(of: one.shape.map { 0..<$0 }) {
            let elements = HyperRectangle(part).count
            let bytes = elements * one.dtype.size
            let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: 2 * bytes, alignment: 64)
            defer { memory.deallocate() }
            guard let mine = memory.baseAddress else { continue }
            let theirs = mine + bytes
            try first.readStored(name, slice: part, into: mine)
            try second.readStored(name, slice: part, into: theirs)
            guard memcmp(mine, theirs, bytes) != 0 else { continue }
            differs = true
            guard one.dtype.isConvertibleToFloat else { break }
            var (a, b) = (Float.zero, Float.zero)
            for offset in stride(from: 0, to: bytes, by: one.dtype.size)
            where memcmp(mine + offset, theirs + offset, one.dtype.size) != 0 {
                one.dtype.convert(mine + offset, count: 1, to: &a)
                one.dtype.convert(theirs + offset, count: 1, to: &b)
                count += 1
                let distance = abs(Double(a) - Double(b))
                if distance.isNaN || distance > largest { largest = largest.isNaN ? largest : distance }
            }
        }
        guard differs else { return .equal }
        return one.dtype.isConvertibleToFloat ? .values(count: count, largest: largest) : .bytes
    }

    private static func differences(_ first: CheckpointManifest, _ second: CheckpointManifest) -> [String] {
        var lines: [String] = []
        func compare(_ what: String, _ one: String?, _ other: String?) {
            if one != other { lines.append("\(what): \(one ?? "none") against \(other ?? "none")") }
        }
        compare("step", grouped(first.step), grouped(second.step))
        compare("next sample", grouped(first.state.nextSample), grouped(second.state.nextSample))
        compare("tokens seen", grouped(first.state.tokensSeen), grouped(second.state.tokensSeen))
        for key in Set(first.state.extra.keys).union(second.state.extra.keys).sorted() {
            compare(key, first.state.extra[key]?.description, second.state.extra[key]?.description)
        }
        let jobs = [first, second].map { $0.state.job.split(separator: "\n").map(String.init) }
        for change in jobs[1].difference(from: jobs[0]) {
            switch change {
            case .remove(_, let line, _): lines.append("job, first:  \(line)")
            case .insert(_, let line, _): lines.append("job, second: \(line)")
            }
        }
        return lines
    }

    /// A line for each tensor and each difference of state, and one for the whole.
    public func text() -> String {
        let rows = tensors.map { [$0.name, $0.outcome.description] }
        let different = tensors.filter { $0.outcome != .equal }.count
        let tensorCount = tensors.count == 1 ? "1 tensor" : "\(grouped(tensors.count)) tensors"
        let summary =
            isEqual
            ? "equal: \(tensorCount)" + (comparesState ? " and the state" : "")
            : "different: \(grouped(different)) of \(tensorCount)"
                + (state.isEmpty ? "" : ", and the state")
        return ([table(rows)] + (state.isEmpty ? [] : [state.joined(separator: "\n")]) + [summary])
            .filter { !$0.isEmpty }.joined(separator: "\n\n")
    }
}

extension CheckpointComparison.Outcome: CustomStringConvertible {
    public var description: String {
        switch self {
        case .equal: "equal"
        case .missingInFirst: "missing in the first"
        case .missingInSecond: "missing in the second"
        case .shapes(let one, let other): "shape \(one) against \(other)"
        case .types(let one, let other): "type \(one.rawValue) against \(other.rawValue)"
        case .values(let count, let largest):
            "\(grouped(count)) elements differ, by up to \(String(format: "%.3g", largest))"
        case .bytes: "different"
        }
    }
}
