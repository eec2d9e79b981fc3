import Numerics

/// Which copies of a model's tensors are not like the others.
public struct ReplicaVerdict: Hashable {
    /// Copies that differ in the same tensors.
    struct Finding: Hashable {
        /// Those that differ from more than half of all; where no more than half agree, all of them.
        var suspects: [ReplicaCheck.Copy]
        var isCertain: Bool
        var tensors: [String]
    }

    let findings: [Finding]

    /// nil where all copies are the same.
    ///
    /// - Parameter hashes: For each copy those of the tensors; of one that it does not hold it says nothing.
    init?(_ subjects: [ReplicaCheck.Subject], copies: [ReplicaCheck.Copy], hashes: [[UInt64]]) {
        var findings: [Finding] = []
        for (tensor, subject) in subjects.enumerated() {
            for holders in Self.holders(of: subject, copies) {
                guard let (suspects, isCertain) = Self.suspects(among: holders, { hashes[$0][tensor] }) else {
                    continue
                }
                let odd = suspects.map { copies[$0] }
                if let index = findings.firstIndex(where: { $0.suspects == odd && $0.isCertain == isCertain }) {
                    findings[index].tensors.append(subject.name)
                } else {
                    findings.append(Finding(suspects: odd, isCertain: isCertain, tensors: [subject.name]))
                }
            }
        }
        guard !findings.isEmpty else { return nil }
        self.findings = findings
    }

    /// Sets of copies that must be equal in a tensor.
    static func holders(of subject: ReplicaCheck.Subject, _ copies: [ReplicaCheck.Copy]) -> [[Int]] {
        let holders = copies.indices.filter { subject.stages.contains(copies[$0].stage) }
        return subject.isReplicated
            ? [holders]
            : Array(Dictionary(grouping: holders) { copies[$0].tensorRank }.sorted { $0.key < $1.key }.map(\.value))
    }

    private static func suspects(
        among holders: [Int], _ hash: (Int) -> UInt64
    ) -> (suspects: [Int], isCertain: Bool)? {
        let groups = Dictionary(grouping: holders, by: hash)
        guard groups.count > 1 else { return nil }
        guard let majority = groups.values.first(where: { 2 * $0.count > holders.count }) else {
            return (holders, false)
        }
        return (holders.filter { !majority.contains($0) }, true)
    }

    /// The error that ends the run, the same on every rank.
    public func error(step: Int) -> ApusError {
        let lines = findings.map { finding in
            let copies = finding.suspects.map { "rank \($0.rank) on \($0.host)" }.joined(separator: ", ")
            let rest = finding.tensors.count > 3 ? " and \(finding.tensors.count - 3) more tensors" : ""
            let tensors = finding.tensors.prefix(3).joined(separator: ", ") + rest
            return finding.isCertain
                ? "the copy of \(copies) is not like the others in \(tensors)"
                : "the copies of \(copies) are not the same in \(tensors), and no more than half of them agree"
        }
        let hosts = Set(findings.flatMap { $0.suspects.map(\.host) }).sorted().joined(separator: ", ")
        return ApusError(
            "comparing the replicas after step \(step)", lines.joined(separator: "; "),
            remedy: "nothing has been saved since the last checkpoint, from which the same command goes on; test the "
                + "memory and cores of \(hosts), or leave them out", kind: .runtime)
    }
}
