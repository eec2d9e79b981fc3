import Foundation

/// The steps that combine given parts of a reduction-tree node into the whole of it, block by block.
///
/// A block is small enough that intermediate results stay in the first-level cache: every contribution is read from
/// memory once.
final class ReductionProgram {
    /// `operand >= 0` is a source, `operand < 0` the scratch block `~operand`.
    private struct Step {
        var left: Int
        var right: Int
        var result: Int
    }

    private static let blockBytes = 8 << 10

    private var steps: [Step] = []
    private let sourceCount: Int
    private let scratch: UnsafeMutableRawPointer

    /// - Parameter parts: nodes below (or equal to) `node` that do not overlap and together make it up, in rank order;
    ///   part i is source i when the program runs.
    init(node: Range<Int>, parts: [Range<Int>]) {
        var steps: [Step] = []
        var freeBlocks: [Int] = []
        var blockCount = 0
        // Depth first; a result never takes the block of one of its operands, see `Reduction.combine`.
        func visit(_ node: Range<Int>) -> Int {
            if let source = parts.firstIndex(of: node) { return source }
            let middle = ReductionTree.middle(of: node)
            let left = visit(node.lowerBound..<middle)
            let right = visit(middle..<node.upperBound)
            let block: Int
            if let free = freeBlocks.popLast() {
                block = free
            } else {
                block = blockCount
                blockCount += 1
            }
            steps.append(Step(left: left, right: right, result: block))
            for operand in [left, right] where operand < 0 { freeBlocks.append(~operand) }
            return ~block
        }
        _ = visit(node)
        self.steps = steps
        sourceCount = parts.count
        scratch = .allocate(byteCount: max(blockCount, 1) * Self.blockBytes, alignment: 64)
    }

    deinit { scratch.deallocate() }

    /// Combines `count` elements at each of `sources` and stores the result at each of `destinations`.
    ///
    /// A destination may be a source as well.
    func run<Element: ReducibleElement>(
        _ reduction: Reduction, _ sources: [UnsafeRawPointer], count: Int, of type: Element.Type,
        into destinations: [UnsafeMutableRawPointer]
    ) {
        precondition(sources.count == sourceCount, "\(sources.count) sources for a reduction of \(sourceCount)")
        let blockElements = Self.blockBytes / MemoryLayout<Element>.stride
        var start = 0
        while start < count {
            let elements = min(blockElements, count - start)
            let offset = start * MemoryLayout<Element>.stride
            let result = combineBlock(reduction, sources, offset: offset, count: elements, of: type)
            for destination in destinations where UnsafeRawPointer(destination + offset) != result {
                memcpy(destination + offset, result, elements * MemoryLayout<Element>.stride)
            }
            start += elements
        }
    }

    private func combineBlock<Element: ReducibleElement>(
        _ reduction: Reduction, _ sources: [UnsafeRawPointer], offset: Int, count: Int, of type: Element.Type
    ) -> UnsafeRawPointer {
        func pointer(_ operand: Int) -> UnsafePointer<Element> {
            (operand >= 0 ? sources[operand] + offset : UnsafeRawPointer(block(~operand)))
                .assumingMemoryBound(to: Element.self)
        }
        for step in steps {
            reduction.combine(
                pointer(step.left), pointer(step.right),
                into: block(step.result).assumingMemoryBound(to: Element.self), count: count)
        }
        return steps.last.map { UnsafeRawPointer(block($0.result)) } ?? sources[0] + offset
    }

    private func block(_ index: Int) -> UnsafeMutableRawPointer { scratch + index * Self.blockBytes }
}
