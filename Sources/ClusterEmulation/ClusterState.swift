import JobConfiguration

/// What is known of a cluster between two commands: what was made for it, and what has been done to it since.
package struct ClusterState: Codable, Hashable, Sendable {
    package var layout: ClusterLayout
    package var groups: ControlGroups
    /// What the document asked for and this machine has no means for.
    package var missing: [ClusterFeature]
    /// False from before the first thing is made until all is.
    package var isComplete = false
    /// Hosts that are down.
    package var failedHosts: Set<String> = []
    /// Links that are cut, by their names.
    package var cutLinks: Set<String> = []
    /// Links that are not as the document says, by their names.
    package var degradedLinks: [String: LinkShape] = [:]

    package init(layout: ClusterLayout, groups: ControlGroups, missing: [ClusterFeature]) {
        self.layout = layout
        self.groups = groups
        self.missing = missing
    }

    /// The shape that a link has now.
    package func shape(of link: ClusterLink) -> LinkShape {
        degradedLinks[link.description] ?? layout.shape(of: link)
    }

    /// What is wrong with a host, as far as commands have brought it about; nil for nothing.
    package func condition(of host: ClusterLayout.Host) -> String? {
        var words: [String] = []
        if failedHosts.contains(host.name) {
            words.append("down")
        } else if cutLinks.contains(ClusterLink.host(host).description) {
            words.append("link cut")
        }
        if let shape = degradedLinks[ClusterLink.host(host).description] { words.append("link at \(shape.words)") }
        let uplink = ClusterLink.uplink(rack: host.rack).description
        if cutLinks.contains(uplink) { words.append("\(uplink) cut") }
        if let shape = degradedLinks[uplink] { words.append("\(uplink) at \(shape.words)") }
        return words.isEmpty ? nil : words.joined(separator: ", ")
    }
}
