/// The binary tree along which the contributions of ranks 0..<size are combined, whoever does the work.
///
/// A node is a range of ranks. One of more than one rank combines its left part, as long as the largest power of two
/// below its length, with the rest: ((0 + 1) + (2 + 3)) + 4 for five ranks. Floating-point sums depend on the order;
/// with this one fixed, they have the same bits for every transport, message size, and placement of ranks on hosts.
package enum ReductionTree {
    /// Where the right part of a node of at least two ranks begins.
    static func middle(of node: Range<Int>) -> Int {
        precondition(node.count > 1, "a leaf of the reduction tree has no parts")
        var power = 1
        while power * 2 < node.count { power *= 2 }
        return node.lowerBound + power
    }

    /// The largest nodes of the tree over `size` ranks that hold no other ranks than `ranks`, in rank order.
    ///
    /// A host that holds all ranks, or an aligned power of two of them, has one; an odd slice has a few.
    static func largestNodes(within ranks: [Int], size: Int) -> [Range<Int>] {
        let members = Set(ranks)
        func visit(_ node: Range<Int>) -> [Range<Int>] {
            if node.allSatisfy(members.contains) { return [node] }
            if node.count == 1 { return [] }
            let middle = middle(of: node)
            return visit(node.lowerBound..<middle) + visit(middle..<node.upperBound)
        }
        return visit(0..<size)
    }

    /// The sum of `values`, the leaves, along the tree; 0 without any.
    package static func sum(_ values: UnsafeBufferPointer<Double>) -> Double {
        func visit(_ node: Range<Int>) -> Double {
            if node.count == 1 { return values[node.lowerBound] }
            let middle = middle(of: node)
            return visit(node.lowerBound..<middle) + visit(middle..<node.upperBound)
        }
        return values.isEmpty ? 0 : visit(0..<values.count)
    }
}
