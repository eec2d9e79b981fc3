import Yams

extension ClusterConfiguration {
    /// Reads a cluster document.
    ///
    /// - Throws: `JobError` with everything that is wrong with it.
    public static func load(path: String) throws -> ClusterConfiguration {
        try load(yaml: try readText(path), name: path)
    }

    /// Decodes a cluster document; `name` stands for it in messages.
    public static func load(yaml: String, name: String) throws -> ClusterConfiguration {
        let context = DecodingContext(name: name, subject: "the cluster", allKeys: allKeys)
        let root = try composeYAML(yaml, name: name) ?? Node.mapping(Node.Mapping([]))
        var cluster = ClusterConfiguration(name: "", hosts: 0)
        decode(root, into: &cluster, at: "", context)
        reportMissingKeys(at: "", context, mark: context.sectionMark(root))
        cluster.reportConflicts(context)
        guard context.problems.isEmpty else { throw JobError(problems: context.problems) }
        return cluster
    }

    /// The whole cluster as a document that loads to an equal value.
    public var yaml: String { printed().joined(separator: "\n") + "\n" }

    private func reportConflicts(_ context: DecodingContext) {
        guard context.isValid("hosts") else { return }
        if context.isValid("racks"), racks > hosts {
            context.reportConflict(
                ["racks", "hosts"], "there are \(racks) racks for \(hosts) hosts",
                remedy: "set racks to at most \(hosts)")
        }
        if racks == 1, !uplink.isEmpty {
            context.reportConflict(
                ["uplink"], "there is an uplink, but only one rack", remedy: "set racks to 2 or more, or remove uplink")
        }
        for host in overrides.keys.sorted() where !hostNames.contains(host) {
            context.reportConflict(
                ["overrides.\(host)"], "there is no host '\(host)'",
                remedy: nearest(to: host, among: hostNames).map { "did you mean '\($0)'?" }
                    ?? "the hosts are host1 to host\(hosts)")
        }
    }
}
