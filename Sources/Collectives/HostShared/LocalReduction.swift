/// The part of the reduction tree that one host combines: one program for each node that it holds entirely.
/// Has scratch memory, so each thread needs its own.
final class LocalReduction {
    private struct Node {
        let program: ReductionProgram
        /// Local ranks, in the order of the program's sources.
        let members: [Int]
        var sources: [UnsafeRawPointer]
        var destination: [UnsafeMutableRawPointer] = [.unset]
    }

    private var nodes: [Node]

    /// - Parameters:
    ///   - nodes: nodes of the tree over the group's ranks.
    ///   - ranks: the group's ranks on this host; a rank's index is its local rank.
    init(nodes: [Range<Int>], ranks: [Int]) {
        self.nodes = nodes.map { node in
            let members = ranks.indices.filter { node.contains(ranks[$0]) }
            return Node(
                program: ReductionProgram(node: node, parts: members.map { ranks[$0]..<ranks[$0] + 1 }),
                members: members, sources: members.map { _ in .unset })
        }
    }

    /// Combines `count` elements of each node's ranks into one result for each node.
    func run<Element: ReducibleElement>(
        _ reduction: Reduction, count: Int, of type: Element.Type,
        from source: (_ localRank: Int) -> UnsafeRawPointer, into result: (_ node: Int) -> UnsafeMutableRawPointer
    ) {
        for index in nodes.indices {
            setSources(ofNode: index, source)
            nodes[index].destination[0] = result(index)
            nodes[index].program.run(
                reduction, nodes[index].sources, count: count, of: type, into: nodes[index].destination)
        }
    }

    /// Combines `count` elements of all ranks of a host that holds the whole tree, and stores the result at every one
    /// of `results`.
    func run<Element: ReducibleElement>(
        _ reduction: Reduction, count: Int, of type: Element.Type,
        from source: (_ localRank: Int) -> UnsafeRawPointer, intoAll results: [UnsafeMutableRawPointer]
    ) {
        precondition(nodes.count == 1, "a host with \(nodes.count) nodes has no whole result")
        setSources(ofNode: 0, source)
        nodes[0].program.run(reduction, nodes[0].sources, count: count, of: type, into: results)
    }

    private func setSources(ofNode index: Int, _ source: (_ localRank: Int) -> UnsafeRawPointer) {
        for (position, member) in nodes[index].members.enumerated() {
            nodes[index].sources[position] = source(member)
        }
    }
}
